"""Where training stands towards its validation, in the terms of Lightning's counters.

Lightning, restarted, runs a validation that a checkpoint says was begun and not ended, but from its first batch only
if the counters say that none was done. Reads and sets counters; runs nothing.
"""

from pytorch_lightning import Trainer
from pytorch_lightning.loops.progress import _BatchProgress
from pytorch_lightning.trainer.states import TrainerFn


def is_within_training(trainer: Trainer) -> bool:
    """Whether a validation belongs to training, and is not the check before it."""
    return trainer.state.fn == TrainerFn.FITTING and not trainer.sanity_checking


def follows(trainer: Trainer) -> bool:
    """Whether this was an epoch's last batch, or one after which validation is due."""
    loop, fetcher = trainer.fit_loop.epoch_loop, trainer.fit_loop._data_fetcher
    assert fetcher is not None
    return loop._num_ready_batches_reached() or loop._should_check_val_fx(fetcher)


def begin_anew(progress: _BatchProgress) -> None:
    """Put the counters to where a restarted trainer does this validation, and does it whole."""
    before = progress.total.ready - progress.current.ready
    for tracker, done in ((progress.total, before), (progress.current, 0)):
        tracker.ready = tracker.started = done + 1  # type: ignore[attr-defined]
        tracker.processed = tracker.completed = done  # type: ignore[attr-defined]
    progress.is_last_batch = False


def is_to_begin(progress: _BatchProgress) -> bool:
    """Whether the counters are where `begin_anew` has put them."""
    current = progress.current
    return (current.ready, current.completed, progress.is_last_batch) == (1, 0, False)
