"""Images decoded while training, straight from a folder with one sub-folder per class.

For datasets that are changed often, or that are better seen in another crop every epoch; where decoding cannot keep
up with the GPU, `prepare images` packs them once. What is drawn (crop, mirroring) follows from seed and draw alone,
so a resumed epoch is the one that was interrupted, whatever the number of loader processes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from trainingjob_trainer.data.claim_data import ClaimData
from trainingjob_trainer.data.fingerprint import BLOCKS, fingerprint
from trainingjob_trainer.data.image_classes import TRAIN, ImageClasses, ImageFiles, find_images
from trainingjob_trainer.data.image_file import CENTRE, random_view, read_image
from trainingjob_trainer.data.packed import Batch
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.limits import above_zero, at_least, below_one


@dataclass(frozen=True, slots=True)
class DecodedImages:
    """One split; ``seed`` None shows the centre of every image, else a view of its own in each epoch."""

    folder: Path
    files: ImageFiles
    size: int
    channels: int
    seed: int | None

    def __len__(self) -> int:
        return len(self.files.paths)

    def __getitems__(self, draws: Sequence[int]) -> Batch:
        """Images uint8 [B, channels, size, size] and labels int64 [B]."""
        images = np.stack([self._read(draw) for draw in draws])
        return torch.from_numpy(images), torch.tensor([self.files.labels[draw % len(self)] for draw in draws])

    def _read(self, draw: int) -> NDArray[np.uint8]:
        path = self.folder / self.files.paths[draw % len(self)]
        view = CENTRE if self.seed is None else random_view(np.random.default_rng([self.seed, draw]))
        return read_image(path, self.size, self.channels, view)


class ImageFolder(ClaimData):
    """A folder of JPEG and PNG files: CLASS/*.jpg, or train/CLASS/*.jpg and val/CLASS/*.jpg.

    Args:
        folder: the dataset; by default where the operator mounts spec.data (TRAININGJOB_DATA_DIR, /data)
        size: height and width to which every image is cropped and scaled
        channels: 3 for colour, 1 for grey
        augment: whether training images are cropped at random and mirrored
        held_out: share of each class that is held out if there are no train and val folders
        batch_size: images per step over all processes together; the number of processes must divide it
        num_workers: processes per training process that decode; by default its CPUs
        prefetch: batches that each of them reads ahead
        seed: of the order, the views and the held-out images
    """

    noun = "images"
    decodes = True

    def __init__(
        self,
        folder: str | None = None,
        size: int = 224,
        channels: int = 3,
        augment: bool = True,
        held_out: float = 0.1,
        batch_size: int = 64,
        num_workers: int | None = None,
        prefetch: int = 2,
        seed: int = 0,
    ) -> None:
        super().__init__(folder, batch_size, num_workers, prefetch, seed)
        at_least(1, "data", size=size)
        above_zero("data", held_out=held_out)
        below_one("data", held_out=held_out)
        if channels not in (1, 3):
            raise ConfigurationError(f"data.channels is {channels}: it must be 1 (grey) or 3 (colour)")
        self.size = size
        self.channels = channels
        self.augment = augment
        self.held_out = held_out
        self._found: ImageClasses | None = None

    @property
    def found(self) -> ImageClasses:
        """The folder's listing, made once. Raises ConfigurationError."""
        if self._found is None:
            self._found = find_images(self.folder, self.held_out, self.seed)
        return self._found

    @property
    def classes(self) -> list[str]:
        """Names of the classes; a label is an index into them."""
        return list(self.found.classes)

    def open(self, split: str) -> DecodedImages:
        seed = self.seed if split == TRAIN and self.augment else None
        return DecodedImages(self.folder, self.found.splits[split], self.size, self.channels, seed)

    def fingerprint(self) -> str:
        """Of all names and of the contents of a few files: a look at each of a million would take minutes."""
        paths = [path for split in self.found.splits.values() for path in split.paths]
        some = paths[:: max(1, len(paths) // BLOCKS)]
        return fingerprint([self.folder / path for path in some], *paths)

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        """Bytes become numbers from 0 to 1 on the device, not before: a quarter of the transfer."""
        images, labels = batch
        return images.float().div_(255), labels
