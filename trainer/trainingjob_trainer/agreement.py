"""What all ranks decide together, about once a second: whether to stop, and whether a save by the clock is due.

Collectives must meet: every rank asks after the same steps. In validation, ranks may have unlike numbers of batches;
there they ask only during those that all of them have. Never acts on the answer.
"""

import math
import time
from dataclasses import dataclass, field
from typing import Any

import torch
from pytorch_lightning import Trainer

from trainingjob_trainer.preemption import Preemption, Rhythm


@dataclass(slots=True)
class Verdict:
    """What the ranks have agreed on so far; stays true until it has been acted on."""

    stop: bool = False
    save: bool = False


@dataclass(slots=True)
class Agreement:
    """One rank's part in the agreements of its gang. ``every_seconds``: between two saves by rank 0's clock."""

    preemption: Preemption
    every_seconds: float | None = None
    verdict: Verdict = field(default_factory=Verdict)
    _rhythm: Rhythm = field(default_factory=Rhythm)
    _steps: int = 0
    _saved: float = field(default_factory=time.monotonic)
    _shared_batches: float = math.inf

    def after_step(self, trainer: Trainer) -> None:
        """Ask the others if it is time to; called by all ranks after each training or shared validation step."""
        self._steps += 1
        if self._rhythm.is_due(self._steps):
            self.ask(trainer)

    def before_validation(self, trainer: Trainer) -> None:
        """Find out how many batches all ranks have; 0 if that is unknown."""
        mine = sum(_counts(trainer))
        shared = _reduce(trainer, [-mine])[0]
        self._shared_batches = -shared if math.isfinite(shared) else 0
        # Validation has a speed of its own, so its first step is measured.
        self._rhythm.advance(self._steps, math.inf)

    def after_validation_step(self, trainer: Trainer, number: int) -> None:
        """As `after_step`; ``number`` counts the validation's batches from 1."""
        if number <= self._shared_batches:
            self.after_step(trainer)

    def ask(self, trainer: Trainer) -> None:
        """Agree now."""
        mine = [float(self.preemption.requested), float(self._is_late()), self._rhythm.seconds_per_step(self._steps)]
        stop, save, slowest = _reduce(trainer, mine)
        self._rhythm.advance(self._steps, slowest)
        self.verdict.stop |= bool(stop)
        self.verdict.save |= bool(save)

    def saved(self) -> None:
        """A checkpoint was begun: the clock starts anew."""
        self.verdict.save = False
        self._saved = time.monotonic()

    def _is_late(self) -> bool:
        return self.every_seconds is not None and time.monotonic() - self._saved >= self.every_seconds


def _counts(trainer: Trainer) -> list[float]:
    return [float(count) for count in trainer.fit_loop.epoch_loop.val_loop.max_batches]


def _reduce(trainer: Trainer, values: list[float]) -> list[float]:
    """The largest of all ranks' values, one by one."""
    if trainer.world_size == 1:
        return values
    device: Any = trainer.strategy.root_device
    shared = torch.tensor(values, device=device, dtype=torch.float64)
    torch.distributed.all_reduce(shared, op=torch.distributed.ReduceOp.MAX)
    return [float(value) for value in shared.tolist()]
