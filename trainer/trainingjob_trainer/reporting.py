"""Tells how far training is, from inside any Lightning Trainer: a callback that Lightning finds by itself.

The package's entry points (pyproject.toml) name the factories below, so a script needs no change. Without the
operator's TRAININGJOB_PROGRESS_PORT there is no callback. Only rank 0 tells. A step costs a counter and a look at the
clock; the rest is done every two seconds, because reading a loss waits for the GPU.
"""

import math
import os
import time
from collections.abc import Callable, Mapping
from typing import Any

from trainingjob_trainer.log import warn
from trainingjob_trainer.pace import Count, Pace
from trainingjob_trainer.page import Numbers, labels_of, page
from trainingjob_trainer.page_server import PageServer
from trainingjob_trainer.progress import samples_in

SAMPLE_EVERY = 2.0
PORT = "TRAININGJOB_PROGRESS_PORT"


def for_pytorch_lightning() -> list[Any]:
    """The callbacks for trainers of the package pytorch_lightning."""
    from pytorch_lightning import Callback

    return _callbacks(Callback)


def for_lightning() -> list[Any]:
    """The callbacks for trainers of the package lightning, which has a Callback class of its own."""
    from lightning.pytorch import Callback

    return _callbacks(Callback)


def _callbacks(base: type) -> list[Any]:
    return [_callback(base)] if os.environ.get(PORT) else []


def _callback(base: type) -> Any:
    return type("ProgressReport", (Report, base), {})()


class Report:
    """Lightning's hooks. The other base class is either package's Callback."""

    _run: "Run | None" = None

    def __reduce__(self) -> Any:
        """As a new one: strategies that spawn their processes send callbacks to them."""
        return _callback, (type(self).__mro__[2],)

    def on_train_start(self, trainer: Any, pl_module: Any) -> None:
        if trainer.is_global_zero:
            self._run = Run.begin(trainer, os.environ)

    def on_train_batch_end(self, trainer: Any, pl_module: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        if self._run is not None:
            self._run.trained(trainer, outputs, batch, time.monotonic())

    def on_validation_batch_end(self, trainer: Any, pl_module: Any, *_: Any, **__: Any) -> None:
        if self._run is not None:
            self._run.validated(trainer, time.monotonic())

    def on_save_checkpoint(self, trainer: Any, pl_module: Any, checkpoint: Any) -> None:
        if self._run is not None:
            self._run.saving = trainer.global_step, time.monotonic()

    def on_train_end(self, trainer: Any, pl_module: Any) -> None:
        self._end()

    def on_exception(self, trainer: Any, pl_module: Any, exception: BaseException) -> None:
        self._end()

    def _end(self) -> None:
        if self._run is not None:
            self._run.server.close()
            self._run = None


class Run:
    """One call of fit on rank 0, while its page is served. Times are seconds of the monotonic clock."""

    def __init__(self, server: PageServer, numbers: list[Numbers]) -> None:
        self.server = server
        self.saving: tuple[int, float] | None = None
        self._numbers = numbers  # the one that the server's thread looks at, replaced as a whole
        self._pace = Pace()
        self._batches = self._counted = self._samples = 0
        self._next = 0.0

    @classmethod
    def begin(cls, trainer: Any, env: Mapping[str, str]) -> "Run | None":
        """Begin to tell; None if the port cannot be had."""
        numbers = [Numbers(trainer.global_step, 0, trainer.current_epoch, total_steps(trainer))]
        server = serve(env, lambda: numbers[0])
        if server is None:
            return None
        run = cls(server, numbers)
        run._pace.add(Count(time.monotonic(), trainer.global_step, 0))
        return run

    def trained(self, trainer: Any, outputs: Any, batch: Any, now: float) -> None:
        """One more batch; every two seconds its loss is read, and its size stands for those since."""
        self._batches += 1
        self._counted += 1
        if now < self._next:
            return
        self._samples += self._counted * samples_in(batch) * trainer.world_size
        self._counted = 0
        self._pace.add(Count(now, trainer.global_step, self._samples))
        self._tell(trainer, loss_of(outputs), now)

    def validated(self, trainer: Any, now: float) -> None:
        """One more batch that is no step."""
        self._batches += 1
        if now >= self._next:
            self._tell(trainer, self._numbers[0].loss, now)

    def _tell(self, trainer: Any, loss: float | None, now: float) -> None:
        known = self._numbers[0]
        saved = known.saved_step, known.saved_at
        if self.saving is not None and is_written(trainer):
            saved, self.saving = self.saving, None
        self._numbers[0] = Numbers(
            step=trainer.global_step,
            batches=self._batches,
            epoch=trainer.current_epoch,
            max_steps=known.max_steps,
            samples_per_second=self._pace.samples_per_second(),
            steps_per_second=self._pace.steps_per_second(),
            loss=loss,
            saved_step=saved[0],
            saved_at=saved[1],
        )
        self._next = now + SAMPLE_EVERY


def serve(env: Mapping[str, str], numbers: Callable[[], Numbers]) -> PageServer | None:
    """Serve what ``numbers`` gives; None, and a warning, if the port cannot be had. Training goes on without."""
    labels = labels_of(env)
    try:
        # Only where the operator asks: pods of a sandbox share one machine and its ports.
        address = env.get("TRAININGJOB_POD_IP", "")
        return PageServer(address, int(env[PORT]), lambda: page(numbers(), labels, time.monotonic()))
    except (OSError, ValueError, OverflowError) as error:
        warn(f"no progress is told: {PORT}={env[PORT]} cannot be served ({error}); set another spec.progressPort")
        return None


def total_steps(trainer: Any) -> int | None:
    """Optimizer steps of the whole run; None if nothing bounds them that is known now."""
    bounds: list[int] = []
    if trainer.max_steps is not None and trainer.max_steps >= 0:
        bounds.append(trainer.max_steps)
    batches, epochs = trainer.num_training_batches, trainer.max_epochs
    if epochs is not None and epochs >= 0 and math.isfinite(batches):
        bounds.append(math.ceil(batches / trainer.accumulate_grad_batches) * epochs)
    return min(bounds, default=None)


def loss_of(outputs: Any) -> float | None:
    """The loss that a training step gave, if it is one number. Waits for the GPU."""
    loss = outputs.get("loss") if isinstance(outputs, Mapping) else outputs
    try:
        return float(loss) if loss is not None and getattr(loss, "numel", lambda: 1)() == 1 else None
    except (TypeError, ValueError):
        return None


def is_written(trainer: Any) -> bool:
    """Whether no checkpoint is on its way to the disk any more: ours are written by a thread."""
    writer = getattr(trainer.strategy.checkpoint_io, "writer", None)
    return writer is None or not writer.busy
