"""What an error of a volume means for somebody who prepares a dataset on it: one sentence with what to do.

Pure: reads only the error and the names of folders.
"""

import errno
import os
from pathlib import Path

from trainingjob_trainer.exit_codes import CONFIGURATION, USER_ERROR

_FULL = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EFBIG})
_NO_FOLDER = frozenset({errno.EEXIST, errno.ENOTDIR})
_FORBIDDEN = frozenset({errno.EACCES, errno.EPERM, errno.EROFS})


def judge(error: OSError, folder: Path) -> tuple[int, str]:
    """The exit code and the sentence for an error that came while a dataset was put into ``folder``."""
    why = os.strerror(error.errno) if error.errno else str(error)
    where = Path(os.fsdecode(error.filename)) if error.filename else folder
    if error.errno in _FULL:
        return USER_ERROR, f"{folder} is full ({why}): make room and run the same command again, it goes on"
    if not _is_about(where, folder):
        return CONFIGURATION, f"{where} cannot be read ({why}): see to it that this user may read it"
    if error.errno in _NO_FOLDER:
        return CONFIGURATION, f"{where} is a file, or lies below one ({why}): give a folder as DIR, or remove the file"
    if error.errno in _FORBIDDEN:
        return CONFIGURATION, (
            f"{where} cannot be written ({why}): give a DIR that this user may write to; a job's own pods have "
            "spec.data read-only, so prepare in a pod beside them"
        )
    return USER_ERROR, f"{where} cannot be written ({why}): look after the volume and run the same command again"


def _is_about(where: Path, folder: Path) -> bool:
    """Whether a path is the folder, in it or above it."""
    one, other = Path.cwd() / where, Path.cwd() / folder
    return one.is_relative_to(other) or other.is_relative_to(one)
