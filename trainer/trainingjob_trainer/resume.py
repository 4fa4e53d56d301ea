"""Where training goes on: the newest checkpoint that is whole, found by rank 0 and told to all.

A torn, empty or corrupt file is skipped with a warning that names it. Never writes anything.
"""

import pickle
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from trainingjob_trainer.log import warn
from trainingjob_trainer.retention import newest_first
from trainingjob_trainer.store import Store, word_of_rank_0

_KEY = "trainingjob/resume"
_PARTS = ("pytorch-lightning_version", "state_dict", "global_step", "loops")
_UNREADABLE = (
    OSError,
    zipfile.BadZipFile,
    pickle.UnpicklingError,
    RuntimeError,
    EOFError,
    LookupError,
    TypeError,
    ValueError,
    AttributeError,
)


@dataclass(frozen=True, slots=True)
class ResumePoint:
    """A valid checkpoint: ``epoch`` (from 0) is the one that goes on, ``step`` counts optimizer steps done."""

    path: Path
    epoch: int
    step: int


class InvalidCheckpointError(Exception):
    """The file is not a whole checkpoint; the text says what is wrong with it."""


def find_resume_point(folder: Path) -> ResumePoint | None:
    """The newest valid checkpoint of the folder, None if there is none."""
    return next(_valid(folder), None)


def _valid(folder: Path) -> Iterator[ResumePoint]:
    for name in newest_first(path.name for path in folder.glob("*.ckpt")):
        path = folder / name
        try:
            yield inspect(path)
        except InvalidCheckpointError as error:
            warn(f"checkpoint {path} is skipped: {error}")


def inspect(path: Path) -> ResumePoint:
    """Read every byte of a checkpoint and check it. Raises InvalidCheckpointError."""
    try:
        if path.stat().st_size == 0:
            raise InvalidCheckpointError("it is empty")
        with zipfile.ZipFile(path) as archive:
            # torch reads without comparing checksums, so a flipped bit would become a weight.
            damaged = archive.testzip()
        if damaged is not None:
            raise InvalidCheckpointError(f"its part {damaged} is damaged")
        loaded = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
        return _resume_point(path, loaded)
    except _UNREADABLE as error:
        raise InvalidCheckpointError(f"it cannot be read ({(str(error).splitlines() or ['no reason'])[0]})") from error


def _resume_point(path: Path, loaded: dict[str, Any]) -> ResumePoint:
    missing = [part for part in _PARTS if part not in loaded]
    if missing:
        raise InvalidCheckpointError(f"it holds no {', '.join(missing)}: no checkpoint of a Lightning training")
    progress = loaded["loops"]["fit_loop"]["epoch_progress"]["current"]
    return ResumePoint(path, int(progress["processed"]), int(loaded["global_step"]))


def agree(store: Store | None, rank: int, point: ResumePoint | None, folder: Path) -> ResumePoint | None:
    """Rank 0's decision on every rank. Only the file's name is told: pods may mount the volume at unlike paths."""
    if store is None:
        return point
    text = f"{point.path.name} {point.epoch} {point.step}" if point else ""
    told = word_of_rank_0(store, rank, _KEY, lambda: text)
    if not told:
        return None
    name, epoch, step = told.rsplit(" ", 2)
    return ResumePoint(folder / name, int(epoch), int(step))
