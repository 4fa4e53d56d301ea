"""What happened to pods and when, seen by one watch: the same eyes for the floor and for the operator.

Decides nothing: it notes the moment (seconds of the monotonic clock) at which it heard of a pod, of its running, and of
its end. It works on the cores that it measures on, so what it does with an event must not grow with what it has seen.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import Object
from trainingjob_operator.cluster.client import HttpApi

PATIENCE = 240.0

Moments = defaultdict[str, dict[str, float]]
"""By namespace and name of the pod."""


class Observer:
    """The moments at which pods were created and ran; ``alive`` are the names of those that are there, by namespace."""

    def __init__(self) -> None:
        self.created: Moments = defaultdict(dict)
        self.running: Moments = defaultdict(dict)
        self.alive: defaultdict[str, set[str]] = defaultdict(set)
        self._news = asyncio.Event()

    async def follow(self, api: HttpApi, version: str) -> None:
        """Watch until cancelled."""
        while True:
            async for event in api.watch(PODS, resource_version=version):
                version = event.object["metadata"]["resourceVersion"]
                self._see(event.type, event.object)

    def _see(self, kind: str, pod: Object) -> None:
        now, meta = time.monotonic(), pod["metadata"]
        namespace, name = meta.get("namespace", ""), meta.get("name", "")
        if kind == "DELETED":
            self.alive[namespace].discard(name)
        elif kind != "BOOKMARK":
            self.alive[namespace].add(name)
            self.created[namespace].setdefault(name, now)
            if pod.get("status", {}).get("phase") == "Running":
                self.running[namespace].setdefault(name, now)
        self._news.set()

    async def until(self, what: str, is_so: Callable[[], bool]) -> None:
        """Wait for a condition over what was seen. TimeoutError, with what was waited for, after four minutes."""
        try:
            async with asyncio.timeout(PATIENCE):
                while not is_so():
                    self._news.clear()
                    await self._news.wait()
        except TimeoutError as error:
            raise TimeoutError(f"not so after {PATIENCE:.0f} s: {what}") from error

    def of(self, moments: Moments, namespace: str, prefix: str = "") -> list[float]:
        """The moments of a namespace's pods, of one job's if a prefix of their names is given."""
        return [at for name, at in moments[namespace].items() if name.startswith(prefix)]

    async def seen(self, namespace: str, count: int, prefix: str = "", *, runs: bool = True) -> None:
        """Wait until so many of a namespace's pods were created (and ran)."""
        moments = (self.running if runs else self.created)[namespace]
        word = "run" if runs else "exist"
        await self.until(
            f"{count} pods {prefix}* of {namespace} {word}",
            lambda: len(moments) >= count and sum(name.startswith(prefix) for name in moments) >= count,
        )


@asynccontextmanager
async def observing(api: HttpApi) -> AsyncIterator[Observer]:
    """An observer of all pods."""
    observer = Observer()
    version = (await api.list(PODS)).resource_version
    task = asyncio.create_task(observer.follow(api, version))
    try:
        yield observer
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
