"""The work queue: which job is looked at next, never twice at once, never lost.

Adding a key that already waits changes nothing (events coalesce); adding one that is being worked on makes it come
again afterwards. Failures come back after a growing, jittered delay. Knows nothing of jobs or Kubernetes.
"""

import asyncio
import random
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

K = TypeVar("K")

FIRST_RETRY = 0.05
LONGEST_RETRY = 60.0


class WorkQueue(Generic[K]):
    """A first-in, first-out queue of distinct keys with delays (seconds, by the running event loop's clock)."""

    def __init__(self, jitter: Callable[[], float] = random.random) -> None:
        self._ready: asyncio.Queue[K] = asyncio.Queue()
        self._waiting: dict[K, float] = {}
        self._working: dict[K, float] = {}
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._jitter = jitter
        self._closed = False
        self._idle = asyncio.Event()
        self._idle.set()

    def __len__(self) -> int:
        return len(self._waiting)

    def age(self) -> float:
        """Seconds for which the first of the waiting keys has waited."""
        return _since(self._waiting)

    def longest(self) -> float:
        """Seconds for which the longest of the running passes has run."""
        return _since(self._working)

    async def drained(self, seconds: float) -> bool:
        """Hand out no more keys; whether all that were handed out came back within so many seconds."""
        self._closed = True
        try:
            async with asyncio.timeout(seconds):
                await self._idle.wait()
        except TimeoutError:
            return False
        return True

    def add(self, key: K) -> None:
        """Look at this key soon."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting[key] = asyncio.get_running_loop().time()
            self._ready.put_nowait(key)

    def add_after(self, key: K, seconds: float) -> None:
        """Look at this key in so many seconds; the earlier of two such wishes counts."""
        if seconds <= 0:
            self.add(key)
            return
        loop = asyncio.get_running_loop()
        timer = self._timers.get(key)
        if timer and not timer.cancelled() and timer.when() <= loop.time() + seconds:
            return
        if timer:
            timer.cancel()
        self._timers[key] = loop.call_later(seconds, self._due, key)

    def retry(self, key: K, at_least: float = 0.0) -> float:
        """Look at this key again after its next back-off delay, which is returned (seconds)."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        delay: float = min(FIRST_RETRY * 2.0 ** min(failures, 20), LONGEST_RETRY) * (0.5 + self._jitter())
        delay = max(delay, at_least)
        self.add_after(key, delay)
        return delay

    def succeeded(self, key: K) -> None:
        """Forget the failures of this key."""
        self._failures.pop(key, None)

    async def work(self, reconcile: Callable[[K], Awaitable[None]]) -> None:
        """One worker: hands keys to ``reconcile``, which deals with its own errors, until cancelled or drained."""
        while True:
            key = await self._ready.get()
            if self._closed:
                return
            del self._waiting[key]
            self._working[key] = asyncio.get_running_loop().time()
            self._idle.clear()
            try:
                await reconcile(key)
            finally:
                del self._working[key]
                if not self._working:
                    self._idle.set()
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)


def _since(started: dict[K, float]) -> float:
    """Seconds since the first entry was made; a dictionary keeps the order."""
    first = next(iter(started.values()), None)
    return 0.0 if first is None else asyncio.get_running_loop().time() - first
