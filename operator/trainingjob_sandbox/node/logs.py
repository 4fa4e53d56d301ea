"""Where a container's output is kept, and which part of it a reader asked for.

One file per run of a container, `<container>/<restarts>.log`, and beside it the launcher's record of when which byte
came (`.times`), so that plain files stay readable with any tool and timestamps can still be asked for.
"""

import asyncio
import struct
from bisect import bisect_left, bisect_right
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

STAMP = struct.Struct("<Qd")  # as launch.py writes it: offset, seconds since the epoch
BLOCK = 65536
FALLBACK_LINES, FALLBACK_BYTES = 80, 2048
POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which part of a log: the query of the kubelet's containerLogs endpoint."""

    follow: bool = False
    tail: int | None = None
    since: datetime | None = None
    limit: int | None = None
    timestamps: bool = False


@dataclass(frozen=True, slots=True)
class Times:
    """When the bytes of a log came: ascending offsets, and the time (seconds since the epoch) at each of them."""

    offsets: tuple[int, ...]
    seconds: tuple[float, ...]

    def at(self, offset: int) -> str:
        """When the byte came, as Kubernetes writes it before a line."""
        seconds = self.seconds[bisect_right(self.offsets, offset) - 1]
        return datetime.fromtimestamp(seconds, UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")

    def since(self, moment: datetime, end: int) -> int:
        """The offset of the first byte that came at or after a moment; ``end`` if none did."""
        index = bisect_left(self.seconds, moment.timestamp())
        return self.offsets[index] if index < len(self.offsets) else end


def log_file(folder: Path, container: str, restarts: int) -> Path:
    """The log of one run of a container."""
    return folder / container / f"{restarts}.log"


def times(log: Path) -> Times:
    """The log's record of times."""
    record = log.with_name(log.name + ".times").read_bytes()
    stamps = list(STAMP.iter_unpack(record[: len(record) // STAMP.size * STAMP.size]))
    return Times(tuple(offset for offset, _ in stamps), tuple(seconds for _, seconds in stamps))


def fallback_message(log: Path) -> str:
    """The end of a log as a termination message: at most 80 lines and 2048 bytes."""
    with log.open("rb") as file:
        size = file.seek(0, 2)
        file.seek(max(0, size - FALLBACK_BYTES))
        lines = file.read().splitlines(keepends=True)
    return b"".join(lines[-FALLBACK_LINES:]).decode(errors="replace")


async def read(log: Path, wanted: Wanted, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The wanted part in pieces; when following, until ``is_over`` says that nothing more comes."""
    left = wanted.limit
    async for piece in _pieces(log, wanted, is_over):
        if left is not None:
            piece = piece[:left]
            left -= len(piece)
        yield piece
        if left == 0:
            return


async def _pieces(log: Path, wanted: Wanted, is_over: Callable[[], bool]) -> AsyncIterator[bytes]:
    offset = _start(log, wanted)
    with log.open("rb") as file:
        file.seek(offset)
        while True:
            over = is_over()  # asked before reading: what is written until then is read
            piece = file.readline() if wanted.timestamps else file.read(BLOCK)
            if piece:
                yield f"{times(log).at(offset)} ".encode() + piece if wanted.timestamps else piece
                offset += len(piece)
            elif over or not wanted.follow:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)


def _start(log: Path, wanted: Wanted) -> int:
    size = log.stat().st_size
    recent = times(log).since(wanted.since, size) if wanted.since else 0
    return max(recent, 0 if wanted.tail is None else _tail(log, size, wanted.tail))


def _tail(log: Path, size: int, lines: int) -> int:
    """The offset of the last so many lines; a last line without an end counts as one."""
    if lines == 0:
        return size
    position, missing = size, lines
    with log.open("rb") as file:
        while position > 0:
            length = min(BLOCK, position)
            file.seek(position - length)
            block = file.read(length)
            end = length - 1 if position == size else length  # the newline that ends the last line starts none
            while (end := block.rfind(b"\n", 0, end)) >= 0:
                missing -= 1
                if missing == 0:
                    return position - length + end + 1
            position -= length
    return 0
