"""The example dataset: 1,797 real images of handwritten digits, 8 x 8 pixels, that come with scikit-learn.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning Repository. A fifth
is held out, the same fifth for the same seed. Nothing is downloaded.
"""

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.data.packed_format import Split

NAME = "digits"
CLASSES = [str(digit) for digit in range(10)]
MAXIMUM = 16  # pixels count 0 to 16
HELD_OUT = 0.2


def load_splits(seed: int = 0) -> dict[str, Split]:
    """The images [N, 1, 8, 8] and labels [N], shuffled by the seed: `train` 1,438 and `val` 359."""
    from sklearn.datasets import load_digits

    bunch = load_digits()
    images: NDArray[np.uint8] = bunch.images.astype(np.uint8)[:, None, :, :]
    labels: NDArray[np.int64] = bunch.target.astype(np.int64)
    order = np.random.default_rng(seed).permutation(len(labels))
    val = order[: round(len(order) * HELD_OUT)]
    train = order[len(val) :]
    return {"train": Split(images[train], labels[train]), "val": Split(images[val], labels[val])}
