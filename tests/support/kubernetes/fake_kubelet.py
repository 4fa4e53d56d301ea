"""A fake kubelet for thousands of pods: binds each new pod to its node, says that it runs, and lets deleted ones go.

    python -m support.kubernetes.fake_kubelet KUBECONFIG

Runs nothing and decides nothing about when a pod ends: whoever plays writes that into the pod's status. Benchmarks run
it as a process of its own, so that it takes the same time from the API server whoever makes the pods.
"""

import asyncio
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from support.kubernetes.cluster import open_api
from trainingjob_operator.api.resources import NODES, PODS
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_operator.cluster.client import HttpApi

NODE = "bench"
READY = "the fake kubelet watches"
IN_FLIGHT = 32


class Kubelet:
    """Follows the pods of all namespaces."""

    def __init__(self, api: HttpApi) -> None:
        self._api = api
        self._gate = asyncio.Semaphore(IN_FLIGHT)
        self._started: set[str] = set()
        self._leaving: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    async def run(self) -> None:
        """Watch until cancelled."""
        version = (await self._api.list(PODS)).resource_version
        print(READY, flush=True)
        while True:
            async for event in self._api.watch(PODS, resource_version=version):
                version = event.object["metadata"]["resourceVersion"]
                self._see(event.type, event.object)

    def _see(self, kind: str, pod: Object) -> None:
        meta = pod["metadata"]
        if kind == "DELETED":
            self._started.discard(meta["uid"])
            self._leaving.discard(meta["uid"])
        elif meta.get("deletionGracePeriodSeconds") and meta["uid"] not in self._leaving:
            self._leaving.add(meta["uid"])
            self._soon(self._let_go(meta))
        elif kind == "ADDED" and meta["uid"] not in self._started and "deletionTimestamp" not in meta:
            self._started.add(meta["uid"])
            self._soon(self._start(meta))

    def _soon(self, work: Any) -> None:
        task = asyncio.create_task(self._gated(work))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _gated(self, work: Any) -> None:
        async with self._gate:
            try:
                await work
            except ApiError as error:
                # The pod went, or another one has its name by now.
                if error.status not in (404, 409, 422):
                    raise

    async def _start(self, meta: Object) -> None:
        namespace, name = meta["namespace"], meta["name"]
        binding = {"metadata": {"name": name, "uid": meta["uid"]}, "target": {"kind": "Node", "name": NODE}}
        await bind(self._api, namespace, name, binding)
        body = {"metadata": {"uid": meta["uid"]}, "status": running(len(self._started))}
        await self._api.patch(PODS, namespace, name, body, subresource="status")

    async def _let_go(self, meta: Object) -> None:
        await self._api.delete(PODS, meta["namespace"], meta["name"], uid=meta["uid"], grace_seconds=0)


async def bind(api: HttpApi, namespace: str, name: str, binding: Object) -> None:
    """Give a pod to the node."""
    url = f"{api.server}{PODS.path(namespace, name, 'binding')}"
    async with api.session.post(url, json=binding) as answer:
        body = await answer.json()
        if answer.status >= 400:
            raise ApiError(answer.status, body.get("reason", ""), body.get("message", ""))


def running(number: int) -> Object:
    """The status of a pod whose container runs."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    ip = f"10.{number >> 16 & 255}.{number >> 8 & 255}.{number & 255}"
    container = {"name": "trainer", "image": "i", "imageID": "", "restartCount": 0, "ready": True, "started": True}
    return {
        "phase": "Running",
        "podIP": ip,
        "podIPs": [{"ip": ip}],
        "startTime": now,
        "conditions": [{"type": "Ready", "status": "True", "lastTransitionTime": now}],
        "containerStatuses": [container | {"state": {"running": {"startedAt": now}}}],
    }


def ended(code: int) -> Object:
    """The status of a pod whose container has exited."""
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    state = {"terminated": {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": now}}
    container = {"name": "trainer", "image": "i", "imageID": "", "restartCount": 0, "ready": False, "state": state}
    return {"phase": "Failed" if code else "Succeeded", "containerStatuses": [container]}


async def make_node(api: HttpApi) -> None:
    """The node that the pods are bound to."""
    await api.create(NODES, None, {"metadata": {"name": NODE}})
    conditions = [{"type": "Ready", "status": "True", "reason": "Bench", "message": "it has no end"}]
    await api.patch(NODES, None, NODE, {"status": {"conditions": conditions}}, subresource="status")


async def main() -> None:
    async with open_api(Path(sys.argv[1])) as api:
        await Kubelet(api).run()


if __name__ == "__main__":
    asyncio.run(main())
