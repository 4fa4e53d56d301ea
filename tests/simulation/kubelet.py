"""Every node's kubelet and the scheduler: pods start, stop when told to, and end as the story has it.

Works by timers and the store's own watch, without tasks: 20,000 stories have to be quick. Decides nothing about jobs.
"""

import asyncio
from collections.abc import Callable
from random import Random
from typing import Any

from simulation.nodes import Nodes
from support.stage import running_status, stopped_status
from trainingjob_operator.api.names import KIND
from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import MERGE_PATCH
from trainingjob_sandbox.store import DeleteOptions, Store

Object = dict[str, Any]
NAMESPACE = "ml"
NODES = ("node-0", "node-1", "node-2")
NO_ROOM = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes are available"}
FAILED, DISRUPTED, FINISHED = "failed", "disrupted", "finished"


class Kubelet:
    """``fates`` tells by job UID and pod name how pods really ended, for the oracles: failed, disrupted or finished."""

    def __init__(
        self, store: Store, nodes: Nodes | None, now: Callable[[], str], random: Random, start_up: float
    ) -> None:
        self.fates: dict[tuple[str, str], str] = {}
        self.stuck_until = 0.0
        self.full_until = 0.0
        self._store = store
        self._nodes = nodes
        self._now = now
        self._random = random
        self._start_up = start_up
        self._loop = asyncio.get_running_loop()
        self._seen: set[str] = set()
        self._leaving: set[str] = set()
        self._due = False
        if nodes:
            nodes.changed = self._node_changed
        self._pods = store.catalog.find(PODS)[1]
        self._watch = store.watch(PODS)
        self._watch.notify = self._soon

    def _soon(self) -> None:
        if not self._due:
            self._due = True
            self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._due = False
        for seen in self._watch.take():
            meta = seen.record.object["metadata"]
            name, uid = meta["name"], meta["uid"]
            if uid not in self._seen:
                self._seen.add(uid)
                self._loop.call_later(self._start_up * (0.5 + self._random.random()), self._start, name, uid)
            if seen.type != "DELETED" and "deletionTimestamp" in meta and uid not in self._leaving:
                self._leaving.add(uid)
                self._loop.call_later(0.1 + self._random.random() * 2, self._leave, name, uid)

    def pod(self, name: str, uid: str | None = None) -> Object | None:
        """The pod of that name (and UID) as it stands in the store."""
        record = self._pods.get(NAMESPACE, name)
        return record.object if record and uid in (None, record.object["metadata"]["uid"]) else None

    def pods(self) -> list[Object]:
        return [record.object for record in self._pods.all(NAMESPACE)]

    def is_reachable(self, pod: Object) -> bool:
        """Whether the pod's node, if it has one, answers."""
        return self._nodes is None or pod["spec"].get("nodeName") not in self._nodes.lost_since

    def collect(self, node: str) -> None:
        """The cluster's pod collector takes what was bound to a node that is gone."""
        for pod in self.pods():
            if pod["spec"].get("nodeName") == node:
                self._store.delete(PODS, NAMESPACE, pod["metadata"]["name"], DeleteOptions(grace_seconds=0))

    def _node_changed(self, node: str, ready: str) -> None:
        """The control plane takes a silent node's pods for not ready; when it is back, so are they."""
        for pod in self.pods():
            if pod["spec"].get("nodeName") == node and is_running(pod):
                self._report(pod["metadata"]["name"], {"conditions": [{"type": "Ready", "status": ready}]})

    def _start(self, name: str, uid: str) -> None:
        pod = self.pod(name, uid)
        if pod is None or "deletionTimestamp" in pod["metadata"] or has_stopped(pod):
            return
        if (wait := self.full_until - self._loop.time()) > 0:
            self._report(name, {"conditions": [NO_ROOM]})
            self._loop.call_later(min(wait, 10.0), self._start, name, uid)
            return
        nodes = self._nodes.up() if self._nodes else NODES
        self._store.bind(NAMESPACE, name, nodes[len(self._seen) % len(nodes)])
        self._report(name, running_status(self._now(), f"10.0.{len(self._seen) // 250}.{len(self._seen) % 250 + 1}"))

    def _leave(self, name: str, uid: str) -> None:
        """The process gets SIGTERM and ends, unless the node is out of reach."""
        pod = self.pod(name, uid)
        if pod is None:
            return
        wait = self.stuck_until - self._loop.time()
        if wait > 0 or not self.is_reachable(pod):
            self._loop.call_later(max(wait, 10.0), self._leave, name, uid)
            return
        if not has_stopped(pod) and self._random.random() < 0.5:
            self.end(name, 143, DISRUPTED)
            # The object stays until the pod's volumes are unmounted.
            self._loop.call_later(self._random.choice((0.0, 1.0, 20.0)), self._gone, name, uid)
        else:
            self._gone(name, uid)

    def _gone(self, name: str, uid: str) -> None:
        if self.pod(name, uid) is not None:
            self._store.delete(PODS, NAMESPACE, name, DeleteOptions(grace_seconds=0))

    def end(self, name: str, code: int, fate: str, reason: str = "") -> None:
        """The training container exits; what a watch shows first is the container, a moment later the phase."""
        pod = self.pod(name)
        if pod is None or has_stopped(pod) or not self.is_reachable(pod):
            return
        uid = pod["metadata"]["uid"]
        self.fates[owner_of(pod), name] = fate
        status = stopped_status(self._now(), code, "", reason)
        phase = status.pop("phase")
        if self._random.random() < 0.3:
            self._report(name, status)
            self._loop.call_later(1.0, self._phase, name, uid, phase)
        else:
            self._report(name, status | {"phase": phase})

    def evict(self, name: str) -> None:
        """The node is short of memory."""
        pod = self.pod(name)
        if pod is None or has_stopped(pod) or not self.is_reachable(pod):
            return
        self.fates[owner_of(pod), name] = DISRUPTED
        self._report(name, {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"})

    def disrupt(self, name: str) -> None:
        """The scheduler makes room for somebody more important."""
        pod = self.pod(name)
        if pod is not None and not has_stopped(pod):
            self.fates.setdefault((owner_of(pod), name), DISRUPTED)
            target = {"type": "DisruptionTarget", "status": "True", "reason": "PreemptionByScheduler"}
            self._report(name, {"conditions": [target]})

    def _phase(self, name: str, uid: str, phase: str) -> None:
        if self.pod(name, uid) is not None:
            self._report(name, {"phase": phase})

    def _report(self, name: str, status: Object) -> None:
        self._store.patch(PODS, NAMESPACE, name, {"status": status}, content_type=MERGE_PATCH, subresource="status")


def has_stopped(pod: Object) -> bool:
    """Whether no training process runs in it any more."""
    status = pod.get("status") or {}
    if status.get("phase") in ("Succeeded", "Failed"):
        return True
    return any("terminated" in container.get("state", {}) for container in status.get("containerStatuses") or ())


def is_running(pod: Object) -> bool:
    """Whether its process runs, and nobody has asked it to go."""
    running = (pod.get("status") or {}).get("phase") == "Running" and not has_stopped(pod)
    return running and "deletionTimestamp" not in pod["metadata"]


def owner_of(thing: Object) -> str:
    """UID of the TrainingJob that owns something, empty if none does."""
    owners = thing["metadata"].get("ownerReferences") or ()
    return next((owner["uid"] for owner in owners if owner.get("controller") and owner["kind"] == KIND), "")
