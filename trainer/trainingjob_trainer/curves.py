"""What a run leaves to be looked at: metrics.csv and TensorBoard's event files, per attempt, under the output.

    OUTPUT/logs/<first 8 digits of the job's UID>-<attempt>/metrics.csv, events.out.tfevents.*

Decides names and rhythm; a model's own `self.log` goes to the same files. Every attempt has a folder of its own, so a
restart never rewrites what an earlier one saw; `trainingjob plot` puts them together.
"""

import time
from pathlib import Path
from typing import Any

from pytorch_lightning import Callback, LightningModule, Trainer
from pytorch_lightning.cli import SaveConfigCallback
from pytorch_lightning.loggers import CSVLogger, Logger, TensorBoardLogger
from torch import Tensor

from trainingjob_trainer.environment import Environment
from trainingjob_trainer.sleeper import Sleeper

FOLDER = "logs"
LOSS, SPEED = "loss", "samples_per_second"


def loggers(output: Path, environment: Environment) -> list[Logger]:
    """CSV and TensorBoard, both in the attempt's folder."""
    version = attempt_folder(output / FOLDER, environment.uid, environment.attempt)
    return [
        CSVLogger(output, FOLDER, version, flush_logs_every_n_steps=1),
        TensorBoardLogger(output, FOLDER, version, default_hp_metric=False),
    ]


def attempt_folder(logs: Path, uid: str, attempt: int) -> str:
    """The operator numbers attempts; without it, the first number that no folder has yet."""
    if uid:
        return f"{uid[:8]}-{attempt}"
    number = 1
    while (logs / f"local-{number}").exists():
        number += 1
    return f"local-{number}"


class Curves(Sleeper, Callback):
    """Loss and speed every `trainer.log_every_n_steps` steps, from rank 0: its share of the batch, all ranks' speed."""

    def __init__(self) -> None:
        super().__init__()
        self._since: float | None = None
        self._written = 0

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._written = 0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin()

    def on_validation_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        self._begin()

    def on_train_batch_end(
        self, trainer: Trainer, pl_module: LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        if self.sleeps:
            self.sleeps -= 1
            return
        self.wake(batch)
        step, every = trainer.global_step, trainer.log_every_n_steps or 1  # type: ignore[attr-defined]
        if step > self._written and step % every == 0 and trainer.is_global_zero and trainer.loggers:
            self._write(trainer, outputs, step)
            self._begin()
            self._written = step
        if pl_module.automatic_optimization:  # a batch is one step at most
            self.sleep(every - step % every - 1)

    def _begin(self) -> None:
        self.count_anew()
        self._since = time.monotonic()

    def _write(self, trainer: Trainer, outputs: Any, step: int) -> None:
        metrics: dict[str, float] = {"epoch": float(trainer.current_epoch)}
        loss = outputs.get("loss") if isinstance(outputs, dict) else None
        if isinstance(loss, Tensor):
            metrics[LOSS] = float(loss)
        seconds = time.monotonic() - self._since if self._since is not None else 0.0
        if seconds > 0:
            metrics[SPEED] = self.samples * trainer.world_size / seconds
        for logger in trainer.loggers:
            # As Lightning itself numbers steps, from 0.
            logger.log_metrics(metrics, step - 1)


class ConfigurationFile(SaveConfigCallback):
    """The whole configuration as OUTPUT/config.yaml; Lightning would put it beside the first logger's files."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **(kwargs | {"save_to_log_dir": False}))

    def save_config(self, trainer: Trainer, pl_module: LightningModule, stage: str) -> None:
        path = Path(trainer.default_root_dir) / self.config_filename
        self.parser.save(self.config, path, skip_none=False, overwrite=self.overwrite, multifile=self.multifile)
