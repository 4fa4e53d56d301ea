"""What happened to pods and when, seen by one watch: the same eyes for the floor and for the operator.

Decides nothing: it notes the moment (seconds of the monotonic clock) at which it heard of a pod, of its running, and of
its end.
"""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import Object
from trainingjob_operator.cluster.client import HttpApi

PATIENCE = 240.0

Pod = tuple[str, str]
"""Namespace and name."""


class Observer:
    """The moments at which pods were created and ran; ``alive`` are those that are there now, with their UIDs."""

    def __init__(self) -> None:
        self.created: dict[Pod, float] = {}
        self.running: dict[Pod, float] = {}
        self.alive: dict[Pod, str] = {}
        self._news = asyncio.Event()

    async def follow(self, api: HttpApi, version: str) -> None:
        """Watch until cancelled."""
        while True:
            async for event in api.watch(PODS, resource_version=version):
                version = event.object["metadata"]["resourceVersion"]
                self._see(event.type, event.object)

    def _see(self, kind: str, pod: Object) -> None:
        now, meta = time.monotonic(), pod["metadata"]
        key = meta.get("namespace", ""), meta.get("name", "")
        if kind == "DELETED":
            self.alive.pop(key, None)
        elif kind != "BOOKMARK":
            self.alive[key] = meta["uid"]
            self.created.setdefault(key, now)
            if pod.get("status", {}).get("phase") == "Running":
                self.running.setdefault(key, now)
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

    def of(self, moments: dict[Pod, float], namespace: str, prefix: str = "") -> list[float]:
        """The moments of a namespace's pods, of one job's if a prefix of their names is given."""
        return [at for (where, name), at in moments.items() if where == namespace and name.startswith(prefix)]

    async def seen(self, namespace: str, count: int, prefix: str = "", *, runs: bool = True) -> None:
        """Wait until so many of a namespace's pods were created (and ran)."""
        moments = self.running if runs else self.created
        word = "run" if runs else "exist"
        await self.until(
            f"{count} pods {prefix}* of {namespace} {word}",
            lambda: len(self.of(moments, namespace, prefix)) >= count,
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
