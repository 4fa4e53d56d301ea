"""Which samples each rank sees, in which order.

The order of an epoch follows from seed and epoch alone; ranks share each global batch. So the same batches are
trained on whatever the number of processes, and an epoch can go on in its middle, repeating and skipping nothing.
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


class TrainSampler(DistributedSampler[int]):
    """Indices for training. A DistributedSampler by type only, so that Lightning leaves it in place.

    Args:
        samples: size of the dataset; what is left after the last whole global batch is not seen in this epoch
        share: this rank's place
        seed: of the order
        resume: (epoch, number of global batches of it that were already trained on)
    """

    def __init__(self, samples: int, share: Share, seed: int, resume: tuple[int, int] = (0, 0)) -> None:
        self.samples = samples
        self.share = share
        self.seed = seed
        self.epoch, self._done = resume
        self._resumed_epoch = self.epoch

    @property
    def batches(self) -> int:
        """Global batches in a whole epoch."""
        return self.samples // self.share.global_batch_size

    def __len__(self) -> int:
        return self.batches * self.share.batch_size

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch (from 0)."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[int]:
        order = epoch_order(self.samples, self.seed, self.epoch)
        first = self._done if self.epoch == self._resumed_epoch else 0
        size, total = self.share.batch_size, self.share.global_batch_size
        for batch in range(first, self.batches):
            start = batch * total + self.share.rank * size
            yield from order[start : start + size].tolist()


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
