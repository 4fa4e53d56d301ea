"""A node on a store in the same process: real processes, no HTTP."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_operator.cluster.api import Api
from trainingjob_sandbox.node import Node
from trainingjob_sandbox.node.kinds import PodBinding
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store_api import StoreApi

DEADLINE = 5.0
Object = dict[str, Any]


class NodeApi(StoreApi):
    """A store's API with the one subresource that only a scheduler posts to."""

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        if isinstance(resource, PodBinding):
            assert namespace is not None
            await asyncio.sleep(0)
            return self.store.bind(namespace, resource.pod, body["target"]["name"]).copy()
        return await super().create(resource, namespace, body)


class World:
    """An API server (a store of its own unless one is given), a way to run nodes on it, and questions about pods."""

    def __init__(self, folder: Path, api: Api | None = None, namespace: str = "default") -> None:
        self.folder = folder
        self.namespace = namespace
        self.api = api or NodeApi(Store(lambda: datetime.now(UTC), random.Random(1)))

    @asynccontextmanager
    async def node(self, **options: Any) -> AsyncIterator[Node]:
        options = {"state_dir": self.folder / "state", "claims_root": self.folder / "claims", "gpus": 0} | options
        node = Node(self.api, **options)
        task = asyncio.create_task(node.run())
        ready = asyncio.create_task(node.ready.wait())
        try:
            await asyncio.wait([task, ready], return_when=asyncio.FIRST_COMPLETED, timeout=DEADLINE)
            if task.done():
                task.result()
            yield node
        finally:
            ready.cancel()
            task.cancel()
            await asyncio.wait([task, ready])

    async def apply(self, body: Object, resource: Resource = PODS) -> Object:
        return await self.api.create(resource, self.namespace, body)

    async def run(self, *command: str, **options: Any) -> Object:
        """Applies a pod and waits for its end."""
        made = await self.apply(pod(*command, **options))
        return await self.until(made["metadata"]["name"], is_over)

    async def until(self, name: str, holds: Callable[[Object], object]) -> Object:
        """The pod as soon as something is true of it."""
        async with asyncio.timeout(DEADLINE):
            found = await self.api.get(PODS, self.namespace, name)
            if holds(found):
                return found
            version = found["metadata"]["resourceVersion"]
            stream = self.api.watch(PODS, self.namespace, fields=f"metadata.name={name}", resource_version=version)
            try:
                async for event in stream:
                    if holds(event.object):
                        return event.object
            finally:
                await stream.aclose()
        raise AssertionError("the watch ended")

    async def until_gone(self, name: str) -> None:
        await eventually(lambda: self._is_gone(name))

    async def _is_gone(self, name: str) -> bool:
        return name not in {item["metadata"]["name"] for item in (await self.api.list(PODS, self.namespace)).items}

    def logs(self, found: Object, container: str = "main", restarts: int = 0) -> str:
        folder = self.folder / "state" / "pods" / found["metadata"]["uid"] / "logs"
        return (folder / container / f"{restarts}.log").read_text()


async def eventually(question: Callable[[], Awaitable[object]]) -> None:
    """Returns when the answer is true; asks with the loop free in between."""
    async with asyncio.timeout(DEADLINE):
        while not await question():  # noqa: ASYNC110 - what is asked for sets no event
            await asyncio.sleep(0.01)


def claim(name: str) -> Object:
    """A claim of a gibibyte."""
    resources = {"requests": {"storage": "1Gi"}}
    return {"metadata": {"name": name}, "spec": {"accessModes": ["ReadWriteMany"], "resources": resources}}


def claimed(name: str, path: str, **mount: Any) -> Object:
    """What a pod needs to see a claim: its `volumes`, and its container's `volumeMounts`."""
    volume = {"name": name, "persistentVolumeClaim": {"claimName": name}}
    return {"volumes": [volume], "container": {"volumeMounts": [{"name": name, "mountPath": path, **mount}]}}


def pod(*command: str, name: str = "p", container: Object | None = None, **spec: Any) -> Object:
    """A pod with one container called main that runs a command, once."""
    main = {"name": "main", "image": "none", "command": list(command)} | (container or {})
    return {"metadata": {"name": name}, "spec": {"restartPolicy": "Never", "containers": [main]} | spec}


def shell(script: str, **options: Any) -> Object:
    return pod("sh", "-c", script, **options)


def is_over(found: Object) -> bool:
    return found.get("status", {}).get("phase") in ("Succeeded", "Failed")


def is_running(found: Object) -> bool:
    return found.get("status", {}).get("phase") == "Running"


def state(found: Object) -> Object:
    return found["status"]["containerStatuses"][0]["state"]


def terminated(found: Object) -> Object:
    return state(found)["terminated"]
