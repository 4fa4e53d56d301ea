"""When something may be written that only tells people how a job goes: a status that was reached, an event.

One at a time, first come, first served, statuses before events. So an API server that answers slowly, because it is
busy with what makes jobs go, is told little, and one that answers fast is told everything at once: nobody sets a rate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager
from functools import partial
from typing import Protocol

PATIENCE = 1.0
"""Seconds after which the next one's turn comes even so: the answer to a write may be lost."""

Line = dict[Hashable, Callable[[], None]]
"""Who waits, and what is called when the turn is his."""


class Timer(Protocol):
    def cancel(self) -> object: ...


Later = Callable[[float, Callable[[], None]], Timer]


def later(seconds: float, call: Callable[[], None]) -> Timer:
    """By the running event loop's clock."""
    return asyncio.get_running_loop().call_later(seconds, call)


class News:
    """The turn of those who tell."""

    def __init__(self, later: Later = later) -> None:
        self._later = later
        self._turn: tuple[Hashable, Timer] | None = None
        self._statuses: Line = {}
        self._events: Line = {}

    def enter(self, who: Hashable, ready: Callable[[], None]) -> bool:
        """Whether it is somebody's turn. If not, ``ready`` is called when it is; he then has to ``leave``."""
        return self._enter(who, ready, self._statuses)

    def leave(self, who: Hashable) -> None:
        """It is the next one's turn, if it was somebody's."""
        if self._turn is None or self._turn[0] != who:
            return
        self._turn[1].cancel()
        self._turn = None
        line = self._statuses or self._events
        if line:
            following = next(iter(line))
            ready = line.pop(following)
            self._give_turn(following)
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
            self._give_turn(who)
        elif self._turn[0] != who:
            line.setdefault(who, ready)
            return False
        return True

    def _give_turn(self, who: Hashable) -> None:
        self._turn = who, self._later(PATIENCE, partial(self.leave, who))
