"""Which files a dataset is made from, and whether they are still the same ones.

Looks at names and sizes only; reading is the business of each kind.
"""

import hashlib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from trainingjob_trainer.errors import ConfigurationError


def find_files(source: Path, suffixes: Sequence[str]) -> list[str]:
    """Paths of a folder's files with these suffixes, relative to it, sorted; a single file is its own folder's only.

    Raises ConfigurationError if there are none.
    """
    if source.is_file():
        return [source.name]
    if not source.is_dir():
        raise ConfigurationError(f"{source} does not exist: name a folder or a file to read")
    found = [Path(root, name) for root, _, names in os.walk(source) for name in names]
    chosen = sorted(path.relative_to(source).as_posix() for path in found if path.suffix.lower() in suffixes)
    if not chosen:
        raise ConfigurationError(f"{source} holds no files that end with {', '.join(suffixes)}: fill it first")
    return chosen


def base(source: Path) -> Path:
    """The folder to which find_files' paths are relative."""
    return source.parent if source.is_file() else source


def digest(folder: Path, names: Iterable[str]) -> str:
    """Of names and sizes: whether an interrupted run would go on with the same sources."""
    state = hashlib.sha256()
    for name in names:
        state.update(f"{name}\0{(folder / name).stat().st_size}\0".encode(errors="surrogateescape"))
    return state.hexdigest()
