"""A folder of JPEG and PNG files as a packed dataset: decoded, cropped and scaled once instead of in every epoch."""

import os
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.data.image_classes import find_images
from trainingjob_trainer.data.image_file import read_image
from trainingjob_trainer.prepare.arrays import PackedImagesWork
from trainingjob_trainer.prepare.sources import digest
from trainingjob_trainer.prepare.work import SOURCES


def images(source: Path, size: int, channels: int, held_out: float, seed: int) -> PackedImagesWork:
    """The images of a folder with a sub-folder per class. Raises ConfigurationError that names what is wrong."""
    found = find_images(source, held_out, seed)
    paths = {split: files.paths for split, files in found.splits.items()}
    # Threads: Pillow decodes and scales without the interpreter's lock.
    pool = ThreadPoolExecutor(os.cpu_count())

    def load(split: str, rows: Sequence[int]) -> NDArray[np.uint8]:
        return np.stack(list(pool.map(lambda row: read_image(source / paths[split][row], size, channels), rows)))

    options: dict[str, Any] = {"kind": "images", "size": size, "channels": channels, "held_out": held_out, "seed": seed}
    options[SOURCES] = digest(source, [path for split in paths.values() for path in split])
    labels = {split: files.labels for split, files in found.splits.items()}
    return PackedImagesWork(source.resolve().name, found.classes, 255, (channels, size, size), labels, load, options)
