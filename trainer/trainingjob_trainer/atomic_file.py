"""A file that is whole or not there: written beside its final name, flushed to the disk, then renamed.

Knows nothing of checkpoints. A rename is atomic only within one file system, so the draft is in the same folder. What
is killed in between leaves a draft behind, whose name begins with a dot; `remove_drafts` clears them away.
"""

import io
import os
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO, cast

BUFFER = 1 << 20  # bytes; torch writes its headers in many small pieces


def write_file(target: Path, write: Callable[[BinaryIO], None], before_rename: Callable[[Path], None]) -> None:
    """Let ``write`` fill a draft, ``before_rename`` look at it, and give it its final name.

    Whatever either raises, the file that had the name stays as it was. Raises OSError as the disk does.
    """
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    try:
        _fill(draft, write)
        before_rename(draft)
    except BaseException:
        _drop(draft)
        raise
    _name(draft, target)


def link_file(source: Path, target: Path) -> None:
    """Give a whole file a second name, atomically; a copy where the file system has no links."""
    draft = target.with_name(f".{target.name}.{os.getpid()}.tmp")
    draft.unlink(missing_ok=True)
    try:
        draft.hardlink_to(source)
    except OSError:
        write_file(target, lambda file: _copy(source, file), lambda _: None)
        return
    _name(draft, target)


def flush_folder(folder: Path) -> None:
    """Make renames in a folder survive a power cut."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def remove_drafts(folder: Path) -> None:
    """Delete what killed writers left behind: a few of them would fill the disk."""
    for draft in folder.glob(".*.tmp"):
        _drop(draft)


def _name(draft: Path, target: Path) -> None:
    """The moment from which on the new file is there."""
    try:
        draft.replace(target)
    except OSError:
        _drop(draft)
        raise
    flush_folder(target.parent)


def _drop(draft: Path) -> None:
    with suppress(OSError):
        draft.unlink()


def _fill(draft: Path, write: Callable[[BinaryIO], None]) -> None:
    raw = _Raw(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644))
    try:
        with io.BufferedWriter(raw, BUFFER) as file:
            write(cast(BinaryIO, file))
            file.flush()
            os.fsync(raw.descriptor)
    except Exception:
        # torch puts an error of its own in the place of the disk's, which says what is wrong.
        if raw.error is not None:
            raise raw.error from None
        raise


class _Raw(io.RawIOBase):
    """An open file that remembers the first error of the disk."""

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor
        self.error: OSError | None = None

    def writable(self) -> bool:
        return True

    def write(self, data: object) -> int:
        try:
            return os.write(self.descriptor, data)  # type: ignore[arg-type]  # a buffer
        except OSError as error:
            self.error = self.error or error
            raise

    def close(self) -> None:
        if not self.closed:
            super().close()
            os.close(self.descriptor)


def _copy(source: Path, file: BinaryIO) -> None:
    with source.open("rb") as original:
        while piece := original.read(BUFFER):
            file.write(piece)
