"""Where it is measured: a control plane of our own, the fake kubelet, the observer, and the operator in its turn.

Starts and tidies up; measures nothing.
"""

import asyncio
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Iterable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from benchmarks.control.observer import Observer, observing

from support.kubernetes.cluster import open_api
from support.kubernetes.control_plane import ControlPlane, start_control_plane
from support.kubernetes.daemon import Daemon
from support.kubernetes.fake_kubelet import READY, make_node
from support.kubernetes.operator_process import start_operator
from trainingjob_operator.api.resources import NAMESPACES, PODS, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_operator.cluster.client import HttpApi

ROOT = Path(__file__).resolve().parents[2]
IN_FLIGHT = 32
PREFIX = "bench-"
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
_numbers = itertools.count(1)


@dataclass(slots=True)
class World:
    """One control plane. ``api`` is the plain client's, with as many connections as it has requests in flight."""

    plane: ControlPlane
    api: HttpApi
    observer: Observer
    folder: Path
    audit_log: Path
    _gate: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(IN_FLIGHT))

    async def namespace(self) -> str:
        """A new namespace in which pods can be made."""
        name = f"{PREFIX}{next(_numbers)}"
        await self.api.create(NAMESPACES, None, {"metadata": {"name": name}})
        while True:
            try:
                await self.api.get(SERVICE_ACCOUNTS, name, "default")
            except ApiError as error:
                if error.status != 404:
                    raise
            else:
                return name

    async def post(self, namespace: str, bodies: Iterable[tuple[Resource, Object]]) -> list[Object]:
        """Create objects as a plain client does, 32 requests in flight."""
        return await asyncio.gather(
            *(self.gated(self.api.create(resource, namespace, body)) for resource, body in bodies)
        )

    async def gated(self, call: Awaitable[Any]) -> Any:
        async with self._gate:
            return await call

    async def clear(self, namespace: str) -> None:
        """Delete the jobs and pods of a namespace, and wait until they are gone."""
        await self._delete_all(TRAININGJOBS, namespace)
        await self._delete_all(PODS, namespace)
        await self.observer.until(f"the pods of {namespace} are gone", lambda: not self.observer.alive[namespace])
        await self.api.delete(NAMESPACES, None, namespace)

    async def at_rest(self) -> None:
        """Wait until the control plane has tidied up all that was cleared, which takes it seconds."""
        listed = await self.api.list(NAMESPACES)
        left = {name for raw in listed.items if (name := raw["metadata"]["name"]).startswith(PREFIX)}
        if not left:
            return
        async with aclosing(self.api.watch(NAMESPACES, resource_version=listed.resource_version)) as events:
            async for event in events:
                if event.type == "DELETED":
                    left.discard(event.object["metadata"]["name"])
                if not left:
                    return
        raise TimeoutError(f"the control plane has not tidied up {', '.join(sorted(left))}")

    async def _delete_all(self, resource: Resource, namespace: str) -> None:
        url = f"{self.api.server}{resource.path(namespace)}?gracePeriodSeconds=0&propagationPolicy=Background"
        async with self.api.session.delete(url) as answer:
            await answer.read()

    @asynccontextmanager
    async def operator(self, *options: str) -> AsyncIterator[Daemon]:
        """The operator at work, as a user of its own so that the audit log tells it from others."""
        kubeconfig = await asyncio.to_thread(self.plane.user_kubeconfig, "operator", ["system:masters"])
        started = start_operator(kubeconfig, self.folder, options=options)
        daemon = await asyncio.to_thread(started.__enter__)
        try:
            yield daemon
        finally:
            await asyncio.to_thread(started.__exit__, None, None, None)


@asynccontextmanager
async def world(folder: Path, *, audited: bool = False) -> AsyncIterator[World]:
    """A started world; everything of it ends with the block."""
    audit_log = folder / "audit.log"
    async with AsyncExitStack() as stack:
        manifests = [ROOT / "manifests" / "crd.yaml"]
        log = audit_log if audited else None
        plane = stack.enter_context(start_control_plane(folder, manifests=manifests, audit_log=log))
        api = await stack.enter_async_context(open_api(plane.kubeconfig))
        await make_node(api)
        kubelet = _kubelet(plane, folder)
        stack.callback(kubelet.kill)
        kubelet.start()
        await asyncio.to_thread(kubelet.wait_until, READY, lambda: READY in kubelet.log())
        observer = await stack.enter_async_context(observing(api))
        yield World(plane, api, observer, folder, audit_log)


def _kubelet(plane: ControlPlane, folder: Path) -> Daemon:
    argv = [sys.executable, "-m", "support.kubernetes.fake_kubelet", str(plane.kubeconfig)]
    return Daemon("kubelet", argv, folder / "kubelet.log", {"PYTHONPATH": f"{ROOT}:{ROOT / 'tests'}"})
