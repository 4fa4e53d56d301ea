"""Classifies images, and how it is trained.

The small network learns the digits to 98 % held-out accuracy in a few seconds on two CPU cores; ResNet-18 is for
photographs.
"""

from typing import Any, Literal

import torch
from torch import Tensor
from torch.nn import functional

from trainingjob_trainer.limits import above_zero, at_least
from trainingjob_trainer.models.matching import require_equal, require_kind
from trainingjob_trainer.models.means import EpochMeans, one_cycle
from trainingjob_trainer.models.residual import resnet18, small

NETWORKS = {"small": (small, 24), "resnet18": (resnet18, 64)}


class ImageClassifier(EpochMeans):
    """Classifies images float [B, channels, H, W] from 0 to 1 into ``classes`` classes.

    Args:
        network: `small` for images of 8 to 64 pixels, `resnet18` for larger ones
        channels: of the images; 1 for grey, 3 for colour
        classes: number of classes
        width: channels of the first stage; by default 24 (small) or 64 (resnet18)
        learning_rate: the highest of its one cycle of warm-up and decay
        weight_decay: of AdamW
    """

    def __init__(
        self,
        network: Literal["small", "resnet18"] = "small",
        channels: int = 1,
        classes: int = 10,
        width: int | None = None,
        learning_rate: float = 0.005,
        weight_decay: float = 0.01,
    ) -> None:
        super().__init__()
        at_least(1, "model", channels=channels, classes=classes, width=width)
        above_zero("model", learning_rate=learning_rate)
        at_least(0, "model", weight_decay=weight_decay)
        self.save_hyperparameters()
        self.channels = channels
        self.classes = classes
        self.learning_rate = learning_rate
        self.weight_decay = weight_decay
        build, usual = NETWORKS[network]
        self.net = build(channels, classes, width or usual)

    def forward(self, images: Tensor) -> Tensor:
        """Logits [B, classes]."""
        logits: Tensor = self.net(images)
        return logits

    def setup(self, stage: str) -> None:
        """Raises ConfigurationError if the dataset has another number of classes, or of channels."""
        require_kind(self, "images")
        data = self.trainer.datamodule  # type: ignore[attr-defined]
        classes = getattr(data, "classes", None)
        require_equal("classes", self.classes, None if classes is None else len(classes), "the dataset has")
        require_equal("channels", self.channels, getattr(data, "channels", None), "the images have")

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        images, labels = batch
        loss = functional.cross_entropy(self(images), labels)
        self.add("train_loss", loss * len(labels), len(labels))
        return loss

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("val", batch)

    def test_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self._evaluate("test", batch)

    def predict_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        """The most likely classes, int64 [B]."""
        return torch.argmax(self(batch[0]), dim=1)

    def configure_optimizers(self) -> Any:
        """AdamW under one cycle over the whole run."""
        optimizer = torch.optim.AdamW(self.parameters(), lr=self.learning_rate, weight_decay=self.weight_decay)
        return one_cycle(self, optimizer, self.learning_rate)

    def _evaluate(self, stage: str, batch: tuple[Tensor, Tensor]) -> None:
        images, labels = batch
        logits = self(images)
        self.add(f"{stage}_loss", functional.cross_entropy(logits, labels, reduction="sum"), len(labels))
        self.add(f"{stage}_acc", (logits.argmax(dim=1) == labels).sum(), len(labels))
