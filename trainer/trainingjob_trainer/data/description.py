"""What a prepared dataset says of itself: dataset.json, written last, so that a folder that has one is whole.

    {"format": "trainingjob-dataset/1", "kind": "images", "name": "digits", "splits": {"train": 1438, "val": 359},
     "files": {"train/images.npy": {"bytes": ..., "sha256": "..."}, ...}, "about": {...}, "made_from": {...}}

`about` is the kind's own (image.py, tokens.py, table.py say what). Decides nothing about training.
"""

import hashlib
import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainingjob_trainer.errors import ConfigurationError

FORMAT = "trainingjob-dataset/1"
DESCRIPTION = "dataset.json"
_REQUIRED = frozenset({"kind", "name", "splits", "files", "about", "made_from"})


@dataclass(frozen=True, slots=True)
class Description:
    """``splits``: number of samples (tokens, rows) by split; ``files``: bytes and SHA-256 by relative path."""

    kind: str
    name: str
    splits: dict[str, int]
    files: dict[str, dict[str, Any]]
    about: dict[str, Any]
    made_from: dict[str, Any]

    def content(self) -> str:
        """The text of dataset.json."""
        return json.dumps({"format": FORMAT} | asdict(self), indent=2, sort_keys=True) + "\n"


def read_description(folder: Path, kind: str) -> Description:
    """The folder's description. Raises ConfigurationError if it is no prepared dataset of this kind."""
    how = f"`python -m trainingjob_trainer prepare {kind} ... {folder}`"
    if not folder.is_dir():
        raise ConfigurationError(
            f"data.folder {folder} does not exist: mount the claim with spec.data.claimName, and write the dataset "
            f"once with {how}"
        )
    if not (folder / DESCRIPTION).exists():
        raise ConfigurationError(
            f"data.folder {folder} has no {DESCRIPTION}: write the dataset with {how} (again, if it was interrupted), "
            "or point spec.data.subPath at one"
        )
    description = parse(folder)
    if description is None:
        raise ConfigurationError(
            f"data.folder {folder}: its {DESCRIPTION} is not of the format {FORMAT}; write it anew with {how}"
        )
    if description.kind != kind:
        raise ConfigurationError(
            f"data.folder {folder} holds {description.kind} ({description.name}), not {kind}: choose the data class "
            "that reads them, or another folder"
        )
    return description


def parse(folder: Path) -> Description | None:
    """The folder's description, None if there is none of this format."""
    try:
        fields = json.loads((folder / DESCRIPTION).read_text())
    except (FileNotFoundError, ValueError):
        return None
    if not isinstance(fields, dict) or fields.pop("format", None) != FORMAT or set(fields) != _REQUIRED:
        return None
    return Description(**fields)


def check_sizes(folder: Path, description: Description) -> None:
    """Raise ConfigurationError naming a file that is missing or not as long as described."""
    for name, entry in description.files.items():
        path = folder / name
        size = path.stat().st_size if path.is_file() else None
        if size != entry["bytes"]:
            found = "missing" if size is None else f"{size} bytes long instead of {entry['bytes']}"
            raise ConfigurationError(f"data.folder {folder}: {name} is {found}; write the dataset anew")


def damaged(folder: Path, description: Description) -> Iterator[str]:
    """The files whose bytes are not those described; reads every byte."""
    for name, entry in description.files.items():
        path = folder / name
        if not path.is_file() or checksum(path) != entry["sha256"]:
            yield name


def checksum(path: Path) -> str:
    """SHA-256 of a file, hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
