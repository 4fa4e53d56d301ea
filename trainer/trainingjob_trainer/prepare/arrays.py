"""Images as a work: npy files whose header is written first, because the number of images is known.

Decides the layout only (data/packed.py says which); where the pixels come from is the `load` of the source.
"""

import io
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.prepare.work import Piece

IMAGES_PER_PIECE = 64

Load = Callable[[str, Sequence[int]], NDArray[np.uint8]]


@dataclass(frozen=True, slots=True)
class PackedImagesWork:
    """Images of one shape.

    Args:
        name: of the dataset
        classes: names by label
        maximum: the highest pixel value
        shape: (channels, height, width)
        labels: by split, one per image
        load: given a split and indices into its labels, the images uint8 [n, *shape]
        source: options and digest of the sources
    """

    name: str
    classes: Sequence[str]
    maximum: int
    shape: tuple[int, int, int]
    labels: Mapping[str, Sequence[int]]
    load: Load
    source: dict[str, Any]
    kind: str = "images"
    unit: str = "images"

    @property
    def total(self) -> int:
        return sum(len(labels) for labels in self.labels.values())

    def made_from(self) -> dict[str, Any]:
        return self.source

    def opening(self) -> Mapping[str, bytes]:
        files = {}
        for split, labels in self.labels.items():
            files[f"{split}/images.npy"] = _header("|u1", (len(labels), *self.shape))
            files[f"{split}/labels.npy"] = _header("<i8", (len(labels),))
        return files

    def pieces(self, skip: int) -> Iterator[Piece]:
        starts = [(s, first) for s, labels in self.labels.items() for first in range(0, len(labels), IMAGES_PER_PIECE)]
        for split, first in starts[skip:]:
            labels = self.labels[split][first : first + IMAGES_PER_PIECE]
            images = self.load(split, range(first, first + len(labels)))
            content = {
                f"{split}/images.npy": images.tobytes(),
                f"{split}/labels.npy": np.asarray(labels, "<i8").tobytes(),
            }
            yield Piece(len(labels), content)

    def closing(self) -> Mapping[str, bytes]:
        return {}

    def describe(self, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
        splits = {split: len(labels) for split, labels in self.labels.items()}
        return splits, {"classes": list(self.classes), "maximum": self.maximum, "shape": list(self.shape)}


def _header(descr: str, shape: tuple[int, ...]) -> bytes:
    file = io.BytesIO()
    np.lib.format.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue()
