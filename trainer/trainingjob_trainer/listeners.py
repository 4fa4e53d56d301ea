"""Who listens to which of Lightning's hooks, and whether a training step may leave out the calls that nobody hears.

Decides only; loop.py takes the steps. Whatever is not understood to the last detail is left to Lightning's own loop.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.__version__ import version
from pytorch_lightning.core.hooks import DataHooks
from pytorch_lightning.loops.fetchers import _DataFetcher, _DataLoaderIterDataFetcher
from pytorch_lightning.plugins.precision import MixedPrecision, Precision
from pytorch_lightning.profilers import PassThroughProfiler
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy

from trainingjob_trainer.cluster import UnevenDDPStrategy
from trainingjob_trainer.sleeper import Sleeper

# Lightning's loop is not public: its parts are known in these versions, others get Lightning's own loop.
KNOWN_LIGHTNING = ("2.6",)

# A model that replaces one of these takes part in the step itself.
_STEP_HOOKS = ("optimizer_step", "backward", "optimizer_zero_grad")
_BATCH_HOOKS = ("on_before_batch_transfer", "transfer_batch_to_device", "on_after_batch_transfer")
_BACKWARD_HOOKS = ("on_before_backward", "on_after_backward")

# The only hook that a sleeping callback does not hear.
SLEPT_THROUGH = "on_train_batch_end"

Function = Callable[..., Any]


@dataclass(frozen=True, slots=True)
class Hook:
    """One hook: the callbacks that listen to it, then the model if it does, as Lightning orders them."""

    name: str
    callbacks: Sequence[tuple[Function, Sleeper | None]]
    module: Function | None

    def __bool__(self) -> bool:
        return bool(self.callbacks) or self.module is not None

    def call(self, trainer: "pl.Trainer", *args: Any) -> Any:
        """Call all listeners that are awake (sleeper.py); returns what the model's answers."""
        module = trainer.lightning_module
        attributes = vars(module)  # torch's own way to set one costs 4 us
        outer = attributes["_current_fx_name"]
        attributes["_current_fx_name"] = self.name  # self.log asks for it
        for function, sleeper in self.callbacks:
            if sleeper is not None and sleeper.sleeps:
                sleeper.sleeps -= 1
            else:
                function(trainer, module, *args)
        answer = self.module(*args) if self.module is not None else None
        attributes["_current_fx_name"] = outer
        return answer


def hook(trainer: "pl.Trainer", name: str) -> Hook:
    """Who listens to the hook of this name."""
    everyone: list[pl.Callback] = trainer.callbacks  # type: ignore[attr-defined]  # set by one of its connectors
    callbacks = [
        (getattr(callback, name), callback if isinstance(callback, Sleeper) and name == SLEPT_THROUGH else None)
        for callback in everyone
        if listens(callback, pl.Callback, name)
    ]
    module = trainer.lightning_module
    return Hook(name, callbacks, getattr(module, name) if listens(module, pl.LightningModule, name) else None)


def listens(listener: object, base: type, name: str) -> bool:
    """Whether an object has a method of its own instead of the empty one of its base class."""
    function = getattr(listener, name)
    return getattr(function, "__func__", function) is not getattr(base, name)


def batch_transfer(trainer: "pl.Trainer") -> list[Function]:
    """What is done to a batch before the step, in this order; moving from CPU to CPU is left out."""
    selector = trainer._data_connector._datahook_selector
    assert selector is not None
    device = trainer.strategy.root_device
    owners = {name: selector.get_instance(name) for name in _BATCH_HOOKS}
    before, transfer, after = (
        getattr(owner, name) if listens(owner, DataHooks, name) else None for name, owner in owners.items()
    )
    if transfer is None and device.type != "cpu":
        transfer = trainer.lightning_module.transfer_batch_to_device
    steps = [before and (lambda batch: before(batch, 0)), transfer and (lambda batch: transfer(batch, device, 0))]
    return [step for step in (*steps, after and (lambda batch: after(batch, 0))) if step is not None]


def clips_gradients(trainer: "pl.Trainer") -> bool:
    """Whether something is to be done to the gradients before the optimizer's step."""
    asked = trainer.gradient_clip_val is not None
    return asked or listens(trainer.lightning_module, pl.LightningModule, "configure_gradient_clipping")


def may_be_lean(trainer: "pl.Trainer", fetcher: _DataFetcher) -> bool:
    """Whether every step is of the plain kind: one optimizer, no accumulation, a known strategy and precision."""
    module = trainer.lightning_module
    return (
        version.startswith(KNOWN_LIGHTNING)
        and not isinstance(fetcher, _DataLoaderIterDataFetcher)
        and module.automatic_optimization
        and len(trainer.optimizers) == 1
        and trainer.accumulate_grad_batches == 1
        and not trainer.fast_dev_run  # type: ignore[attr-defined]
        and isinstance(trainer.profiler, PassThroughProfiler)  # type: ignore[attr-defined]
        and _known_strategy(trainer)
        and not any(listens(module, pl.LightningModule, name) for name in _STEP_HOOKS)
        and not any(hook(trainer, name) for name in _BACKWARD_HOOKS)
    )


def _known_strategy(trainer: "pl.Trainer") -> bool:
    strategy, precision = trainer.strategy, trainer.precision_plugin
    averages = getattr(strategy, "_model_averager", None) is not None
    known = type(strategy) in (SingleDeviceStrategy, DDPStrategy, UnevenDDPStrategy) and not averages
    plain = type(precision) is Precision or (type(precision) is MixedPrecision and precision.scaler is None)
    return known and plain
