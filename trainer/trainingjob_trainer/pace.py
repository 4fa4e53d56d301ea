"""How fast training goes: over about the last half minute, pauses for validation and checkpoints included.

Pure arithmetic on counts that the caller has taken; no clock.
"""

from collections import deque
from dataclasses import dataclass

WINDOW = 30.0


@dataclass(frozen=True, slots=True)
class Count:
    """Work done until a moment (seconds of any clock): optimizer steps, and samples of all processes."""

    at: float
    steps: int
    samples: int


class Pace:
    """Counts of the last WINDOW seconds, and one from before."""

    def __init__(self) -> None:
        self._counts: deque[Count] = deque()

    def add(self, count: Count) -> None:
        """Take a count; those that are too old, but for one, are forgotten."""
        self._counts.append(count)
        while len(self._counts) > 2 and count.at - self._counts[1].at >= WINDOW:
            self._counts.popleft()

    def steps_per_second(self) -> float | None:
        """None until there are two counts."""
        seconds = self._seconds()
        return (self._counts[-1].steps - self._counts[0].steps) / seconds if seconds else None

    def samples_per_second(self) -> float | None:
        """None until there are two counts, and for batches that hold no tensors."""
        seconds = self._seconds()
        return (self._counts[-1].samples - self._counts[0].samples) / seconds or None if seconds else None

    def _seconds(self) -> float:
        return self._counts[-1].at - self._counts[0].at if self._counts else 0.0
