"""The training loop: Lightning's own, without the calls that nobody hears.

Lightning asks about sixty questions around every step, most of them of hooks that nobody has written; at steps of a
millisecond that doubles the time. Here the same steps are taken in the same order with the same counters, and only
those hooks are called that somebody listens to. A step of any unusual kind (listeners.py) is Lightning's own.

Source: pytorch_lightning.loops.training_epoch_loop and .optimization.automatic, version 2.6, whose order is kept.
"""

from collections import OrderedDict
from collections.abc import Sequence
from typing import Any

import pytorch_lightning as pl
import torch
from pytorch_lightning.loops.fetchers import _DataFetcher, _profile_nothing
from pytorch_lightning.loops.optimization.automatic import ClosureResult
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from torch import Tensor

from trainingjob_trainer import shortcuts
from trainingjob_trainer.listeners import batch_transfer, clips_gradients, hook, may_be_lean
from trainingjob_trainer.logged import KnownResults


def make_lean(trainer: "pl.Trainer") -> None:
    """Give a new trainer the lean loop; its counters and settings are taken over."""
    fit = trainer.fit_loop
    fit.epoch_loop = LeanEpochLoop(trainer, fit.epoch_loop.min_steps, fit.epoch_loop.max_steps)


class LeanEpochLoop(_TrainingEpochLoop):
    """One epoch of training steps."""

    def __init__(self, trainer: "pl.Trainer", min_steps: int | None = None, max_steps: int = -1) -> None:
        super().__init__(trainer, min_steps, max_steps)
        self._results = KnownResults(training=True)
        self._step: LeanStep | None = None

    def on_run_start(self, data_fetcher: _DataFetcher) -> None:
        super().on_run_start(data_fetcher)
        self._step = None
        if may_be_lean(self.trainer, data_fetcher):
            data_fetcher._start_profiler = data_fetcher._stop_profiler = _profile_nothing
            self._step = LeanStep(self, data_fetcher)

    def advance(self, data_fetcher: _DataFetcher) -> None:
        """Training steps until something else may be due: validation, the epoch's end, a stop.

        The first step after a restart is Lightning's: it settles the counters.
        """
        if self._step is None or self.restarting:
            super().advance(data_fetcher)
            return
        while not self._step.advance():
            self._batches_that_stepped += 1


def _trackers(loop: LeanEpochLoop) -> Sequence[tuple[Any, Any]]:
    """Total and current counts of batches, of optimizer steps, and of gradients zeroed; they stay the same objects."""
    optimizer = loop.automatic_optimization.optim_progress.optimizer
    return [(each.total, each.current) for each in (loop.batch_progress, optimizer.step, optimizer.zero_grad)]


class LeanStep:
    """The steps of one epoch; who listens, and which way is short, is asked once per epoch."""

    def __init__(self, loop: LeanEpochLoop, fetcher: _DataFetcher) -> None:
        trainer = loop.trainer
        self.loop = loop
        self.trainer = trainer
        self.module = trainer.lightning_module
        self.fetcher = fetcher
        self.next_batch = shortcuts.batches(fetcher)
        self.on_start, self.on_end = hook(trainer, "on_train_batch_start"), hook(trainer, "on_train_batch_end")
        self.on_zero_grad = hook(trainer, "on_before_zero_grad")
        self.prepares_step = bool(hook(trainer, "on_before_optimizer_step")) or clips_gradients(trainer)
        self.transfer = batch_transfer(trainer)
        self.training_step = shortcuts.training_step(trainer)
        self.with_index = "batch_idx" in loop._build_kwargs(OrderedDict(), None, 0)
        self.optimizer = trainer.strategy._lightning_optimizers[0]
        self.steps_after_backward = shortcuts.steps_after_backward(self.optimizer.optimizer)
        self.batches, self.steps, self.zeroed = _trackers(loop)
        self.waiting_scheduler = any(config.reduce_on_plateau for config in trainer.lr_scheduler_configs)

    def advance(self) -> bool:
        """Fetch a batch, train on it, tell those who listen; whether something else may be due then.

        Raises StopIteration at the end of the epoch.
        """
        trainer, progress = self.trainer, self.loop.batch_progress
        total, current = self.batches
        batch = self.next_batch()
        index = current.ready
        progress.is_last_batch = self.fetcher.done
        for function in self.transfer:
            batch = function(batch)
        total.ready += 1
        current.ready += 1
        self._begin(batch)
        if self.on_start and self.on_start.call(trainer, batch, index) == -1:
            progress.increment_by(0, is_last_batch=True)
            self._process()
            raise StopIteration
        total.started += 1
        current.started += 1
        output = self._optimize(batch, index)
        self._process()
        if self.on_end:
            self.on_end.call(trainer, output, batch, index)
        return self._finish()

    def _begin(self, batch: Any) -> None:
        """What self.log needs to know of the batch."""
        connector, results = self.trainer._logger_connector, self.loop._results
        connector._first_loop_iter = connector._first_loop_iter is None
        results.batch, results.batch_size, results.dataloader_idx = batch, None, None

    def _optimize(self, batch: Any, index: int) -> dict[str, Any]:
        """Forward, backward and the optimizer's step; returns what on_train_batch_end is told."""
        total, current = self.steps
        total.ready += 1
        current.ready += 1
        self.optimizer._on_before_step()
        if self.steps_after_backward and torch.is_grad_enabled():
            output = self._backward(batch, index)
            self.optimizer.optimizer.step()
        else:
            output = self._step_with_closure(batch, index)
        self.optimizer._on_after_step()
        total.completed += 1
        current.completed += 1
        return output

    def _step_with_closure(self, batch: Any, index: int) -> dict[str, Any]:
        """For optimizers that call it several times, or that something listens to."""
        output: dict[str, Any] = {}

        @torch.enable_grad()
        def closure() -> Tensor | None:
            nonlocal output
            output = self._backward(batch, index)
            return output.get("loss")

        self.optimizer.optimizer.step(closure=closure)
        return output

    def _backward(self, batch: Any, index: int) -> dict[str, Any]:
        """New gradients, ready for the optimizer; returns the loss and what else the model returned."""
        output: dict[str, Any] = {}
        loss, extra = self._forward(batch, index)
        self._zero_grad()
        if loss is not None:
            loss.backward()  # type: ignore[no-untyped-call]
            output = {"loss": loss.detach(), **extra}
        if self.prepares_step:
            self.trainer.precision_plugin._after_closure(self.module, self.optimizer.optimizer)
        return output

    def _forward(self, batch: Any, index: int) -> tuple[Tensor | None, dict[str, Any]]:
        """The loss with its graph, and what else the model returned."""
        attributes = vars(self.module)  # torch's own way to set one costs 4 us
        attributes["_current_fx_name"] = "training_step"
        returned = self.training_step(batch, index) if self.with_index else self.training_step(batch)
        attributes["_current_fx_name"] = None
        if isinstance(returned, Tensor):
            return returned, {}
        if returned is None and self.trainer.world_size > 1:
            raise RuntimeError("training_step returned None: in a gang every process has to return a loss")
        result = ClosureResult.from_training_step_output(returned)
        return result.closure_loss, result.extra

    def _zero_grad(self) -> None:
        for tracker in self.zeroed:
            tracker.ready += 1
        if self.on_zero_grad:
            self.on_zero_grad.call(self.trainer, self.optimizer)
        self.optimizer.optimizer.zero_grad()
        for tracker in self.zeroed:
            tracker.started += 1
            tracker.completed += 1

    def _process(self) -> None:
        """The batch is processed; learning rates go on."""
        for tracker in self.batches:
            tracker.processed += 1
        if self.trainer.lr_scheduler_configs:
            self.loop._update_learning_rates("step", update_plateau_schedulers=False)
            if self.loop._num_ready_batches_reached():
                self.loop._update_learning_rates("epoch", update_plateau_schedulers=False)

    def _finish(self) -> bool:
        """Metrics for callbacks and loggers. Between two steps that log, they are computed when they are asked for."""
        loop, trainer, results = self.loop, self.trainer, self.loop._results
        every = trainer.log_every_n_steps
        logs = bool(every) and (loop._batches_that_stepped + 1) % every == 0
        ending = self.waiting_scheduler or self._may_end()
        if results and (logs or ending):
            trainer._logger_connector.on_batch_end()
        results.batch, results.batch_size = None, None
        for tracker in self.batches:
            tracker.completed += 1
        if logs or ending:
            trainer._logger_connector.update_train_step_metrics()
        return ending

    def _may_end(self) -> bool:
        """Whether validation, a stop or the epoch's end may be due after this step."""
        trainer, (total, current) = self.trainer, self.batches
        if trainer.should_stop or trainer._signal_connector.received_sigterm or self.loop.batch_progress.is_last_batch:
            return True
        if current.ready == trainer.fit_loop.max_batches or 0 <= self.loop.max_steps <= self.steps[0].completed:
            return True
        every = trainer.val_check_batch
        return every is None or current.ready % every == 0 or total.ready % every == 0
