"""A small residual network for small images, and how it is trained.

44,000 parameters by default; learns the digits to 98 % held-out accuracy in a few seconds on two CPU cores. Group
norm, not batch norm: its result does not depend on how a batch is shared out, so two processes train as one.
"""

from typing import Any

import torch
from pytorch_lightning import LightningModule
from torch import Tensor, nn
from torch.nn import functional

from trainingjob_trainer.errors import ConfigurationError


class ImageClassifier(LightningModule):
    """Classifies images float [B, channels, H, W] from 0 to 1 into ``classes`` classes.

    Args:
        channels: of the images; 1 for grey, 3 for colour
        classes: number of classes
        width: channels of the first stage; the second has twice as many
        learning_rate: the highest of its one cycle of warm-up and decay
        weight_decay: of AdamW
    """

    def __init__(
        self,
        channels: int = 1,
        classes: int = 10,
        width: int = 24,
        learning_rate: float = 0.005,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        self.save_hyperparameters()
        self.classes = classes
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        self.net = nn.Sequential(
            nn.Conv2d(channels, width, 3, padding=1),
            Residual(width, width),
            Residual(width, 2 * width, stride=2),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(2 * width, classes),
        )
        self._sums: dict[str, Tensor] = {}

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes]."""
        logits: Tensor = self.net(images)
        return logits

    def setup(self, stage: str) -> None:
        """Raises ConfigurationError if the dataset has another number of classes."""
        description = getattr(self.trainer.datamodule, "description", None)  # type: ignore[attr-defined]
        if description is not None and len(description.classes) != self.classes:
            raise ConfigurationError(
                f"model.classes is {self.classes}, but the dataset {description.name} has {len(description.classes)}: "
                f"set model.init_args.classes to {len(description.classes)}"
            )

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = functional.cross_entropy(self(images), labels)
        self._add("train_loss", loss.detach() * len(labels), len(labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", batch)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The most likely classes, int64 [B]."""
        return torch.argmax(self(batch[0]), dim=1)

    def on_train_epoch_end(self) -> None:
        self._log_means("train")

    def on_validation_epoch_end(self) -> None:
        self._log_means("val")

    def on_test_epoch_end(self) -> None:
        self._log_means("test")

    def configure_optimizers(self) -> Any:
        """AdamW under one cycle over the whole run."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        steps = int(self.trainer.estimated_stepping_batches)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.learning_rate, total_steps=max(1, steps))
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        logits = self(images)
        self._add(f"{stage}_loss", functional.cross_entropy(logits, labels, reduction="sum"), len(labels))
        self._add(f"{stage}_acc", (logits.argmax(dim=1) == labels).sum(), len(labels))

    def _add(self, name: str, total: Tensor, samples: int) -> None:
        pair = torch.stack([total.double(), total.new_tensor(samples).double()])
        self._sums[name] = self._sums[name] + pair if name in self._sums else pair

    def _log_means(self, stage: str) -> None:
        """Log exact means over all samples of all ranks; a mean of the ranks' means would weigh ranks, not samples."""
        for name in sorted(name for name in self._sums if name.startswith(stage)):
            total, samples = self.trainer.strategy.reduce(self._sums.pop(name), reduce_op="sum").tolist()
            # Equal on all ranks already; said so because Lightning would warn otherwise.
            self.log(name, total / samples, sync_dist=True)


class Residual(nn.Module):
    """Two convolutions beside a shortcut: [B, inputs, H, W] to [B, outputs, H / stride, W / stride]."""

    def __init__(self, inputs: int, outputs: int, stride: int = 1) -> None:
        super().__init__()
        self.body = nn.Sequential(
            _norm(inputs),
            nn.ReLU(),
            nn.Conv2d(inputs, outputs, 3, stride, padding=1),
            _norm(outputs),
            nn.ReLU(),
            nn.Conv2d(outputs, outputs, 3, padding=1),
        )
        plain = inputs == outputs and stride == 1
        self.shortcut = nn.Identity() if plain else nn.Conv2d(inputs, outputs, 1, stride)

    def forward(self, features: Tensor) -> Tensor:
        """Features of the next stage."""
        result: Tensor = self.shortcut(features) + self.body(features)
        return result


def _norm(channels: int) -> nn.GroupNorm:
    groups = 4 if channels % 4 == 0 else 1
    return nn.GroupNorm(groups, channels)
