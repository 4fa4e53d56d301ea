"""What all datasets on the shared claim have in common: the batch shared out, the place to go on, the loaders.

`batch_size` is the size of one step over all processes, so that a job trains the same on one machine and on eight.
The state in a checkpoint is a Position: what was trained on, never what loader processes have read ahead. Knows no
format; a subclass opens its own.
"""

import os
import sys
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Protocol

from pytorch_lightning import LightningDataModule, Trainer
from pytorch_lightning.loops.progress import _ProcessedTracker
from torch.utils.data import DataLoader, Dataset

from trainingjob_trainer.data.sampler import START, EvalSampler, Position, Share, TrainSampler
from trainingjob_trainer.data.workers import loader_workers
from trainingjob_trainer.environment import read_environment
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.limits import at_least


class Samples(Protocol):
    """One split: a dataset that puts a whole batch together at once."""

    def __len__(self) -> int: ...

    def __getitems__(self, draws: Sequence[int]) -> Any:
        """The batch of these draws (sampler.TrainSampler says what a draw is)."""
        ...


@dataclass(frozen=True, slots=True)
class Anchor:
    """Where the epoch in progress was entered: at ``position``, when Lightning's loop counted ``batches`` as done."""

    position: Position = START
    batches: int = 0


class ClaimData(LightningDataModule, ABC):
    """Base of the data modules.

    Args:
        folder: the dataset; by default where the operator mounts spec.data (TRAININGJOB_DATA_DIR, /data)
        batch_size: samples per step over all processes together; the number of processes must divide it
        num_workers: loader processes per training process; by default from the CPU limit (workers.py)
        prefetch: batches that each of them reads ahead
        seed: of the order of the training samples
    """

    noun = "samples"
    decodes = False

    def __init__(self, folder: str | None, batch_size: int, num_workers: int | None, prefetch: int, seed: int) -> None:
        super().__init__()
        self.environment = read_environment(os.environ)
        self.folder = Path(folder) if folder else self.environment.data_dir
        self.batch_size = batch_size
        self.num_workers = num_workers
        self.prefetch = prefetch
        self.seed = seed
        self._opened: dict[str, Samples] = {}
        self._restored: Position | None = None
        self._anchor = Anchor()

    @abstractmethod
    def open(self, split: str) -> Samples:
        """`train` or `val`. Raises ConfigurationError if the folder does not hold it."""

    @abstractmethod
    def fingerprint(self) -> str:
        """Of the dataset as this process sees it (fingerprint.py)."""

    def split(self, name: str) -> Samples:
        """A split, opened once."""
        if name not in self._opened:
            self._opened[name] = self.open(name)
        return self._opened[name]

    def check(self, world_size: int) -> None:
        """Everything that can be wrong, found before peers are waited for. Raises ConfigurationError."""
        divide_batch(self.batch_size, world_size)
        at_least(0, "data", num_workers=self.num_workers, seed=self.seed)
        at_least(1, "data", prefetch=self.prefetch)
        samples = len(self.split("train"))
        if samples < self.batch_size:
            raise ConfigurationError(
                f"data.batch_size is {self.batch_size}, but {self.folder} has only {samples} training {self.noun}: "
                "lower it"
            )
        if len(self.split("val")) < world_size:
            raise ConfigurationError(
                f"{self.folder} has {len(self.split('val'))} held-out {self.noun} for {world_size} processes: hold out "
                "more when preparing it"
            )

    def train_dataloader(self) -> DataLoader[Any]:
        """Shuffled whole batches; in a resumed epoch only those that are left."""
        share, samples = self._share(), len(self.split("train"))
        self._enter(samples, share)
        sampler = TrainSampler(samples, share, self.seed, self._anchor.position)
        return self._loader("train", sampler, share.batch_size)

    def val_dataloader(self) -> DataLoader[Any]:
        """Each held-out sample once over all processes."""
        share = self._share()
        return self._loader("val", EvalSampler(len(self.split("val")), share), share.batch_size)

    test_dataloader = predict_dataloader = val_dataloader

    def state_dict(self) -> dict[str, Any]:
        """The position, for the checkpoint."""
        return asdict(self.position()) if self.trainer is not None else {}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on at the position of a checkpoint."""
        if state_dict:
            self._restored = Position(**state_dict)

    def position(self) -> Position:
        """What was trained on until now, by Lightning's count of batches that were stepped on."""
        assert self.trainer is not None
        return position(self.trainer, self._anchor, self.batch_size)

    def _enter(self, samples: int, share: Share) -> None:
        """Take up the restored position."""
        assert self.trainer is not None
        whole = samples // share.global_batch_size
        start = self._restored or self.position()
        if start.batches_left(samples, share.global_batch_size) == 0:
            start = Position(start.epoch + 1)
        done = whole - start.batches_left(samples, share.global_batch_size)
        self._anchor = Anchor(start, done)
        batches, epochs = _progress(self.trainer)
        if start.samples and epochs.processed == start.epoch:
            _count(batches, done)
        elif not start.samples and batches.processed and epochs.processed in (start.epoch, start.epoch - 1):
            _count(batches, whole)  # they are those of the epoch before, which has just ended

    def _share(self) -> Share:
        assert self.trainer is not None
        world_size = self.trainer.world_size
        return Share(self.trainer.global_rank, world_size, divide_batch(self.batch_size, world_size))

    def _loader(self, split: str, sampler: TrainSampler | EvalSampler, batch_size: int) -> DataLoader[Any]:
        assert self.trainer is not None
        cuda = self.trainer.strategy.root_device.type == "cuda"
        workers = loader_workers(self.num_workers, self.environment.cpus, decodes=self.decodes, cuda=cuda)
        dataset: Dataset[Any] = self.split(split)  # type: ignore[assignment]  # what torch asks of one is here
        return DataLoader(
            dataset,
            batch_size=batch_size,
            sampler=sampler,
            num_workers=workers,
            collate_fn=_whole,
            pin_memory=cuda,
            persistent_workers=workers > 0,
            prefetch_factor=self.prefetch if workers else None,
            # Spawned workers would get a copy of every memory map.
            multiprocessing_context="fork" if workers and sys.platform == "linux" else None,
        )


def position(trainer: Trainer, anchor: Anchor, batch_size: int) -> Position:
    """What the trainer has trained on; a finished epoch is the start of the next one."""
    batches, epochs = _progress(trainer)
    epoch = epochs.processed
    if batches.processed and batches.processed >= trainer.num_training_batches:
        # The last batch is done; the epoch counts as processed a little later, and as completed later still.
        return Position(epoch + 1 if epochs.completed == epoch else epoch)
    start = anchor if epoch == anchor.position.epoch else Anchor(Position(epoch))
    return Position(epoch, start.position.samples + (batches.processed - start.batches) * batch_size)


def _progress(trainer: Trainer) -> tuple[_ProcessedTracker, _ProcessedTracker]:
    """Lightning's counts of this epoch's batches and of this run's epochs."""
    batches = trainer.fit_loop.epoch_loop.batch_progress.current
    epochs = trainer.fit_loop.epoch_progress.current
    assert isinstance(batches, _ProcessedTracker)
    assert isinstance(epochs, _ProcessedTracker)
    return batches, epochs


def _count(batches: _ProcessedTracker, processed: int) -> None:
    """Make Lightning count batches of this run's size: after as many as leave those that are left it ends the epoch.

    The differences of the counts stay: from them it knows where in a step it was interrupted.
    """
    by = processed - batches.processed
    batches.ready += by
    batches.started += by
    batches.processed += by
    batches.completed += by


def divide_batch(batch_size: int, world_size: int) -> int:
    """Samples per process and step. Raises ConfigurationError if they cannot be shared out evenly."""
    if batch_size < 1 or batch_size % world_size:
        near = max(1, round(batch_size / world_size)) * world_size
        raise ConfigurationError(
            f"data.batch_size is {batch_size}, the size of a step over all processes: {world_size} processes cannot "
            f"share it evenly; use a multiple of {world_size}, for example {near}"
        )
    return batch_size // world_size


def _whole(batch: Any) -> Any:
    """The dataset has put the batch together already."""
    return batch
