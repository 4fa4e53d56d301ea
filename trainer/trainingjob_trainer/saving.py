"""When a checkpoint is saved, and when a run that was told to stop ends.

After epochs, after steps, by the clock, and at SIGTERM, always on all ranks after the same step. A checkpoint says of
itself whether the epoch's validation is still to be done: so it is never saved between the last batch and the
validation that follows it. Never writes: checkpoint.py does.
"""

import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytorch_lightning import LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint
from torch import Tensor

from trainingjob_trainer.agreement import Agreement
from trainingjob_trainer.checkpoint import AtomicCheckpointIO
from trainingjob_trainer.errors import ConfigurationError, PreemptedError
from trainingjob_trainer.log import warn
from trainingjob_trainer.preemption import Preemption
from trainingjob_trainer.retention import name_of
from trainingjob_trainer.validation import begin_anew, follows, is_within_training


@dataclass(frozen=True, slots=True)
class Saving:
    """Settings under `checkpoint` in the configuration.

    Args:
        every_epochs: save after every so many epochs (and after the last one); 0 for never
        every_steps: save also after every so many optimizer steps
        every_minutes: save also when the last checkpoint is so old
        keep: how many of the newest checkpoints stay
        monitor: name of a metric; the checkpoint with the best one is kept as best.ckpt
        mode: whether the metric is best when it is smallest or largest
    """

    every_epochs: int = 1
    every_steps: int | None = None
    every_minutes: float | None = None
    keep: int = 2
    monitor: str | None = None
    mode: Literal["min", "max"] = "min"

    def __post_init__(self) -> None:
        """Raises ConfigurationError for numbers that make no sense: with keep 0 a run would end without its model."""
        least = {"every_epochs": 0, "every_steps": 0, "every_minutes": 0, "keep": 1}
        for name, bound in least.items():
            value = getattr(self, name)
            if value is not None and not value >= bound:
                raise ConfigurationError(f"checkpoint.{name} is {value}: it must be {bound} or more")


class SaveAndStop(Checkpoint):
    """A `Checkpoint`, so that Lightning runs it after all other callbacks, and adds none of its own."""

    def __init__(self, folder: Path | None, settings: Saving, preemption: Preemption, io: AtomicCheckpointIO) -> None:
        self._folder = folder
        self._settings = settings
        self._preemption = preemption
        self._io = io
        minutes = settings.every_minutes
        self._agreement = Agreement(preemption, minutes * 60 if minutes and folder else None)
        self._best: float | None = None
        self._validated = 0
        self._warned = False
        self._reserved = folder is None

    def state_dict(self) -> dict[str, Any]:
        return {"best": self._best}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        self._best = state_dict["best"]

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._preemption.take_over()
        self._preemption.training = True

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self._io.writer.check()
        if not self._reserved:
            self._reserve(trainer)
        self._agreement.after_step(trainer)
        verdict, every = self._agreement.verdict, self._settings.every_steps
        if every and self._folder and trainer.global_step % every == 0:
            verdict.save = True
        if (verdict.save or verdict.stop) and not follows(trainer):
            self._save(trainer)
            self._stop_if_told(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_within_training(trainer):
            self._validated = 0
            self._agreement.before_validation(trainer)
            self._leave_validation_if_told(trainer)

    def on_validation_batch_end(self, trainer: Trainer, pl_module: LightningModule, *_: Any, **__: Any) -> None:
        if is_within_training(trainer):
            self._validated += 1
            self._agreement.after_validation_step(trainer, self._validated)
            self._leave_validation_if_told(trainer)

    def on_validation_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_within_training(trainer):
            self._agreement.ask(trainer)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._io.writer.check()
        every, verdict = self._settings.every_epochs, self._agreement.verdict
        last, best = _is_last_epoch(trainer), self._is_best(trainer)
        if verdict.save or verdict.stop or best or (every and (last or (trainer.current_epoch + 1) % every == 0)):
            self._save(trainer, best)
        if not last:
            self._stop_if_told(trainer)

    def on_train_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._io.writer.wait()

    def _save(self, trainer: Trainer, best: bool = False) -> None:
        if self._folder is not None:
            path = self._folder / name_of(trainer.global_step)
            trainer.save_checkpoint(path, storage_options={"best": best})
        self._agreement.saved()

    def _reserve(self, trainer: Trainer) -> None:
        """After the first step: from then on the optimizer's state is there."""
        self._reserved = True
        if trainer.is_global_zero:
            states = [state for optimizer in trainer.optimizers for state in optimizer.state.values()]
            values = [value for state in states for value in state.values()]
            weights = trainer.lightning_module.state_dict().values()
            self._io.reserve([value for value in (*weights, *values) if isinstance(value, Tensor) and value.numel()])

    def _stop_if_told(self, trainer: Trainer) -> None:
        if self._agreement.verdict.stop:
            self._io.writer.wait()
            saved = self._folder / name_of(trainer.global_step) if self._folder else None
            raise PreemptedError(trainer.global_step, saved)

    def _leave_validation_if_told(self, trainer: Trainer) -> None:
        """Save as if the validation were just to begin: it has changed nothing yet, and is done whole later."""
        if self._agreement.verdict.stop:
            begin_anew(trainer.fit_loop.epoch_loop.val_loop.batch_progress)
            self._save(trainer)
            self._stop_if_told(trainer)

    def _is_best(self, trainer: Trainer) -> bool:
        monitor = self._settings.monitor
        if self._folder is None or monitor is None:
            return False
        if monitor not in trainer.callback_metrics:
            self._warn_of_no_metric(trainer, monitor)
            return False
        value = float(trainer.callback_metrics[monitor])
        sign = 1 if self._settings.mode == "min" else -1
        if self._best is None or sign * value < sign * self._best or math.isnan(self._best):
            self._best = value
            return True
        return False

    def _warn_of_no_metric(self, trainer: Trainer, monitor: str) -> None:
        """Once: what is not validated in every epoch may come later."""
        if trainer.is_global_zero and not self._warned:
            found = ", ".join(sorted(trainer.callback_metrics)) or "none"
            warn(f"checkpoint.monitor: no metric {monitor!r} after epoch {trainer.current_epoch + 1}; logged: {found}")
        self._warned = True


def _is_last_epoch(trainer: Trainer) -> bool:
    """Whether training is done, so that a run that was told to stop may as well end."""
    steps_done = 0 <= trainer.max_steps <= trainer.global_step
    return steps_done or trainer.should_stop or trainer.current_epoch + 1 == trainer.max_epochs
