"""One JPEG or PNG file as an array of one fixed size.

Decides how an image of any size becomes a square: the largest crop of the wanted proportions, scaled down. Pillow
decodes: it is small, alone, and releases the interpreter's lock; torchvision's binary fits one build of torch only.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.errors import ConfigurationError

if TYPE_CHECKING:
    from PIL.Image import Image

SUFFIXES = frozenset({".jpg", ".jpeg", ".png"})
MODES = {1: "L", 3: "RGB"}


@dataclass(frozen=True, slots=True)
class View:
    """Which square of an image is seen: centre and side as shares of what fits (0 to 1), and whether it is mirrored."""

    x: float = 0.5
    y: float = 0.5
    scale: float = 1.0
    mirrored: bool = False


CENTRE = View()


def random_view(generator: np.random.Generator) -> View:
    """A crop of a half to the whole side anywhere, mirrored every other time (after Szegedy et al. 2014, 1409.4842)."""
    x, y, scale, coin = generator.random(4)
    return View(float(x), float(y), 0.5 + 0.5 * float(scale), bool(coin < 0.5))


def read_image(path: Path, size: int, channels: int, view: View = CENTRE) -> NDArray[np.uint8]:
    """The pixels uint8 [channels, size, size]. Raises ConfigurationError that names a file that is no image."""
    from PIL import Image, ImageOps

    try:
        with Image.open(path, formats=("JPEG", "PNG")) as file:
            # JPEG can be decoded at a half, a quarter or an eighth of its size, in a fraction of the time.
            file.draft(MODES[channels], (round(2 * size), round(2 * size)))
            upright = ImageOps.exif_transpose(file)
            square = upright.convert(MODES[channels]).resize(
                (size, size), Image.Resampling.BILINEAR, box_of(upright.size, view), reducing_gap=2.0
            )
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise ConfigurationError(
            f"{path} cannot be read as an image ({error}): replace it, or remove it from the dataset"
        ) from error
    return _pixels(square, view.mirrored)


def box_of(dimensions: tuple[int, int], view: View) -> tuple[float, float, float, float]:
    """Left, upper, right and lower edge of a view in an image of (width, height)."""
    width, height = dimensions
    side = min(width, height) * view.scale
    left, upper = (width - side) * view.x, (height - side) * view.y
    return left, upper, left + side, upper + side


def _pixels(image: "Image", mirrored: bool) -> NDArray[np.uint8]:
    array = np.asarray(image, np.uint8)
    array = array[:, ::-1] if mirrored else array
    return np.ascontiguousarray(array[None] if array.ndim == 2 else array.transpose(2, 0, 1))
