"""A callback that counts samples without hearing of every batch: every tenth tells the size of those before it, too.

Decides when it wakes; the lean loop (loop.py, listeners.py) leaves a sleeping callback alone, in Lightning's own loop
it goes to sleep again by itself. The number of batches is always exact, their sizes are where batches are alike.
"""

from typing import Any

from trainingjob_trainer.progress import samples_in

LOOK_EVERY = 10  # batches


class Sleeper:
    """Counts ``samples`` of this process. While ``sleeps`` is above 0, a batch does no more than lower it by one."""

    def __init__(self) -> None:
        self.samples = 0
        self.sleeps = 0
        self._slept = 0
        self._size = 0

    def wake(self, batch: Any) -> None:
        """Count this batch and those that were slept through."""
        self._size = samples_in(batch)
        self.samples += self._size
        self.settle()

    def settle(self) -> None:
        """Count what was slept through, and sleep no more."""
        self.samples += (self._slept - self.sleeps) * self._size
        self._slept = self.sleeps = 0

    def sleep(self, batches: int = LOOK_EVERY - 1) -> None:
        """Leave out so many batches; at most those between two looks."""
        self._slept = self.sleeps = min(batches, LOOK_EVERY - 1)

    def count_anew(self) -> None:
        """From 0, awake."""
        self.samples = self.sleeps = self._slept = 0
