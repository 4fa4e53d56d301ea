"""The short ways of a training step: to the next batch, to the model's training_step, past the optimizer's closure.

Each is what Lightning does for the common case, decided once per epoch, without asking again at every step which case
it is. Where the case is another one, Lightning's own way is taken. Never changes what a step computes.

Source: pytorch_lightning 2.6, utilities.combined_loader and loops.fetchers (batches), strategies.strategy (forward).
"""

from collections.abc import Callable
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loops.fetchers import _DataFetcher, _PrefetchDataFetcher
from pytorch_lightning.plugins.precision import Precision
from pytorch_lightning.utilities.combined_loader import CombinedLoader, _MaxSizeCycle
from torch.optim import LBFGS, Optimizer
from torch.optim.optimizer import _global_optimizer_pre_hooks

Batches = Callable[[], Any]
Step = Callable[..., Any]


def batches(fetcher: _DataFetcher) -> Batches:
    """What gives the next batch of this epoch, and raises StopIteration at its end."""
    cycle = only_cycle(fetcher)
    return (lambda: next(fetcher)[0]) if cycle is None else _batches_of_one(fetcher, cycle)


def only_cycle(fetcher: _DataFetcher) -> _MaxSizeCycle | None:
    """Lightning's iterator over one loader of known length, None if the epoch's data is anything else."""
    loader = fetcher.iterator
    if type(fetcher) is not _PrefetchDataFetcher or fetcher.length is None or type(loader) is not CombinedLoader:
        return None
    cycle = loader._iterator
    if not isinstance(cycle, _MaxSizeCycle) or len(cycle.iterators) != 1 or not loader._spec.is_leaf():
        return None
    return cycle


def _batches_of_one(fetcher: _DataFetcher, cycle: _MaxSizeCycle) -> Batches:
    """The loader's batches one by one; fetcher and cycle count as if they had been asked."""
    iterator, length = cycle.iterators[0], fetcher.length
    assert length is not None

    def next_batch() -> Any:
        if fetcher.done:
            raise StopIteration
        try:
            batch = next(iterator)
        except StopIteration:
            fetcher.done = cycle._consumed[0] = True
            raise
        cycle._idx += 1
        fetcher.fetched += 1
        fetcher.done = fetcher.fetched >= length
        return batch

    return next_batch


def training_step(trainer: "pl.Trainer") -> Step:
    """What calls the model's training_step, through DDP's forward if there is DDP."""
    module, wrapper, precision = trainer.lightning_module, trainer.strategy.model, trainer.precision_plugin
    if wrapper is None or wrapper is module:
        step: Step = lambda *args: module.training_step(*args)  # noqa: E731 - looked up anew: it may be replaced
    else:
        step = through(wrapper, module)
    if type(precision) is Precision:  # whose context does nothing
        return step

    def in_context(*args: Any) -> Any:
        with precision.train_step_context():
            return step(*args)

    return in_context


def through(wrapper: Step, module: "pl.LightningModule") -> Step:
    """A training step inside DDP's forward: what DDP calls is the model's forward, for this one call the step."""
    attributes = vars(module)  # torch's own way to set one costs 4 us

    def step(*args: Any) -> Any:
        forward = module.forward

        def training_step(*args: Any) -> Any:
            attributes["forward"] = forward  # the step itself may call it
            return module.training_step(*args)

        attributes["forward"] = training_step
        return wrapper(*args)

    return step


def steps_after_backward(optimizer: Optimizer) -> bool:
    """Whether the optimizer's step calls its closure once and first, so that one may as well call it oneself before.

    So do those of torch but LBFGS; a hook before the step would be called in another order.
    """
    hooks = bool(_global_optimizer_pre_hooks) or bool(optimizer._optimizer_step_pre_hooks)
    return type(optimizer).__module__.startswith("torch.optim.") and type(optimizer) is not LBFGS and not hooks
