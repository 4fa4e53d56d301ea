"""Whether this process may still write: until its lease, counted from before it was last renewed, may have passed on.

A gate in the path of every mutating request. It opens for a while and closes by itself, so a process that was stopped
or that could not renew finds it shut at its very next write. It never talks to the API server and elects nobody.
"""

import math
import time
from collections.abc import Callable

Clock = Callable[[], float]


class DeposedError(Exception):
    """The write was not sent: another process may lead by now, or this one is shutting down."""


def boot_clock() -> float:
    """Seconds on a clock that nobody sets and that goes on while the machine is suspended, where there is one."""
    return time.clock_gettime(getattr(time, "CLOCK_BOOTTIME", time.CLOCK_MONOTONIC))


class Fence:
    """Open until a time (seconds of ``clock``). Starts shut."""

    def __init__(self, clock: Clock = boot_clock) -> None:
        self._clock = clock
        self._until = -math.inf
        self._closed = False

    def open_until(self, until: float) -> None:
        """Let writes through until then; ``math.inf`` where nobody else can lead."""
        self._until = until

    def close(self) -> None:
        """Let nothing through any more, for good: the process ends."""
        self._closed = True

    def left(self) -> float:
        """Seconds for which it stays open, 0 if it is shut."""
        return 0.0 if self._closed else max(self._until - self._clock(), 0.0)

    def check(self) -> float:
        """``left()``, or DeposedError if it is shut."""
        left = self.left()
        if left <= 0:
            raise DeposedError("the lease has run out or was given up")
        return left
