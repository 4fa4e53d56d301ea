"""Who may write into the checkpoint folder: one attempt of one job, named in a small file beside the checkpoints.

A process of an older attempt can outlive its pod's deletion (a node that was cut off comes back). It finds another
owner and must stop. A job of the same name that was created anew is another job: it does not continue the old run, and
does not overwrite it either. Rank 0 only.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from trainingjob_trainer.environment import Environment
from trainingjob_trainer.errors import ConfigurationError, StorageError, SupersededError

FILE = "owner.json"


@dataclass(frozen=True, slots=True)
class Owner:
    """One attempt (from 1) of one job; ``uid`` tells jobs of the same name apart, empty outside a cluster."""

    job: str
    uid: str
    attempt: int


def owner_of(environment: Environment) -> Owner:
    """The owner that this process writes for."""
    return Owner(environment.job, environment.uid, environment.attempt)


def claim(folder: Path, owner: Owner) -> Path | None:
    """Make the folder ours, at the start of an attempt.

    Returns where the checkpoints of another job were moved to, None if there were none. Raises SupersededError if
    a newer attempt of this job has claimed the folder, StorageError if nothing can be written there.
    """
    try:
        return _claim(folder, owner)
    except OSError as error:
        raise StorageError(
            f"{folder} cannot be written to ({error.strerror or error}): see that the volume of spec.output is mounted "
            f"and writable, has room, and that {folder.name} is a folder"
        ) from error


def _claim(folder: Path, owner: Owner) -> Path | None:
    found = read_owner(folder)
    moved = None
    if found is not None and (found.job, found.uid) != (owner.job, owner.uid):
        moved = _set_aside(folder, found)
    elif found is not None and found.attempt > owner.attempt:
        raise SupersededError(_superseded(folder, owner, found))
    folder.mkdir(parents=True, exist_ok=True)
    _write_owner(folder, owner)
    return moved


def require_ownership(folder: Path, owner: Owner) -> None:
    """Raises SupersededError unless the folder is still ours (or nobody's), ConfigurationError if another job took it.

    The latter is not restarted: it would take the folder back, and the two jobs would end each other in turns.
    """
    found = read_owner(folder)
    if found is not None and (found.job, found.uid) != (owner.job, owner.uid):
        raise ConfigurationError(f"{_superseded(folder, owner, found)}; give each job a spec.output.subPath of its own")
    if found is not None and found != owner:
        raise SupersededError(_superseded(folder, owner, found))


def read_owner(folder: Path) -> Owner | None:
    """Who owns the folder; None for nobody. A file that is no owner's file counts as nobody's."""
    try:
        fields = json.loads((folder / FILE).read_text())
        return Owner(str(fields["job"]), str(fields["uid"]), int(fields["attempt"]))
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError):
        return None


def _write_owner(folder: Path, owner: Owner) -> None:
    draft = folder / f".{FILE}.{owner.attempt}.tmp"
    with draft.open("w") as file:
        json.dump(asdict(owner), file)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(folder / FILE)


def _set_aside(folder: Path, owner: Owner) -> Path:
    """Rename another job's folder to a free name that says whose it was."""
    name = f"{folder.name}-{owner.job}-{owner.uid[:8] or 'local'}"
    target, number = folder.with_name(name), 2
    while target.exists():
        target, number = folder.with_name(f"{name}-{number}"), number + 1
    return folder.rename(target)


def _superseded(folder: Path, owner: Owner, found: Owner) -> str:
    return (
        f"{folder} belongs to attempt {found.attempt} of job {found.job} (uid {found.uid or 'none'}) now; "
        f"this is attempt {owner.attempt} of {owner.job} (uid {owner.uid or 'none'}), which writes no more"
    )
