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
        self._waiting: set[K] = set()
        self._working: set[K] = set()
        self._again: set[K] = set()
        self._timers: dict[K, asyncio.TimerHandle] = {}
        self._failures: dict[K, int] = {}
        self._jitter = jitter

    def __len__(self) -> int:
        return len(self._waiting)

    def add(self, key: K) -> None:
        """Look at this key soon."""
        if key in self._working:
            self._again.add(key)
        elif key not in self._waiting:
            self._waiting.add(key)
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
        """One worker: hands keys to ``reconcile``, which deals with its own errors, until cancelled."""
        while True:
            key = await self._ready.get()
            self._waiting.discard(key)
            self._working.add(key)
            try:
                await reconcile(key)
            finally:
                self._working.discard(key)
                if key in self._again:
                    self._again.discard(key)
                    self.add(key)

    def _due(self, key: K) -> None:
        del self._timers[key]
        self.add(key)
