"""Means over an epoch that are exact whatever the number of processes.

A mean of the ranks' means would weigh ranks, not samples. Here each rank adds up sums and counts; they are put
together once per epoch, which also keeps logging out of the step.
"""

from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor


class EpochMeans(LightningModule):
    """Base of the models that come with the trainer: `add` in a step, the mean is logged at the end of the epoch."""

    def __init__(self) -> None:
        super().__init__()
        self._sums: dict[str, Tensor] = {}
        self._counts: dict[str, int] = {}

    def add(self, name: str, total: Tensor, count: int) -> None:
        """Add a sum over ``count`` samples to the metric; its name begins with the stage, as in `val_loss`."""
        total = total.detach().double()
        self._sums[name] = self._sums[name] + total if name in self._sums else total
        self._counts[name] = self._counts.get(name, 0) + count

    def means(self, stage: str) -> dict[str, float]:
        """The stage's metrics over all samples of all ranks, which start anew. A collective."""
        names = sorted(name for name in self._sums if name.startswith(stage))
        if not names:
            return {}
        pairs = [torch.stack([self._sums[n], self._sums[n].new_tensor(self._counts[n])]) for n in names]
        for name in names:
            del self._sums[name], self._counts[name]
        summed = self.trainer.strategy.reduce(torch.stack(pairs), reduce_op="sum").tolist()
        return {name: total / count for name, (total, count) in zip(names, summed, strict=True)}

    def on_train_epoch_end(self) -> None:
        self.log_means("train")

    def on_validation_epoch_end(self) -> None:
        self.log_means("val")

    def on_test_epoch_end(self) -> None:
        self.log_means("test")

    def log_means(self, stage: str) -> None:
        """Log what `means` says."""
        for name, value in self.means(stage).items():
            # Equal on all ranks already; said so because Lightning would warn otherwise.
            self.log(name, value, sync_dist=True)


def one_cycle(model: LightningModule, optimizer: torch.optim.Optimizer, learning_rate: float) -> dict[str, Any]:
    """The optimizer under one cycle of warm-up and decay over the whole run (L. N. Smith and N. Topin 2017)."""
    steps = max(1, int(model.trainer.estimated_stepping_batches))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, learning_rate, total_steps=steps)
    return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}
