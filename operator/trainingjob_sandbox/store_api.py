"""The operator's API protocol on a store in the same process: no HTTP, no timers, the same errors.

Decides nothing. What it returns is the caller's own, except objects of watch events, which all watchers share and must
not change. It runs under any event loop and is deterministic: equal calls in equal order give equal answers.
"""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from typing import Any

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import APPLY_PATCH, MERGE_PATCH, Object, ObjectList, WatchEvent
from trainingjob_sandbox.store import DeleteOptions, Store, WriteOptions

APPLIER = WriteOptions(manager="trainingjob", force=True)


async def let_others_run() -> None:
    """A request's time on the wire: other tasks get a turn."""
    await asyncio.sleep(0)


class StoreApi:
    """``FullApi`` of ``cluster.api`` over a store.

    ``collects`` says whether garbage is collected after each write, or by whoever owns the store. ``pause`` is awaited
    before each request; a simulation puts its delays there. Watches never time out; they end when they expire.
    """

    def __init__(
        self, store: Store, *, collects: bool = True, pause: Callable[[], Awaitable[None]] = let_others_run
    ) -> None:
        self.store = store
        self._collects = collects
        self._pause = pause

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        await self._pause()
        return self.store.get(resource, namespace, name).copy()

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> ObjectList:
        await self._pause()
        page = self.store.list(resource, namespace, labels=labels, fields=fields)
        return ObjectList([record.copy() for record in page.records], str(page.version))

    async def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = ""
    ) -> AsyncGenerator[ObjectList, None]:
        yield await self.list(resource, namespace, labels=labels)

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        await self._pause()
        record = self.store.create(resource, namespace, body)
        self._collect()
        return record.copy()

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object:
        await self._pause()
        record = self.store.replace(resource, namespace, name, body, subresource=subresource)
        self._collect()
        return record.copy()

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Object:
        await self._pause()
        options = APPLIER if content_type == APPLY_PATCH else WriteOptions()
        record = self.store.patch(
            resource, namespace, name, body, content_type=content_type, subresource=subresource, options=options
        )
        self._collect()
        return record.copy()

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        await self._pause()
        options = DeleteOptions(uid=uid, grace_seconds=grace_seconds, propagation="Background")
        answer = self.store.deleted(resource, namespace, name, options)
        self._collect()
        return answer

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        timeout_seconds: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]:
        await self._pause()
        watch = self.store.watch(resource, namespace, labels=labels, fields=fields, version=resource_version)
        news = asyncio.Event()
        watch.notify = news.set
        try:
            while True:
                news.clear()
                for seen in watch.take():
                    yield WatchEvent(seen.type, seen.record.object)
                await news.wait()
        finally:
            watch.close()

    def _collect(self) -> None:
        if self._collects:
            self.store.collect_garbage()
