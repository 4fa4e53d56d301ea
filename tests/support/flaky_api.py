"""The operator's API on the sandbox's store, with requests that fail when a test says so.

Fails only what it was told to, in the order in which it was told; everything else is the store's own answer.
"""

from collections import defaultdict, deque
from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import UTC, datetime
from random import Random
from typing import Any

from trainingjob_operator.api.resources import CRDS, NAMESPACES, Resource
from trainingjob_operator.api.schema import crd
from trainingjob_operator.cluster.api import ApiError, Object, ObjectList, WatchEvent
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store_api import StoreApi


class EndOfStream(Exception):  # noqa: N818 - it is no error: servers end watches
    """The server closes a watch in good order."""


EXPIRED = ApiError(410, "Expired", "too old resource version: 1 (2)")


def store() -> Store:
    """A cluster's store with the TrainingJob's definition and the namespace of the builders' jobs."""
    found = Store(lambda: datetime(2026, 1, 1, 12, tzinfo=UTC), Random(1))
    found.create(NAMESPACES, None, {"metadata": {"name": "ml"}})
    found.create(CRDS, None, crd())
    return found


class FlakyApi(StoreApi):
    """``fail`` queues errors for a verb; ``stream`` fails a watch after its next event. ``calls`` are the requests."""

    def __init__(self) -> None:
        super().__init__(store(), collects=False)
        self.calls: list[str] = []
        self.watched_from: list[str] = []
        self._faults: dict[str, deque[Exception]] = defaultdict(deque)

    def fail(self, verb: str, *errors: Exception) -> None:
        """The next requests of a verb (get, list, create, replace, delete, watch) or events (stream) fail so."""
        self._faults[verb].extend(errors)

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        self._meet("get", resource.kind, name)
        return await super().get(resource, namespace, name)

    async def list(self, resource: Resource, namespace: str | None = None, **options: Any) -> ObjectList:
        self._meet("list", resource.kind)
        return await super().list(resource, namespace, **options)

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        self._meet("create", resource.kind, body["metadata"].get("name", ""))
        return await super().create(resource, namespace, body)

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, **options: Any
    ) -> Object:
        self._meet("replace", resource.kind, name)
        return await super().replace(resource, namespace, name, body, **options)

    async def delete(self, resource: Resource, namespace: str | None, name: str, **options: Any) -> Object:
        self._meet("delete", resource.kind, name)
        return await super().delete(resource, namespace, name, **options)

    async def watch(
        self, resource: Resource, namespace: str | None = None, **options: Any
    ) -> AsyncGenerator[WatchEvent, None]:
        self.watched_from.append(options["resource_version"])
        self._meet("watch", resource.kind)
        async with aclosing(super().watch(resource, namespace, **options)) as events:
            async for event in events:
                yield event
                try:
                    self._meet("stream")
                except EndOfStream:
                    return

    def _meet(self, verb: str, *what: str) -> None:
        if verb != "stream":
            self.calls.append(" ".join((verb, *what)).strip())
        if self._faults[verb]:
            raise self._faults[verb].popleft()
