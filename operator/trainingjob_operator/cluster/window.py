"""How many requests may be under way at once: more while the API server takes them, half as many when it pushes back.

Pure. Additive increase and multiplicative decrease, as in TCP (Jacobson, "Congestion Avoidance and Control", 1988),
instead of a fixed rate: how fast an API server is, and what its priority and fairness grants, only it knows.
"""

import math
from dataclasses import dataclass, replace

START = 32.0
MOST = 96.0
SHRINK = 0.5


@dataclass(frozen=True, slots=True)
class Window:
    """``size`` requests at once (whole ones count), none before ``hold_until``. Times are seconds of one clock."""

    size: float = START
    hold_until: float = -math.inf
    shrunk_at: float = -math.inf

    def room(self, busy: int, now: float) -> int:
        """How many more may start, with ``busy`` under way."""
        return max(int(self.size) - busy, 0) if now >= self.hold_until else 0

    def answered(self, busy: int) -> "Window":
        """A request was served while ``busy`` (with it) were under way: a full window grows by one in all of itself."""
        if busy < int(self.size):
            return self
        return replace(self, size=min(self.size + 1 / self.size, MOST))

    def refused(self, sent_at: float, now: float, retry_after: float = 0.0) -> "Window":
        """The server was too busy for a request. Those that were sent before the last cut tell nothing new."""
        held = replace(self, hold_until=max(self.hold_until, now + retry_after))
        if sent_at < self.shrunk_at:
            return held
        return replace(held, size=max(self.size * SHRINK, 1.0), shrunk_at=now)
