"""When something may be written that only tells people how a job goes: a status that was reached, an event.

Two at a time, first come, first served, statuses before events. So an API server that answers slowly, because it is
busy with what makes jobs go, is told little, and one that answers fast is told everything at once: nobody sets a rate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

AT_ONCE = 2
"""Not one: a write whose answer is lost has its place for half a minute."""

Line = dict[Hashable, Callable[[], None]]
"""Who waits, and what is called when there is a place."""


class News:
    """Places for those who tell."""

    def __init__(self, places: int = AT_ONCE) -> None:
        self._free = places
        self._inside: set[Hashable] = set()
        self._statuses: Line = {}
        self._events: Line = {}

    def enter(self, who: Hashable, ready: Callable[[], None]) -> bool:
        """Whether somebody has a place. If not, ``ready`` is called when he has one, which he then has to ``leave``."""
        return self._enter(who, ready, self._statuses)

    def leave(self, who: Hashable) -> None:
        """Give one's place, if one has any, to the next."""
        if who not in self._inside:
            return
        self._inside.discard(who)
        line = self._statuses or self._events
        if not line:
            self._free += 1
            return
        following = next(iter(line))
        ready = line.pop(following)
        self._inside.add(following)
        ready()

    @asynccontextmanager
    async def place_for_event(self) -> AsyncIterator[None]:
        """Wait for a place, and have it for the block."""
        me, mine = object(), asyncio.Event()
        try:
            if not self._enter(me, mine.set, self._events):
                await mine.wait()
            yield
        finally:
            self._events.pop(me, None)
            self.leave(me)

    def _enter(self, who: Hashable, ready: Callable[[], None], line: Line) -> bool:
        if who in self._inside:
            return True
        if self._free:
            self._free -= 1
            self._inside.add(who)
            return True
        line.setdefault(who, ready)
        return False
