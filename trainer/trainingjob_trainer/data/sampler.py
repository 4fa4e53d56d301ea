"""Which samples each rank sees, in which order.

The order of an epoch follows from seed and epoch alone; ranks share each global batch. So the same batches are
trained on whatever the number of processes, and an epoch can go on in its middle, repeating and skipping nothing,
even with another number of processes or another batch size.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.utils.data import DistributedSampler


@dataclass(frozen=True, slots=True)
class Share:
    """One rank's place: samples of a global batch are dealt out in ``world_size`` runs of ``batch_size``."""

    rank: int
    world_size: int
    batch_size: int

    @property
    def global_batch_size(self) -> int:
        """Samples of all ranks in one step."""
        return self.batch_size * self.world_size


@dataclass(frozen=True, slots=True)
class Position:
    """How far training has come: ``samples`` of the order of ``epoch`` (from 0) were trained on by all ranks together.

    All that has to be known to go on; neither the number of processes nor the batch size is part of it.
    """

    epoch: int = 0
    samples: int = 0

    def batches_left(self, samples: int, batch_size: int) -> int:
        """Whole global batches that an epoch of ``samples`` still has."""
        return (samples - self.samples) // batch_size


START = Position()


class TrainSampler(DistributedSampler[int]):
    """Draws for training. A DistributedSampler by type only, so that Lightning leaves it in place.

    A draw is ``epoch * samples + index``: from it alone a dataset knows the sample and can vary it from epoch to
    epoch (crops, window offsets), the same in every process and after every restart.

    Args:
        samples: size of the dataset; what is left after the last whole global batch is not seen in this epoch
        share: this rank's place
        seed: of the order
        resume: where to go on
    """

    def __init__(self, samples: int, share: Share, seed: int, resume: Position = START) -> None:
        self.samples = samples
        self.share = share
        self.seed = seed
        self.resume = resume
        self.epoch = resume.epoch

    @property
    def batches(self) -> int:
        """Global batches in a whole epoch."""
        return self.samples // self.share.global_batch_size

    def __len__(self) -> int:
        # Of a whole epoch, also when one is resumed: Lightning counts the batches already done as part of it.
        return self.batches * self.share.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch (from 0)."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        start = self.resume if self.epoch == self.resume.epoch else Position(self.epoch)
        draws = epoch_order(self.samples, self.seed, self.epoch) + self.epoch * self.samples
        size, total = self.share.batch_size, self.share.global_batch_size
        for batch in range(start.batches_left(self.samples, total)):
            first = start.samples + batch * total + self.share.rank * size
            yield from draws[first : first + size].tolist()


class EvalSampler(DistributedSampler[int]):
    """Every sample exactly once over all ranks, in order; ranks may get one more or one less."""

    def __init__(self, samples: int, share: Share) -> None:
        self.indices = range(share.rank, samples, share.world_size)

    def __len__(self) -> int:
        return len(self.indices)

    def set_epoch(self, epoch: int) -> None:
        """The order is always the same."""

    def __iter__(self) -> Iterator[int]:
        return iter(self.indices)


def epoch_order(samples: int, seed: int, epoch: int) -> torch.Tensor:
    """The permutation of one epoch, int64 [samples]."""
    generator = torch.Generator().manual_seed(seed * 1_000_003 + epoch)
    return torch.randperm(samples, generator=generator)
