"""SIGTERM: all ranks stop after the same step, with a checkpoint, within the grace period.

The signal may reach one rank only, or the ranks at different times. So it only raises a flag; the ranks agree about
once a second, in training and in validation (agreement.py), whether anyone has seen it. Before training there is
nothing to save and the process ends at once, even if it is blocked in a rendezvous. Lightning's own handling is
switched off: with ranks that got the signal apart it hung until the timeout, and it ended with exit code 0.
"""

import os
import signal
import threading
import time
from dataclasses import dataclass, field
from types import FrameType

from trainingjob_trainer.exit_codes import PREEMPTED

AGREE_EVERY = 1.0  # seconds between two agreements, so that they cost nothing beside training
MAX_STEPS = 100


@dataclass(slots=True)
class Preemption:
    """Whether SIGTERM has come. ``training`` is true once a checkpoint would be worth something."""

    requested: bool = False
    training: bool = False
    _wakeup: int = field(default=-1, repr=False)

    @classmethod
    def install(cls) -> "Preemption":
        """Take over SIGTERM. As PID 1 a process without a handler would simply ignore it."""
        preemption = cls()
        preemption.take_over()
        reader, writer = os.pipe()
        os.set_blocking(writer, False)
        # A Python handler waits until C++ returns from a rendezvous or a collective; this pipe is written at once.
        preemption._wakeup = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
        threading.Thread(target=preemption._leave_if_idle, args=(reader,), daemon=True).start()
        return preemption

    def take_over(self) -> None:
        """Make this the only handler of SIGTERM; called again after a library has put its own in place."""
        signal.signal(signal.SIGTERM, self._request)

    def _request(self, signum: int, frame: FrameType | None) -> None:
        self.requested = True

    def _leave_if_idle(self, reader: int) -> None:
        while received := os.read(reader, 1):
            if received[0] == signal.SIGTERM and not self.training:
                os._exit(PREEMPTED)


@dataclass(slots=True)
class Rhythm:
    """After how many steps the ranks agree next; computed from shared values only, so that all ranks do the same."""

    next_step: int = 1
    _since: float = field(default_factory=time.monotonic)
    _last_step: int = 0

    def is_due(self, step: int) -> bool:
        """Whether the ranks agree after this step (steps count from 1 and never repeat)."""
        return step >= self.next_step

    def seconds_per_step(self, step: int) -> float:
        """This rank's own speed since the last agreement."""
        return (time.monotonic() - self._since) / max(1, step - self._last_step)

    def advance(self, step: int, slowest: float) -> None:
        """Plan the next agreement; ``slowest`` is the largest of all ranks' seconds per step."""
        self.next_step = step + steps_until_next(slowest)
        self._last_step = step
        self._since = time.monotonic()


def steps_until_next(seconds_per_step: float) -> int:
    """How many steps make about AGREE_EVERY seconds, at least one, at most MAX_STEPS."""
    return max(1, min(MAX_STEPS, int(AGREE_EVERY / max(seconds_per_step, 1e-6))))
