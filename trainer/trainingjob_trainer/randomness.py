"""Random numbers go on where they were: every rank's generators are in the checkpoint (dropout, augmentation).

Restored at the moment of the epoch at which they were saved: a loader draws a number when it begins an epoch. With
another number of processes there is nothing to go on with, and the ranks begin from the seed. Generators that a model
makes for itself are its own affair.
"""

import random
from typing import Any

import numpy as np
import torch
from pytorch_lightning import Callback, LightningModule, Trainer

from trainingjob_trainer.validation import is_to_begin, is_within_training

_KEY = "trainingjob_random"


class Randomness(Callback):
    """Saves and restores the generators of torch (CPU and this process's GPU), numpy and Python."""

    def __init__(self) -> None:
        self._loaded: dict[str, Any] | None = None
        self._before_validation: dict[str, Any] | None = None

    def on_save_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        """Called on all ranks: a checkpoint is always put together by all of them."""
        anew = trainer.validating and is_to_begin(trainer.fit_loop.epoch_loop.val_loop.batch_progress)
        ranks: list[Any] = [self._before_validation if anew else current(trainer)]
        if trainer.world_size > 1:
            mine, ranks = ranks[0], [None] * trainer.world_size
            torch.distributed.all_gather_object(ranks, mine)
        checkpoint[_KEY] = {"ranks": ranks, "within_epoch": _within_epoch(trainer)}

    def on_load_checkpoint(self, trainer: Trainer, pl_module: LightningModule, checkpoint: dict[str, Any]) -> None:
        saved = checkpoint.get(_KEY)
        self._loaded = saved if saved and len(saved["ranks"]) == trainer.world_size else None

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if self._loaded is not None and not self._loaded["within_epoch"]:
            self._restore(trainer)

    def on_validation_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        if is_within_training(trainer):
            if self._loaded is not None:
                self._restore(trainer)
            # What a checkpoint has that is saved within this validation, which is then done again.
            self._before_validation = current(trainer)

    def on_train_batch_start(self, trainer: Trainer, pl_module: LightningModule, batch: Any, batch_idx: int) -> None:
        if self._loaded is not None:
            self._restore(trainer)

    def _restore(self, trainer: Trainer) -> None:
        assert self._loaded is not None
        restore(trainer, self._loaded["ranks"][trainer.global_rank])
        self._loaded = None


def current(trainer: Trainer) -> dict[str, Any]:
    """The generators' states, as plain values and tensors."""
    device = trainer.strategy.root_device
    numbers: Any = np.random.get_state(legacy=True)
    kind, keys, position, has_gauss, gauss = numbers
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state(device) if device.type == "cuda" else None,
        "numpy": [kind, torch.from_numpy(keys.astype(np.int64)), position, has_gauss, gauss],
        "python": random.getstate(),
    }


def restore(trainer: Trainer, state: dict[str, Any]) -> None:
    """Put the generators back."""
    torch.set_rng_state(state["torch"])
    device = trainer.strategy.root_device
    if device.type == "cuda" and state["cuda"] is not None:
        torch.cuda.set_rng_state(state["cuda"], device)
    kind, keys, *rest = state["numpy"]
    np.random.set_state((kind, keys.numpy().astype(np.uint32), *rest))
    version, internal, gauss = state["python"]
    random.setstate((version, tuple(internal), gauss))


def _within_epoch(trainer: Trainer) -> bool:
    """Whether the epoch goes on after this checkpoint."""
    progress: Any = trainer.fit_loop.epoch_progress.current
    return bool(progress.processed < progress.ready)
