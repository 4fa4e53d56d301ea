"""A folder of images as people keep it: one sub-folder per class, with or without `train` and `val` above them.

Decides which files belong to which split and class, from their names alone. Opens no image.
"""

import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from trainingjob_trainer.data.image_file import SUFFIXES
from trainingjob_trainer.errors import ConfigurationError

TRAIN, VAL = "train", "val"


@dataclass(frozen=True, slots=True)
class ImageFiles:
    """One split: ``paths`` relative to the folder, ``labels`` indices into the sorted class names."""

    paths: tuple[str, ...]
    labels: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class ImageClasses:
    """All of a folder."""

    classes: tuple[str, ...]
    splits: dict[str, ImageFiles]


def find_images(folder: Path, held_out: float, seed: int) -> ImageClasses:
    """The images below a folder. With `train` and `val` in it these are the splits; otherwise ``held_out`` of each
    class, chosen by the seed, becomes `val`. Raises ConfigurationError that names what is missing or empty.
    """
    if not folder.is_dir():
        raise ConfigurationError(f"{folder} is not a folder: name one with a sub-folder of images per class")
    names = _folders(folder)
    if {TRAIN, VAL} <= set(names):
        classes = _folders(folder / TRAIN)
        _require_same(folder, classes, _folders(folder / VAL))
        found = {split: [_images(folder, f"{split}/{name}") for name in classes] for split in (TRAIN, VAL)}
    else:
        classes = names
        found = _hold_out([_images(folder, name) for name in classes], held_out, seed)
    if not classes:
        raise ConfigurationError(f"{folder} has no sub-folders: put the images of each class into one of its own")
    return ImageClasses(tuple(classes), {split: _flat(per_class) for split, per_class in found.items()})


def _hold_out(per_class: Sequence[Sequence[str]], held_out: float, seed: int) -> dict[str, list[list[str]]]:
    splits: dict[str, list[list[str]]] = {TRAIN: [], VAL: []}
    for label, paths in enumerate(per_class):
        order = np.random.default_rng([seed, label]).permutation(len(paths)).tolist()
        val = set(order[: max(1, round(len(paths) * held_out))])
        splits[VAL].append([path for i, path in enumerate(paths) if i in val])
        splits[TRAIN].append([path for i, path in enumerate(paths) if i not in val])
    return splits


def _images(folder: Path, below: str) -> list[str]:
    """Relative paths of the images in a class's folder and its sub-folders, sorted."""
    found = sorted(_walk(folder / below))
    if not found:
        kinds = ", ".join(sorted(SUFFIXES))
        raise ConfigurationError(f"{folder / below} holds no images ({kinds}): fill it, or remove the empty class")
    return [path.relative_to(folder).as_posix() for path in found]


def _walk(folder: Path) -> Iterator[Path]:
    for root, _, files in os.walk(folder):
        for name in files:
            if Path(name).suffix.lower() in SUFFIXES and not name.startswith("."):
                yield Path(root, name)


def _folders(folder: Path) -> list[str]:
    with os.scandir(folder) as entries:
        return sorted(e.name for e in entries if e.is_dir() and not e.name.startswith(".") and e.name != "lost+found")


def _require_same(folder: Path, train: Sequence[str], val: Sequence[str]) -> None:
    if train != val:
        odd = ", ".join(sorted(set(train) ^ set(val)))
        raise ConfigurationError(f"{folder}: train and val must hold the same classes; in only one of them: {odd}")


def _flat(per_class: Sequence[Sequence[str]]) -> ImageFiles:
    paths = tuple(path for paths in per_class for path in paths)
    return ImageFiles(paths, tuple(label for label, paths in enumerate(per_class) for _ in paths))
