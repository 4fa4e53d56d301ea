"""Packed images for training: batches from memory-mapped arrays, shared out among the gang.

`batch_size` is the size of one step over all processes, so that a job trains the same on one machine and on eight.
Never copies the dataset: processes of a machine share its pages.
"""

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pytorch_lightning import LightningDataModule
from pytorch_lightning.loops.progress import _Progress as Progress
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from trainingjob_trainer.data.packed_format import Description, Split, read_description, read_split
from trainingjob_trainer.data.sampler import EvalSampler, Share, TrainSampler
from trainingjob_trainer.environment import read_environment
from trainingjob_trainer.errors import ConfigurationError

Batch = tuple[Tensor, Tensor]


class PackedImages(LightningDataModule):
    """Images that `prepare` has packed.

    Args:
        folder: the dataset; by default where the operator mounts spec.data (TRAININGJOB_DATA_DIR, /data)
        batch_size: images per step over all processes together; the number of processes must divide it
        num_workers: loader processes per training process; 0 reads in the training process, best for small images
        seed: of the order of the training images
    """

    def __init__(self, folder: str | None = None, batch_size: int = 64, num_workers: int = 0, seed: int = 0) -> None:
        super().__init__()
        self.folder = Path(folder) if folder else _mounted_folder()
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.seed = seed
        self._description: Description | None = None
        self._splits: dict[str, Split] = {}

    @property
    def description(self) -> Description:
        """What the dataset says of itself, read once. Raises ConfigurationError."""
        if self._description is None:
            self._description = read_description(self.folder)
        return self._description

    def check(self, world_size: int) -> None:
        """Everything that can be wrong, found before peers are waited for. Raises ConfigurationError."""
        divide_batch(self.batch_size, world_size)
        samples = self.description.splits.get("train", {}).get("samples", 0)
        if samples < self.batch_size:
            raise ConfigurationError(
                f"data.batch_size is {self.batch_size}, but {self.folder} has only {samples} training images: lower it"
            )
        for split in ("train", "val"):
            read_split(self.folder, split, self.description)

    def setup(self, stage: str) -> None:
        """Map the arrays of both splits (test and predict use the held-out one)."""
        self._splits = {split: read_split(self.folder, split, self.description) for split in ("train", "val")}

    def train_dataloader(self) -> DataLoader[Batch]:
        """Shuffled whole batches; in a resumed epoch only those that are left."""
        share = self._share()
        sampler = TrainSampler(len(self._splits["train"].labels), share, self.seed, self._resume(share))
        return self._loader("train", sampler, share.batch_size)

    def val_dataloader(self) -> DataLoader[Batch]:
        """Each held-out image once over all processes."""
        share = self._share()
        return self._loader("val", EvalSampler(len(self._splits["val"].labels), share), share.batch_size)

    test_dataloader = predict_dataloader = val_dataloader

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Bytes become numbers from 0 to 1 on the device, not before: a quarter of the transfer."""
        images, labels = batch
        return images.float().div_(self.description.maximum), labels

    def _share(self) -> Share:
        assert self.trainer is not None
        world_size = self.trainer.world_size
        return Share(self.trainer.global_rank, world_size, divide_batch(self.batch_size, world_size))

    def _resume(self, share: Share) -> tuple[int, int]:
        """Epoch and batches done, as Lightning has restored them from the checkpoint."""
        assert self.trainer is not None
        loop = self.trainer.fit_loop
        done = _processed(loop.epoch_loop.batch_progress)
        batches = len(self._splits["train"].labels) // share.global_batch_size
        return _processed(loop.epoch_progress), done if done < batches else 0

    def _loader(self, split: str, sampler: "TrainSampler | EvalSampler", batch_size: int) -> DataLoader[Batch]:
        return DataLoader(
            PackedDataset(self._splits[split]),
            batch_size=batch_size,
            sampler=sampler,
            num_workers=self.num_workers,
            collate_fn=_whole,
            persistent_workers=self.num_workers > 0,
        )


class PackedDataset(Dataset[Batch]):
    """One split; batches are cut out of the arrays at once, not sample by sample."""

    def __init__(self, split: Split) -> None:
        self.split = split

    def __len__(self) -> int:
        return len(self.split.labels)

    def __getitem__(self, index: int) -> Batch:
        return self.__getitems__([index])

    def __getitems__(self, indices: list[int]) -> Batch:
        """Images uint8 [B, C, H, W] and labels int64 [B]; called by torch's loader with a batch's indices."""
        rows = np.asarray(indices)
        return torch.from_numpy(self.split.images[rows]), torch.from_numpy(self.split.labels[rows])


def divide_batch(batch_size: int, world_size: int) -> int:
    """Images per process and step. Raises ConfigurationError if they cannot be shared out evenly."""
    if batch_size < 1 or batch_size % world_size:
        near = max(1, round(batch_size / world_size)) * world_size
        raise ConfigurationError(
            f"data.batch_size is {batch_size}, the size of a step over all processes: {world_size} processes cannot "
            f"share it evenly; use a multiple of {world_size}, for example {near}"
        )
    return batch_size // world_size


def _processed(progress: Progress) -> int:
    return int(progress.current.state_dict()["processed"])


def _mounted_folder() -> Path:
    return read_environment(os.environ).data_dir


def _whole(batch: Any) -> Any:
    """The dataset has put the batch together already."""
    return batch
