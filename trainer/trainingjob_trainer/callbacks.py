"""What happens at the trainer's turning points: what is said, and which data comes next.

Lightning callbacks, each a thin shell over a module that decides. Saving and stopping are in saving.py.
"""

import time
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.callbacks import Checkpoint

from trainingjob_trainer import log
from trainingjob_trainer.progress import epoch_line
from trainingjob_trainer.sleeper import Sleeper


class EpochLine(Sleeper, Checkpoint):
    """One plain line per epoch, from rank 0. A `Checkpoint` because those run last, when all metrics are logged."""

    def __init__(self) -> None:
        super().__init__()
        self._seconds = 0.0
        self._since: float | None = None

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self.count_anew()
        self._seconds, self._since = 0.0, time.monotonic()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.sleeps:
            self.sleeps -= 1
            return
        if self._since is None:  # after a validation within the epoch, or a resume in its middle
            self._since = time.monotonic()
        self.wake(batch)
        self.sleep()

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pause()

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._pause()
        # Read on every rank: for metrics logged with sync_dist this is a collective.
        metrics = {name: float(value) for name, value in trainer.callback_metrics.items()}
        if trainer.is_global_zero:
            speed = self.samples * trainer.world_size / self._seconds if self._seconds else None
            log.say(epoch_line(trainer.current_epoch + 1, trainer.max_epochs, trainer.global_step, metrics, speed))

    def _pause(self) -> None:
        self.settle()
        if self._since is not None:
            self._seconds += time.monotonic() - self._since
            self._since = None


class ResumedLoader(Callback):
    """Asks for the training data again once the checkpoint's progress is known.

    A model that asks for its number of steps in configure_optimizers makes Lightning build the loader before it has
    restored anything: it would begin the first epoch again.
    """

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if trainer.global_step > 0:
            trainer.fit_loop._combined_loader = None


def without_lightnings_sigterm(trainer: Trainer) -> None:
    """Switch off Lightning's handler, which starts a collective inside the signal, and its broadcast per batch."""
    trainer._signal_connector.register_signal_handlers = lambda: None  # type: ignore[method-assign]
    trainer.fit_loop.epoch_loop._broadcast_sigterm_tensor = lambda: None  # type: ignore[method-assign]
