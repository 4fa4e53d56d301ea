"""What a prepared dataset says of itself: dataset.json, written last, so that a folder that has one is whole.

    {"format": "trainingjob-dataset/1", "kind": "images", "name": "digits", "splits": {"train": 1438, "val": 359},
     "files": {"train/images.npy": {"bytes": ..., "sha256": "..."}, ...}, "about": {...}, "made_from": {...}}

`about` is the kind's own (image.py, tokens.py, table.py say what). Decides nothing about training.
"""

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from trainingjob_trainer.errors import ConfigurationError

FORMAT = "trainingjob-dataset/1"
DESCRIPTION = "dataset.json"
_SHAPE = {"kind": str, "name": str, "splits": dict, "files": dict, "about": dict, "made_from": dict}
_WORDS = {str: "text", dict: "object"}

Checks = Mapping[str, Callable[[Any], bool]]
"""What each entry of a kind's `about` has to fulfil."""


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


def read_description(folder: Path, kind: str, about: Checks | None = None) -> Description:
    """The folder's description. Raises ConfigurationError if it is no prepared dataset of this kind, or was changed."""
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
    description = _read(folder)
    if isinstance(description, str):
        raise ConfigurationError(_wrong(folder, description, how))
    if description.kind != kind:
        raise ConfigurationError(
            f"data.folder {folder} holds {description.kind} ({description.name}), not {kind}: choose the data class "
            "that reads them, or another folder"
        )
    for name, is_right in (about or {}).items():
        if name not in description.about or not is_right(description.about[name]):
            raise ConfigurationError(_wrong(folder, f"has no about.{name} that makes sense", how))
    return description


def parse(folder: Path) -> Description | None:
    """The folder's description, None if there is none that can be used."""
    found = _read(folder)
    return None if isinstance(found, str) else found


def _wrong(folder: Path, why: str, how: str) -> str:
    return (
        f"data.folder {folder}: its {DESCRIPTION} {why}; it was changed or damaged: remove {folder} and write the "
        f"dataset anew with {how}"
    )


def _read(folder: Path) -> Description | str:
    """The folder's description, or what is wrong with it."""
    try:
        fields = json.loads((folder / DESCRIPTION).read_text())
    except (FileNotFoundError, NotADirectoryError):
        return "is not there"
    except ValueError as error:
        return f"is not JSON ({error})"
    wrong = _fault(fields)
    return wrong or Description(**{name: fields[name] for name in _SHAPE})


def _fault(fields: Any) -> str | None:
    """What a description lacks, None for a whole one."""
    if not isinstance(fields, dict) or fields.get("format") != FORMAT:
        return f"is not of the format {FORMAT}"
    for name, type_ in _SHAPE.items():
        if not isinstance(fields.get(name), type_):
            return f"has no {name}, of type {_WORDS[type_]}"
    for split, count in fields["splits"].items():
        if not is_count(count):
            return f"has no number under splits.{split}"
    for file, entry in fields["files"].items():
        if not (isinstance(entry, dict) and is_count(entry.get("bytes")) and isinstance(entry.get("sha256"), str)):
            return f"has no bytes and sha256 under files.{file}"
    return None


def is_count(value: Any) -> bool:
    """A whole number, 0 or more."""
    return type(value) is int and value >= 0


def is_numbers(value: Any) -> bool:
    """A list of numbers."""
    return isinstance(value, list) and all(type(number) in (int, float) for number in value)


def is_names(value: Any) -> bool:
    """A list of names, at least one."""
    return isinstance(value, list) and bool(value) and all(isinstance(name, str) for name in value)


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
