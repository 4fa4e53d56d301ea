"""Which watches are open, and which have given up trying.

Judges from the outside, by the requests that are made: a watch is live while its response is open, and dead when it is
closed and nobody has tried to open it for minutes, or when it is open for longer than any server keeps one. An API
server that is away makes watches wait, not die: they go on trying. Never restarts anything.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple, Protocol

DEAD_AFTER = 180.0
"""Seconds without a try; the longest timeout and back-off together are half of it."""

OLD_AFTER = 900.0
"""Seconds for which no watch stays open: they are asked to end after five minutes."""


class Stream(Protocol):
    """What a watch's answer comes from; an aiohttp response is one."""

    @property
    def closed(self) -> bool: ...


class Watched(NamedTuple):
    """A resource by its plural, and one namespace or all (None)."""

    plural: str
    namespace: str | None

    def __str__(self) -> str:
        return f"{self.plural} of {self.namespace or 'all namespaces'}"


@dataclass(slots=True)
class _Watch:
    tried_at: float
    stream: Stream | None = None
    starts: int = 0


class Watches:
    """The watches that this process must keep up. Watches of anything else are not its concern."""

    def __init__(self, expected: Iterable[Watched], clock: Callable[[], float]) -> None:
        self._clock = clock
        self._watches = {each: _Watch(clock()) for each in expected}

    def tried(self, what: Watched) -> None:
        """A list or a watch was asked for."""
        if (watch := self._watches.get(what)) is not None:
            watch.tried_at = self._clock()

    def opened(self, what: Watched, stream: Stream) -> bool:
        """A watch was answered; whether it is one more after the first."""
        if (watch := self._watches.get(what)) is None:
            return False
        watch.tried_at, watch.stream = self._clock(), stream
        watch.starts += 1
        return watch.starts > 1

    def down(self) -> list[str]:
        """Those that are not open."""
        return [str(what) for what, watch in self._watches.items() if not _is_open(watch)]

    def dead(self) -> list[str]:
        """Those that nobody will open again."""
        return [str(what) for what, watch in self._watches.items() if self._clock() - watch.tried_at > _patience(watch)]


def _is_open(watch: _Watch) -> bool:
    return watch.stream is not None and not watch.stream.closed


def _patience(watch: _Watch) -> float:
    return OLD_AFTER if _is_open(watch) else DEAD_AFTER
