"""A disk that fails, or a process that dies, at the n-th of its operations on files of one folder.

Every system call that the checkpoint writer makes is one operation; a write that dies has written half. After a death
nothing more reaches the disk, whatever clean-up the code would still do.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from unittest.mock import patch

CALLS = ("open", "write", "fsync", "close", "replace", "rename", "link", "unlink", "mkdir")


class Dead(BaseException):
    """The process was killed here."""


class Operations:
    """Counts the operations below a folder; the ``last`` one (from 1) fails with ``failure``."""

    def __init__(self, folder: Path, last: int | None, failure: BaseException) -> None:
        self.folder, self.last, self.failure = str(folder), last, failure
        self.seen: list[str] = []
        self._real = {name: getattr(os, name) for name in CALLS}
        self._descriptors: set[int] = set()

    @property
    def over(self) -> bool:
        """Whether the failure has happened."""
        return self.last is not None and len(self.seen) >= self.last

    def call(self, name: str, subject: Any, *arguments: Any, **options: Any) -> Any:
        """One call of the os module."""
        if not (subject in self._descriptors if isinstance(subject, int) else str(subject).startswith(self.folder)):
            return self._real[name](subject, *arguments, **options)
        if self.over and isinstance(self.failure, Dead):
            return self._nothing(name, subject, *arguments)
        self.seen.append(name)
        if len(self.seen) == self.last:
            self._half(name, subject, *arguments)
            raise self.failure
        result = self._real[name](subject, *arguments, **options)
        if name == "open":
            self._descriptors.add(result)
        return result

    def _half(self, name: str, subject: Any, *arguments: Any) -> None:
        if name == "write":
            self._real["write"](subject, bytes(arguments[0])[: len(arguments[0]) // 2])

    def _nothing(self, name: str, subject: Any, *arguments: Any) -> Any:
        if name == "close":
            self._real["close"](subject)
        return len(arguments[0]) if name == "write" else None


@contextmanager
def failing(folder: Path, last: int | None, failure: BaseException) -> Iterator[Operations]:
    """Within, the operations below the folder are counted, and the ``last`` one fails."""
    operations = Operations(folder, last, failure)
    patches = [patch.object(os, name, _through(operations, name)) for name in CALLS]
    for one in patches:
        one.start()
    try:
        yield operations
    finally:
        for one in patches:
            one.stop()


def _through(operations: Operations, name: str) -> Any:
    return lambda subject, *arguments, **options: operations.call(name, subject, *arguments, **options)
