"""When something may be written that only tells people how a job goes: a status that was reached, an event.

A few at a time, first come, first served. So an API server that answers slowly, because it is busy with what makes jobs
go, is told little, and one that answers fast is told everything at once: nobody sets a rate.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Hashable
from contextlib import asynccontextmanager

AT_ONCE = 2


class News:
    """Places for those who tell."""

    def __init__(self, places: int = AT_ONCE) -> None:
        self._free = places
        self._inside: set[Hashable] = set()
        self._line: dict[Hashable, Callable[[], None]] = {}

    def enter(self, who: Hashable, ready: Callable[[], None]) -> bool:
        """Whether somebody has a place. If not, ``ready`` is called when he has one, which he then has to ``leave``."""
        if who in self._inside:
            return True
        if self._free:
            self._free -= 1
            self._inside.add(who)
            return True
        self._line.setdefault(who, ready)
        return False

    def leave(self, who: Hashable) -> None:
        """Give one's place, if one has any, to the first in the line."""
        if who not in self._inside:
            return
        self._inside.discard(who)
        if not self._line:
            self._free += 1
            return
        first = next(iter(self._line))
        ready = self._line.pop(first)
        self._inside.add(first)
        ready()

    @asynccontextmanager
    async def place(self) -> AsyncIterator[None]:
        """Wait for a place, and have it for the block."""
        me, mine = object(), asyncio.Event()
        try:
            if not self.enter(me, mine.set):
                await mine.wait()
            yield
        finally:
            self._line.pop(me, None)
            self.leave(me)
