"""What is packed: a dataset as a list of pieces of bytes that are appended to files.

A `Work` decides the content; ledger.py how it gets onto the disk, and how an interrupted one goes on. The pieces of a
work have to be the same in every run, so that the next run can go on behind the last one that is safe.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

SOURCES = "sources"  # under this name `made_from` holds the digest of the sources; the others are options


@dataclass(frozen=True, slots=True)
class Piece:
    """``content`` is appended to the files of these names; ``units`` are for the progress bar."""

    units: int
    content: Mapping[str, bytes]


class Work(Protocol):
    """A dataset to be packed; of the kind and name that its description will have."""

    @property
    def kind(self) -> str: ...

    @property
    def name(self) -> str: ...

    @property
    def unit(self) -> str:
        """What is counted, in the plural."""
        ...

    @property
    def total(self) -> int:
        """How many of them."""
        ...

    def made_from(self) -> dict[str, Any]:
        """The kind, its options, and the digest of the sources: a run is continued only where these are equal."""
        ...

    def opening(self) -> Mapping[str, bytes]:
        """All files, with the bytes that each begins with."""
        ...

    def pieces(self, skip: int) -> Iterator[Piece]:
        """All pieces but the first ``skip``. Raises ConfigurationError that names a source that cannot be used."""
        ...

    def closing(self) -> Mapping[str, bytes]:
        """What each file ends with."""
        ...

    def describe(self, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
        """Samples per split, and what the kind says about itself, from the finished files."""
        ...
