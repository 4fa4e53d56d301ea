"""How a dataset gets onto a volume so that it can be killed at any moment and go on.

Files only grow. Every few seconds they are flushed, and then the ledger, a small file that is replaced as a whole,
records how long each is, its running checksum and the number of pieces in it. What a file holds beyond its entry was
written after that, and is cut off when a later run goes on. dataset.json comes last. Knows nothing of the content.
"""

import json
import os
import time
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

from trainingjob_trainer.data.description import DESCRIPTION, Description, checksum
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare.work import Work

LEDGER = "unfinished.json"
COMMIT_SECONDS = 2.0
COMMIT_BYTES = 256 * 2**20
_CHUNK = 2**20


@dataclass
class Ledger:
    """What is safe: ``pieces`` and ``units`` of them, and per file [bytes, CRC-32]."""

    made_from: dict[str, Any]
    pieces: int = 0
    units: int = 0
    files: dict[str, list[int]] = field(default_factory=dict)

    def append(self, name: str, content: bytes) -> None:
        """Count bytes that were written."""
        size, crc = self.files.setdefault(name, [0, 0])
        self.files[name] = [size + len(content), zlib.crc32(content, crc)]


def read_ledger(folder: Path) -> Ledger | None:
    """The ledger of an interrupted run, None if there is none or its files are shorter than it says."""
    try:
        ledger = Ledger(**json.loads((folder / LEDGER).read_text()))
        whole = all(_size(folder / name) >= size for name, (size, _) in ledger.files.items())
    except FileNotFoundError:
        return None
    except (ValueError, TypeError, AttributeError):
        raise ConfigurationError(f"{folder / LEDGER} is not readable: remove {folder} and prepare it anew") from None
    return ledger if whole else None


def pack(folder: Path, work: Work, ledger: Ledger | None, advance: Callable[[int], object]) -> Description:
    """Write the dataset, from the start or from where the ledger says; returns its description.

    Raises ConfigurationError for a source that cannot be used, OSError as the volume does; both leave a state from
    which the next run goes on.
    """
    folder.mkdir(parents=True, exist_ok=True)
    if ledger is None:
        # Before any other file, so that whatever is found later is known to be ours.
        ledger = Ledger(work.made_from())
        _write_ledger(folder, ledger)
    # While files change, the folder must not pass for a dataset.
    (folder / DESCRIPTION).unlink(missing_ok=True)
    advance(ledger.units)
    with ExitStack() as stack:
        files = {name: stack.enter_context(_open(folder / name, ledger, name)) for name in work.opening()}
        _write(folder, files, work, ledger, advance)
    description = _description(folder, work, ledger)
    _replace(folder / DESCRIPTION, description.content())
    (folder / LEDGER).unlink()
    return description


def _write(
    folder: Path, files: Mapping[str, BinaryIO], work: Work, ledger: Ledger, advance: Callable[[int], object]
) -> None:
    if not ledger.files:
        _append(files, ledger, work.opening())
        _commit(folder, files, ledger)
    safe = _Safe.now(ledger)
    for piece in work.pieces(ledger.pieces):
        _append(files, ledger, piece.content)
        ledger.pieces += 1
        ledger.units += piece.units
        advance(piece.units)
        if safe.is_old(ledger):
            _commit(folder, files, ledger)
            safe = _Safe.now(ledger)
    _commit(folder, files, ledger)
    # Not committed: a run that is killed here goes on before the endings.
    _append(files, ledger, work.closing())
    for file in files.values():
        _flush(file)


@dataclass(frozen=True, slots=True)
class _Safe:
    """When the ledger was last written, and how many bytes were safe then."""

    moment: float
    size: int

    @classmethod
    def now(cls, ledger: Ledger) -> "_Safe":
        return cls(time.monotonic(), _total(ledger))

    def is_old(self, ledger: Ledger) -> bool:
        return time.monotonic() - self.moment >= COMMIT_SECONDS or _total(ledger) - self.size >= COMMIT_BYTES


def _open(path: Path, ledger: Ledger, name: str) -> BinaryIO:
    path.parent.mkdir(parents=True, exist_ok=True)
    file = path.open("r+b" if path.exists() else "w+b")
    file.truncate(ledger.files.get(name, [0, 0])[0])
    file.seek(0, os.SEEK_END)
    return file


def _append(files: Mapping[str, BinaryIO], ledger: Ledger, content: Mapping[str, bytes]) -> None:
    for name, data in content.items():
        files[name].write(data)
        ledger.append(name, data)


def _commit(folder: Path, files: Mapping[str, BinaryIO], ledger: Ledger) -> None:
    for file in files.values():
        _flush(file)
    _write_ledger(folder, ledger)


def _write_ledger(folder: Path, ledger: Ledger) -> None:
    _replace(folder / LEDGER, json.dumps(asdict(ledger)))


def _flush(file: BinaryIO) -> None:
    file.flush()
    os.fsync(file.fileno())


def _description(folder: Path, work: Work, ledger: Ledger) -> Description:
    """Read back what was written, and compare it with what was meant. Raises ConfigurationError."""
    for name, (_, crc) in ledger.files.items():
        if _crc(folder / name) != crc:
            _write_ledger(folder, Ledger(ledger.made_from))  # from the start
            raise ConfigurationError(
                f"{folder / name} does not hold what was written to it: another program changed it, or the volume is "
                "faulty; run the same command again to write it anew"
            )
    entries = {name: {"bytes": size, "sha256": checksum(folder / name)} for name, (size, _) in ledger.files.items()}
    splits, about = work.describe(folder)
    return Description(work.kind, work.name, splits, entries, about, ledger.made_from)


def _crc(path: Path) -> int:
    crc = 0
    for chunk in _chunks(path):
        crc = zlib.crc32(chunk, crc)
    return crc


def _chunks(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while chunk := file.read(_CHUNK):
            yield chunk


def _replace(path: Path, text: str) -> None:
    draft = path.with_name(f".{path.name}.tmp")
    with draft.open("w") as file:
        file.write(text)
        file.flush()
        os.fsync(file.fileno())
    draft.replace(path)


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1


def _total(ledger: Ledger) -> int:
    return sum(size for size, _ in ledger.files.values())
