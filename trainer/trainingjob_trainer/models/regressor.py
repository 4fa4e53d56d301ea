"""Predicts a number from a row of numbers, or from a window of rows of a time series, and how it is trained."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from trainingjob_trainer.limits import above_zero, at_least, below_one
from trainingjob_trainer.models.matching import require_equal, require_kind
from trainingjob_trainer.models.means import EpochMeans, one_cycle


class Regressor(EpochMeans):
    """Learns targets [B] from features [B, F] or windows of them [B, T, F] (data class Table).

    A linear layer, residual blocks of two layers, a linear layer, beside a linear shortcut from all inputs to the
    target: the ResNet for tables of Y. Gorishniy et al. 2021 (2106.11959), with layer norm, whose result does not
    depend on how a batch is shared out. On windows the shortcut alone is the linear model of A. Zeng et al. 2022
    (2205.13504), which is hard to beat. 10 inputs with the default width and depth: 51,020 parameters.

    Args:
        inputs: numbers per sample, F or T x F
        width: of the blocks
        blocks: how many of them
        dropout: share of a block's numbers that is left out while training
        learning_rate: the highest of its one cycle of warm-up and decay
        weight_decay: of AdamW
    """

    def __init__(
        self,
        inputs: int = 10,
        width: int = 64,
        blocks: int = 3,
        dropout: float = 0.0,
        learning_rate: float = 0.003,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        at_least(1, "model", inputs=inputs, width=width)
        at_least(0, "model", blocks=blocks, dropout=dropout, weight_decay=weight_decay)
        above_zero("model", learning_rate=learning_rate)
        below_one("model", dropout=dropout)
        self.save_hyperparameters()
        self.inputs = inputs
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        body = [RowBlock(width, dropout) for _ in range(blocks)]
        self.net = nn.Sequential(nn.Linear(inputs, width), *body, nn.LayerNorm(width), nn.ReLU(), nn.Linear(width, 1))
        self.shortcut = nn.Linear(inputs, 1)

    def forward(self, features: Tensor) -> Tensor:
        """Predictions [B]."""
        rows = features.flatten(1)
        result: Tensor = (self.net(rows) + self.shortcut(rows)).squeeze(1)
        return result

    def setup(self, stage: str) -> None:
        """Raises ConfigurationError if the dataset has another number of inputs."""
        require_kind(self, "rows")
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        require_equal("inputs", self.inputs, getattr(data, "inputs", None), "features x window of the dataset are")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        features, targets = batch
        loss = functional.mse_loss(self(features), targets)
        self.add("train_loss", loss * len(targets), len(targets))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", batch)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """Predictions [B], in deviations of the target from its mean."""
        result: Tensor = self(batch[0])
        return result

    def log_means(self, stage: str) -> None:
        """Also R squared: 1 is perfect, 0 is as good as always saying the mean of the held-out targets."""
        means = self.means(stage)
        if f"{stage}_target" in means:
            mean, square = means.pop(f"{stage}_target"), means.pop(f"{stage}_square")
            variance = square - mean**2
            means[f"{stage}_r2"] = 1 - means[f"{stage}_loss"] / variance if variance > 0 else 0.0
        for name, value in means.items():
            self.log(name, value, sync_dist=True)

    def configure_optimizers(self) -> Any:
        """AdamW under one cycle over the whole run."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        return one_cycle(self, optimizer, self.learning_rate)

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor]) -> None:
        features, targets = batch
        self.add(f"{stage}_loss", functional.mse_loss(self(features), targets, reduction="sum"), len(targets))
        self.add(f"{stage}_target", targets.sum(), len(targets))
        self.add(f"{stage}_square", targets.square().sum(), len(targets))


class RowBlock(nn.Module):
    """[B, width] to the same: norm, two layers, dropout, added to the input."""

    def __init__(self, width: int, dropout: float) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.LayerNorm(width),
            nn.Linear(width, 2 * width),
            nn.ReLU(),
            nn.Linear(2 * width, width),
            nn.Dropout(dropout),
        )

    def forward(self, rows: Tensor) -> Tensor:
        result: Tensor = rows + self.body(rows)
        return result
