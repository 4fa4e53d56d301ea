"""Packed images: whole batches cut out of memory-mapped arrays.

    FOLDER/dataset.json                 about: classes, maximum (the highest pixel value)
    FOLDER/{train,val}/images.npy       uint8 [samples, channels, height, width]
    FOLDER/{train,val}/labels.npy       int64 [samples]

One file for all samples costs one open per process, where a folder of images costs one per sample and a decode.
Never copies the dataset: processes of a machine share its pages.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from trainingjob_trainer.data.claim_data import ClaimData
from trainingjob_trainer.data.description import (
    DESCRIPTION,
    Checks,
    Description,
    check_sizes,
    is_count,
    is_names,
    read_description,
)
from trainingjob_trainer.data.fingerprint import fingerprint
from trainingjob_trainer.errors import ConfigurationError

KIND = "images"
ABOUT: Checks = {"classes": is_names, "maximum": lambda value: is_count(value) and value > 0}
Batch = tuple[Tensor, Tensor]


@dataclass(frozen=True, slots=True)
class ImageArrays:
    """One split: ``images`` uint8 [N, C, H, W], ``labels`` int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.labels)

    def __getitems__(self, draws: Sequence[int]) -> Batch:
        """Images uint8 [B, C, H, W] and labels int64 [B]."""
        rows = np.asarray(draws) % len(self)
        return torch.from_numpy(self.images[rows]), torch.from_numpy(self.labels[rows])


class PackedImages(ClaimData):
    """Images that `prepare images` or `prepare digits` has packed.

    Args:
        folder: the dataset; by default where the operator mounts spec.data (TRAININGJOB_DATA_DIR, /data)
        batch_size: images per step over all processes together; the number of processes must divide it
        num_workers: loader processes per training process; by default none on the CPU and one beside a GPU
        prefetch: batches that each of them reads ahead
        seed: of the order of the training images
    """

    noun = "images"

    def __init__(
        self,
        folder: str | None = None,
        batch_size: int = 64,
        num_workers: int | None = None,
        prefetch: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(folder, batch_size, num_workers, prefetch, seed)
        self._description: Description | None = None

    @property
    def description(self) -> Description:
        """What the dataset says of itself, read once. Raises ConfigurationError."""
        if self._description is None:
            self._description = read_description(self.folder, KIND, ABOUT)
            check_sizes(self.folder, self._description)
        return self._description

    @property
    def classes(self) -> list[str]:
        """Names of the classes; a label is an index into them."""
        return list(self.description.about["classes"])

    @property
    def channels(self) -> int:
        """Of the images: 1 for grey, 3 for colour."""
        train = self.split("train")
        assert isinstance(train, ImageArrays)
        return int(train.images.shape[1])

    def open(self, split: str) -> ImageArrays:
        return read_split(self.folder, split, self.description)

    def fingerprint(self) -> str:
        files = [self.folder / DESCRIPTION, *(self.folder / name for name in sorted(self.description.files))]
        return fingerprint(files)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Bytes become numbers from 0 to 1 on the device, not before: a quarter of the transfer."""
        images, labels = batch
        return images.float().div_(self.description.about["maximum"]), labels


def read_split(folder: Path, split: str, description: Description) -> ImageArrays:
    """Memory-map one split. Raises ConfigurationError if the dataset lacks it or an array cannot be read."""
    if split not in description.splits:
        raise ConfigurationError(f"data.folder {folder} has no split {split!r}, only {', '.join(description.splits)}")
    try:
        images, labels = (np.load(folder / split / f"{part}.npy", mmap_mode="r") for part in ("images", "labels"))
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"data.folder {folder}: split {split!r} cannot be read ({error}); write it anew"
        ) from error
    classes = len(description.about["classes"])
    if images.ndim != 4 or images.dtype != np.uint8 or labels.shape != images.shape[:1]:
        raise ConfigurationError(
            f"data.folder {folder}: split {split!r} holds images {images.dtype} {images.shape} and labels "
            f"{labels.shape}, not uint8 [N, C, H, W] and [N]; write it anew with `prepare images`"
        )
    if len(labels) and not 0 <= labels.min() <= labels.max() < classes:
        raise ConfigurationError(
            f"data.folder {folder}: split {split!r} holds labels from {labels.min()} to {labels.max()}, but "
            f"{DESCRIPTION} names {classes} classes; write it anew with `prepare images`"
        )
    return ImageArrays(images, labels)
