"""The example dataset: 1,797 real images of handwritten digits, 8 x 8 pixels, that come with scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository. A fifth
is held out, the same fifth for the same seed. Nothing is downloaded.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.prepare.arrays import PackedImagesWork

HELD_OUT = 0.2
MAXIMUM = 16  # pixels count 0 to 16
CLASSES = [str(digit) for digit in range(10)]

Split = tuple[NDArray[np.uint8], NDArray[np.int64]]


def load_splits(seed: int) -> dict[str, Split]:
    """The images [N, 1, 8, 8] and labels [N], shuffled by the seed: `train` 1,438 and `val` 359."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images: NDArray[np.uint8] = bunch.images.astype(np.uint8)[:, None, :, :]
    labels: NDArray[np.int64] = bunch.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    val = order[: round(len(order) * HELD_OUT)]
    train = order[len(val) :]
    return {"train": (images[train], labels[train]), "val": (images[val], labels[val])}


def digits(seed: int) -> PackedImagesWork:
    """The digits as a packed dataset."""
    splits = load_splits(seed)

    def load(split: str, rows: Sequence[int]) -> NDArray[np.uint8]:
        return splits[split][0][list(rows)]

    labels = {split: arrays[1].tolist() for split, arrays in splits.items()}
    return PackedImagesWork("digits", CLASSES, MAXIMUM, (1, 8, 8), labels, load, {"digits": seed})


def write_png_files(folder: Path, seed: int) -> int:
    """The digits as files train/CLASS/*.png and val/CLASS/*.png, a folder as `prepare images` takes it."""
    from PIL import Image

    count = 0
    for split, (images, labels) in load_splits(seed).items():
        for number, (image, label) in enumerate(zip(images, labels.tolist(), strict=True)):
            path = folder / split / CLASSES[label] / f"{number:04}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray((image[0].astype(np.uint16) * 255 // MAXIMUM).astype(np.uint8)).save(path)
            count += 1
    return count
