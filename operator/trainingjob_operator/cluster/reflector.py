"""Keeps a cache equal to a collection of the API server: list, then watch, for ever.

What kopf's own watch does not do: a re-list after 410 also removes what vanished meanwhile, and no error ends it
(docs/design.md, "kopf"). Decides nothing about the objects.
"""

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Collection
from typing import Any, Protocol

import aiohttp

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import ApiError, Feed, WatchEvent
from trainingjob_operator.cluster.errors import is_expired

logger = logging.getLogger(__name__)

FIRST_RETRY = 0.2
LONGEST_RETRY = 20.0


class Sink(Protocol):
    """Where a reflector puts what it sees."""

    def put(self, raw: dict[str, Any]) -> None: ...

    def remove(self, raw: dict[str, Any]) -> None: ...

    def retain(self, uids: Collection[str], version: str) -> None:
        """All objects that there were at a version have been put: what is none of them was gone then."""
        ...


class Reflector:
    """Reflects one resource (of one namespace, by label) into a sink. ``synced`` is set after the first list."""

    def __init__(
        self,
        api: Feed,
        resource: Resource,
        sink: Sink,
        *,
        namespace: str | None = None,
        labels: str = "",
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._api = api
        self._resource = resource
        self._sink = sink
        self._namespace = namespace
        self._labels = labels
        self._sleep = sleep
        self._failures = 0
        self.synced = asyncio.Event()

    async def run(self) -> None:
        """List and watch until cancelled."""
        version: str | None = None
        while True:
            try:
                version = version or await self._list()
                version = await self._watch(version)
            except ApiError as error:
                if is_expired(error):
                    version = None
                await self._pause(error)
            except (aiohttp.ClientError, TimeoutError, OSError) as error:
                await self._pause(error)

    async def _list(self) -> str:
        """Page by page: the pods of a thousand jobs weigh far more as the API server tells them than as a sink does."""
        uids: set[str] = set()
        version = ""
        async for page in self._api.pages(self._resource, self._namespace, labels=self._labels):
            for raw in page.items:
                uids.add(raw["metadata"]["uid"])
                self._sink.put(raw)
            version = page.resource_version
        self._sink.retain(uids, version)
        self.synced.set()
        self._failures = 0
        return version

    async def _watch(self, version: str) -> str:
        """Follow the stream to its end; the version to go on from. An error in mid-stream goes on from there, too."""
        stream = self._api.watch(self._resource, self._namespace, labels=self._labels, resource_version=version)
        try:
            async for event in stream:
                self._failures = 0
                version = event.object["metadata"]["resourceVersion"]
                self._take(event)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            await self._pause(error)
        finally:
            await stream.aclose()
        return version

    def _take(self, event: WatchEvent) -> None:
        if event.type == "DELETED":
            self._sink.remove(event.object)
        elif event.type != "BOOKMARK":
            self._sink.put(event.object)

    async def _pause(self, error: Exception) -> None:
        delay = min(FIRST_RETRY * 2.0 ** min(self._failures, 20), LONGEST_RETRY) * (0.5 + random.random())  # noqa: S311
        self._failures += 1
        logger.warning("watch of %s: %s; again in %.1f s", self._resource.plural, error or type(error).__name__, delay)
        await self._sleep(delay)
