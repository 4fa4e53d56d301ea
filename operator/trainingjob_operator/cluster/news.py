"""When something may be written that only tells people how a job goes: a status that was reached, an event.

One at a time, first come, first served, statuses before events, and between two of them a pause that is as long as the
answer took, twice over. So an API server that answers slowly, because it is busy with what makes jobs go, is told
little, and one that answers fast is told everything at once: nobody sets a rate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Protocol

PATIENCE = 1.0
"""Seconds after which a turn or a pause is over in any case: the answer to a write may be lost."""

PAUSE = 2.0
"""The length of a pause in lengths of the turn before it. So telling takes a third of one request's time."""

Line = dict[Hashable, Callable[[], None]]
"""Who waits, and what is called when the turn is his."""


class Timer(Protocol):
    def cancel(self) -> object: ...


Later = Callable[[float, Callable[[], None]], Timer]


def later(seconds: float, call: Callable[[], None]) -> Timer:
    """By the running event loop's clock."""
    return asyncio.get_running_loop().call_later(seconds, call)


def now() -> float:
    """Seconds of the running event loop's clock."""
    return asyncio.get_running_loop().time()


NOBODY = object()


@dataclass(frozen=True, slots=True)
class _Turn:
    """Whose it is, since when, and what ends it in any case."""

    whose: Hashable
    since: float
    end: Timer


class News:
    """The turn of those who tell."""

    def __init__(self, later: Later = later, now: Callable[[], float] = now) -> None:
        self._later = later
        self._now = now
        self._turn: _Turn | None = None
        self._statuses: Line = {}
        self._events: Line = {}

    def enter(self, who: Hashable, ready: Callable[[], None]) -> bool:
        """Whether it is somebody's turn. If not, ``ready`` is called when it is; he then has to ``leave``."""
        return self._enter(who, ready, self._statuses)

    def leave(self, who: Hashable) -> None:
        """If it was somebody's turn, it is the next one's after a pause."""
        turn = self._turn
        if turn is None or turn.whose != who:
            return
        turn.end.cancel()
        pause = min(PAUSE * (self._now() - turn.since), PATIENCE)
        if pause > 0:
            self._give_turn(NOBODY, pause, self._next)
        else:
            self._next()

    def _next(self) -> None:
        self._turn = None
        line = self._statuses or self._events
        if line:
            following = next(iter(line))
            ready = line.pop(following)
            self._tells(following)
            ready()

    @asynccontextmanager
    async def turn_of_event(self) -> AsyncIterator[None]:
        """Wait for a turn, and have it for the block."""
        me, mine = object(), asyncio.Event()
        try:
            if not self._enter(me, mine.set, self._events):
                await mine.wait()
            yield
        finally:
            self._events.pop(me, None)
            self.leave(me)

    def _enter(self, who: Hashable, ready: Callable[[], None], line: Line) -> bool:
        if self._turn is None:
            self._tells(who)
        elif self._turn.whose != who:
            line.setdefault(who, ready)
            return False
        return True

    def _tells(self, who: Hashable) -> None:
        self._give_turn(who, PATIENCE, partial(self.leave, who))

    def _give_turn(self, whose: Hashable, seconds: float, then: Callable[[], None]) -> None:
        self._turn = _Turn(whose, self._now(), self._later(seconds, then))
