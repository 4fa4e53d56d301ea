"""Packed images on disk: two arrays per split, read by memory mapping, and a description with checksums.

    FOLDER/dataset.json                 format, classes, maximum pixel value, per split: number, shape, checksums
    FOLDER/{train,val}/images.npy       uint8 [samples, channels, height, width]
    FOLDER/{train,val}/labels.npy       int64 [samples]

One file for all samples costs one open per process, where a folder of images costs one per sample. dataset.json is
written last, so a folder that has one is whole. Decides nothing about training.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from trainingjob_trainer.errors import ConfigurationError

FORMAT = "trainingjob-packed-images/1"
DESCRIPTION = "dataset.json"
PARTS = ("images", "labels")


@dataclass(frozen=True, slots=True)
class Split:
    """Part of a dataset: ``images`` uint8 [N, C, H, W], ``labels`` int64 [N]."""

    images: NDArray[np.uint8]
    labels: NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Description:
    """What dataset.json says; ``splits`` holds number, image shape and SHA-256 per file."""

    name: str
    classes: list[str]
    maximum: int
    splits: dict[str, dict[str, Any]]
    format: str = FORMAT


def write_dataset(
    folder: Path, name: str, classes: list[str], maximum: int, splits: Mapping[str, Split]
) -> Description:
    """Write a dataset so that a reader sees all of it or nothing; returns its description."""
    folder.mkdir(parents=True, exist_ok=True)
    # While the arrays change, the folder must not pass for a dataset.
    (folder / DESCRIPTION).unlink(missing_ok=True)
    entries = {split: _write_split(folder / split, arrays) for split, arrays in splits.items()}
    description = Description(name, classes, maximum, entries)
    _write_bytes(folder / DESCRIPTION, (json.dumps(asdict(description), indent=2) + "\n").encode())
    return description


def read_description(folder: Path) -> Description:
    """The folder's description. Raises ConfigurationError if it is not a dataset of this format."""
    if not folder.is_dir():
        raise ConfigurationError(
            f"data.folder {folder} does not exist: mount the claim with spec.data.claimName, and write the "
            f"dataset once with `python -m trainingjob_trainer prepare digits {folder}`"
        )
    try:
        fields = json.loads((folder / DESCRIPTION).read_text())
    except FileNotFoundError:
        raise ConfigurationError(
            f"data.folder {folder} has no {DESCRIPTION}: write the dataset with "
            f"`python -m trainingjob_trainer prepare digits {folder}`, or point spec.data.subPath at one"
        ) from None
    except ValueError:
        fields = None
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        raise ConfigurationError(
            f"data.folder {folder}: its {DESCRIPTION} is not of the format {FORMAT}; write it anew"
        )
    return Description(**fields)


def read_split(folder: Path, split: str, description: Description) -> Split:
    """Memory-map one split. Raises ConfigurationError if the dataset lacks it or an array is not as described."""
    entry = description.splits.get(split)
    if entry is None:
        raise ConfigurationError(f"data.folder {folder} has no split {split!r}, only {', '.join(description.splits)}")
    try:
        images, labels = (np.load(folder / split / f"{part}.npy", mmap_mode="r") for part in PARTS)
    except (OSError, ValueError) as error:
        raise ConfigurationError(
            f"data.folder {folder}: split {split!r} cannot be read ({error}); write it anew"
        ) from error
    if list(images.shape) != [entry["samples"], *entry["shape"]] or len(labels) != entry["samples"]:
        raise ConfigurationError(f"data.folder {folder}: split {split!r} is not as {DESCRIPTION} says; write it anew")
    return Split(images, labels)


def is_intact(folder: Path, description: Description) -> bool:
    """Whether every file has the checksum of its description."""
    return all(
        (folder / split / f"{part}.npy").is_file()
        and _checksum(folder / split / f"{part}.npy") == entry["sha256"][part]
        for split, entry in description.splits.items()
        for part in PARTS
    )


def _write_split(folder: Path, split: Split) -> dict[str, Any]:
    folder.mkdir(parents=True, exist_ok=True)
    arrays: tuple[NDArray[Any], ...] = (split.images, split.labels)
    for part, array in zip(PARTS, arrays, strict=True):
        path = folder / f"{part}.npy"
        draft = path.with_name(f".{path.name}.tmp")
        with draft.open("wb") as file:
            np.save(file, array)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(path)
    return {
        "samples": len(split.labels),
        "shape": list(split.images.shape[1:]),
        "sha256": {part: _checksum(folder / f"{part}.npy") for part in PARTS},
    }


def _write_bytes(path: Path, content: bytes) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _checksum(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
