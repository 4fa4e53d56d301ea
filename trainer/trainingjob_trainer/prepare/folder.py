"""What to do with the folder that a dataset is to be put into: begin, go on, or leave it alone.

Never deletes what it has not written itself: a folder with anything else in it is refused.
"""

import errno
import fcntl
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from trainingjob_trainer.data.description import DESCRIPTION, damaged, parse
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.exit_codes import DONE, USER_ERROR
from trainingjob_trainer.log import fail
from trainingjob_trainer.prepare.ledger import LEDGER, Ledger, pack, read_ledger
from trainingjob_trainer.prepare.progress import progress, tell
from trainingjob_trainer.prepare.work import SOURCES, Work

LOCK = ".prepare.lock"
_IGNORED = frozenset({"lost+found", LOCK, f".{LEDGER}.tmp"})
_NO_LOCKS = frozenset({errno.ENOLCK, errno.ENOTSUP, errno.EOPNOTSUPP})


def put(folder: Path, work: Work) -> int:
    """Bring the dataset into the folder; returns the exit code. Raises ConfigurationError, OSError."""
    folder.mkdir(parents=True, exist_ok=True)
    with _alone(folder):
        if _is_there(folder, work):
            (folder / LEDGER).unlink(missing_ok=True)
            tell(f"{folder} holds {work.name} already, checksums verified")
            return DONE
        return _pack(folder, work, _resumable(folder, work))


def verify(folder: Path) -> int:
    """Compare every byte with the description; returns the exit code. Raises ConfigurationError without one."""
    description = parse(folder)
    if description is None:
        if (folder / LEDGER).exists():
            raise ConfigurationError(f"{folder} is unfinished: run the command that prepares it again, it goes on")
        raise ConfigurationError(
            f"{folder} holds no prepared dataset: it has no readable {DESCRIPTION}; write one with another `prepare`"
        )
    wrong = list(damaged(folder, description))
    for name in wrong:
        fail(f"{folder / name} is damaged or missing: its checksum differs")
    if not wrong:
        counts = ", ".join(f"{number} {split}" for split, number in description.splits.items())
        tell(f"{folder}: {description.kind} {description.name} ({counts}), {len(description.files)} checksums verified")
    return USER_ERROR if wrong else DONE


def _is_there(folder: Path, work: Work) -> bool:
    """Whether the folder holds this dataset, whole. Raises ConfigurationError if it holds something else."""
    description = parse(folder)
    if description is None:
        _require_empty(folder)
        return False
    if description.made_from != work.made_from():
        raise ConfigurationError(
            f"{folder} holds {description.kind} {description.name}, made from other sources or with other options: "
            "give another folder, or remove this one"
        )
    wrong = list(damaged(folder, description))
    if wrong:
        tell(f"{folder} is damaged: {', '.join(wrong)} differ from their checksums; writing it anew")
    return not wrong


def _resumable(folder: Path, work: Work) -> Ledger | None:
    """Where to go on, None to begin. Raises ConfigurationError rather than to undo somebody's other work."""
    ledger = read_ledger(folder)
    if ledger is None:
        return None
    if _options(ledger.made_from) != _options(work.made_from()):
        raise ConfigurationError(
            f"{folder} holds an unfinished dataset of another kind or with other options: finish it with those, give "
            "another folder, or remove this one"
        )
    if ledger.made_from != work.made_from():
        tell(f"the sources have changed since {folder} was begun: beginning anew")
        return None
    tell(f"going on after {ledger.units} of {work.total} {work.unit}")
    return ledger


def _options(made_from: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in made_from.items() if name != SOURCES}


def _pack(folder: Path, work: Work, ledger: Ledger | None) -> int:
    with progress(work.total, work.unit) as advance:
        description = pack(folder, work, ledger, advance)
    counts = ", ".join(f"{number} {split}" for split, number in description.splits.items())
    tell(f"wrote {counts} {work.unit} to {folder}")
    return DONE


def _require_empty(folder: Path) -> None:
    if (folder / LEDGER).exists() or _is_older_format(folder):
        return
    if (folder / DESCRIPTION).exists():
        raise ConfigurationError(
            f"{folder / DESCRIPTION} describes no dataset, it was changed or damaged: remove {folder} and run the same "
            "command again, or give another folder"
        )
    if any(path.name not in _IGNORED for path in folder.iterdir()):
        raise ConfigurationError(f"{folder} holds other files: give an empty folder")


def _is_older_format(folder: Path) -> bool:
    path = folder / DESCRIPTION
    return path.is_file() and '"format": "trainingjob-' in path.read_text(errors="replace")


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Two at once would write into the same files. Raises ConfigurationError if another one is at work."""
    lock = os.open(folder / LOCK, os.O_RDWR | os.O_CREAT, 0o644)
    try:
        _lock(lock, folder)
        yield
    finally:
        os.close(lock)


def _lock(descriptor: int, folder: Path) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise ConfigurationError(f"another `prepare` is writing to {folder}: wait for it, or end it") from None
    except OSError as error:
        if error.errno not in _NO_LOCKS:
            raise
        tell(f"the volume of {folder} knows no locks: see to it that no other `prepare` writes there")
