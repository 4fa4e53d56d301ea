"""What people and other controllers do to a job and its pods: the world's events, carried out on the store at once.

Users know nothing of the operator; the garbage collector runs some time after them, as in a cluster.
"""

import asyncio
import math
from typing import TYPE_CHECKING, Any

from simulation.kubelet import FAILED, FINISHED, NAMESPACE, has_stopped, is_running, owner_of
from simulation.schedule import FATAL, LONGEST, UNCOUNTED, Shape, Timed
from support.builders import raw_job
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import CONFIGMAPS, PODS, SERVICES, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import MERGE_PATCH
from trainingjob_sandbox.store import DeleteOptions

if TYPE_CHECKING:
    from simulation.world import World

Object = dict[str, Any]
JOB = "digits"
POD_GC = 70.0
"""Seconds after which the cluster's pod collector takes the pods of a node that is gone."""
CODES = (1, UNCOUNTED, 75, FATAL)
ON_PODS = frozenset({"fail", "oom", "evict", "drain", "delete", "force delete", "preempt", "exit 0", "relabel"})


class Users:
    """``missing`` holds the children that somebody deleted, until an attempt begins after that."""

    def __init__(self, world: "World") -> None:
        self.wants_job = True
        self.children_deleted = False
        self._world = world
        self._store = world.store
        self._loop = asyncio.get_running_loop()
        self._squatted: set[str] = set()

    def submit(self) -> None:
        shape = self._world.schedule.shape
        raw = raw_job(
            name=JOB,
            namespace=NAMESPACE,
            numNodes=shape.nodes,
            startPolicy=shape.policy,
            failurePolicy=_failure_policy(shape),
            **{field: value for field, value in _optional(shape).items() if value},
        )
        raw["metadata"] = {"name": JOB, "namespace": NAMESPACE}
        del raw["status"]
        self.wants_job = True
        self._store.create(TRAININGJOBS, NAMESPACE, raw)
        self._world.oracle.current_since = self._loop.time()

    def do(self, event: Timed) -> bool:
        """One event; False if there is nothing to do it to yet."""
        if event.kind in ON_PODS:
            return self._to_pod(event)
        self._world.happened(f"{event.kind} {event.rank if event.kind == 'budget' else ''}", event.kind)
        match event.kind:
            case "stick":
                self._world.kubelet.stuck_until = self._loop.time() + event.value
            case "no room":
                self._world.kubelet.full_until = self._loop.time() + event.value
            case "delete service":
                self._delete_child(SERVICES)
            case "delete config map":
                self._delete_child(CONFIGMAPS)
            case "squat":
                self._squat(event.rank)
            case "silence node" | "remove node":
                self._to_node(event)
            case _:
                self._to_job(event)
        return True

    def leave(self) -> None:
        """Strangers' pods go; whoever wanted the job has it."""
        for name in self._squatted:
            if self._world.kubelet.pod(name):
                self._store.delete(PODS, NAMESPACE, name, DeleteOptions(grace_seconds=0))
        if self.wants_job and self._world.job() is None and not self._world.schedule.shape.time_to_live:
            self.submit()
        self._store.collect_garbage()

    def edit(self, **fields: Any) -> None:
        """Change the job's spec, if there is a job."""
        if self._world.job() is not None:
            self._store.patch(TRAININGJOBS, NAMESPACE, JOB, {"spec": fields}, content_type=MERGE_PATCH)

    def _to_job(self, event: Timed) -> None:
        match event.kind:
            case "suspend" | "resume":
                self.edit(suspend=event.kind == "suspend")
            case "blink":
                self.edit(suspend=True)
                self._loop.call_later(0.05 if event.value < 1 else 1.0, lambda: self.edit(suspend=False))
            case "budget":
                self.edit(failurePolicy={"maxRestarts": event.rank})
            case "deadline":
                self.edit(activeDeadlineSeconds=30 if event.value < 1 else 300)
            case "delete job":
                self.wants_job = False
                self._delete_job()
            case "replace job":
                self.wants_job = True
                self._delete_job()
                self._loop.call_later(0.0 if event.value < 1 else event.value / 10, self._submit_again)

    def _submit_again(self) -> None:
        if self.wants_job and self._world.job() is None:
            self.submit()

    def _delete_job(self) -> None:
        if self._world.job() is not None:
            self._store.delete(TRAININGJOBS, NAMESPACE, JOB, DeleteOptions(propagation="Background"))
            self._loop.call_later(self._world.latency() * 3, self._store.collect_garbage)

    def _delete_child(self, resource: Resource) -> None:
        if self._store.exists(resource, NAMESPACE, JOB):
            self.children_deleted = True
            self._store.delete(resource, NAMESPACE, JOB)

    def _squat(self, rank: int) -> None:
        """Somebody else's pod takes a name that the next attempt needs."""
        status = (self._world.job() or {}).get("status") or {}
        name = names.pod_name(JOB, status.get("attempt", 0) + 1, rank % self._world.schedule.shape.nodes)
        if self._world.kubelet.pod(name) is None:
            self._squatted.add(name)
            container = {"name": "main", "image": "other:1"}
            body = {"metadata": {"name": name}, "spec": {"containers": [container]}}
            self._store.create(PODS, NAMESPACE, body)

    def _to_pod(self, event: Timed) -> bool:
        pod = self._victim(event)
        if pod is None:
            return False
        name = pod["metadata"]["name"]
        self._world.happened(f"{event.kind} {name}", event.kind)
        self.strike(event.kind, name, CODES[int(event.at * 1000) % len(CODES)])
        return True

    def strike(self, kind: str, name: str, code: int) -> None:
        """Something happens to one pod."""
        kubelet = self._world.kubelet
        match kind:
            case "fail":
                kubelet.end(name, code, FAILED)
            case "oom":
                kubelet.end(name, 137, FAILED, "OOMKilled")
            case "exit 0":
                kubelet.end(name, 0, FINISHED)
            case "evict":
                kubelet.evict(name)
            case "preempt":
                kubelet.disrupt(name)
                self._store.delete(PODS, NAMESPACE, name)
            case _:
                self._strike_object(kind, name)

    def _strike_object(self, kind: str, name: str) -> None:
        """Something happens to a pod's object, of which its process knows nothing yet."""
        match kind:
            case "drain":
                self._store.evict(NAMESPACE, name)
            case "delete":
                self._store.delete(PODS, NAMESPACE, name)
            case "force delete":
                self._store.delete(PODS, NAMESPACE, name, DeleteOptions(grace_seconds=0))
            case "remove node":
                pod = self._world.kubelet.pod(name)
                assert pod is not None
                self._remove_node(pod["spec"]["nodeName"])
            case "relabel":
                labels = {names.LABEL_ATTEMPT: "99", names.LABEL_RANK: None, "team": "vision"}
                patch = {"metadata": {"labels": labels}}
                self._store.patch(PODS, NAMESPACE, name, patch, content_type=MERGE_PATCH)

    def _to_node(self, event: Timed) -> None:
        nodes = self._world.nodes
        assert nodes is not None
        found = [pod["spec"]["nodeName"] for pod in self._world.kubelet.pods() if pod["spec"].get("nodeName")]
        if not found:
            return
        node = found[event.rank % len(found)]
        if event.kind == "remove node":
            self._remove_node(node)
        else:
            nodes.silence(node, self._silence(event.value))

    def _silence(self, value: float) -> float:
        """Seconds for which a node is out of reach. One that stays so keeps its pods' objects for ever, unless the
        operator forces them; of a job that is gone nobody forces them, but whoever removes the node.
        """
        schedule = self._world.schedule
        if value < LONGEST:
            # Just short of being lost, or long enough for it.
            return schedule.shape.patience * 0.8 if value < 1 else value * 6
        job_goes = schedule.shape.time_to_live or any(event.kind.endswith("job") for event in schedule.events)
        return value * 6 if job_goes else math.inf

    def _remove_node(self, node: str) -> None:
        assert self._world.nodes is not None
        self._world.nodes.remove(node)
        self._loop.call_later(POD_GC, self._world.kubelet.collect, node)

    def _victim(self, event: Timed) -> Object | None:
        """A pod of the job for whom the event can be meant: one that runs, if its process is concerned."""
        found = [pod for pod in self._world.kubelet.pods() if owner_of(pod)]
        if event.kind in ("fail", "oom", "exit 0", "evict", "preempt", "drain"):
            found = [pod for pod in found if is_running(pod) and self._world.kubelet.is_reachable(pod)]
        elif event.kind == "delete":
            found = [pod for pod in found if not has_stopped(pod)]
        return found[event.rank % len(found)] if found else None


def _failure_policy(shape: Shape) -> Object:
    rules = [
        {"onExitCodes": [UNCOUNTED], "action": "RestartUncounted"},
        {"onExitCodes": [FATAL], "action": "Fail"},
    ]
    policy: Object = {"maxRestarts": shape.max_restarts, "nodeLostAfterSeconds": shape.patience}
    return policy | ({"rules": rules} if shape.rules else {})


def _optional(shape: Shape) -> Object:
    """Fields that a job may have; the empty ones are left out."""
    return {
        "files": {"train.py": "pass"} if shape.files else {},
        "startupTimeoutSeconds": shape.startup_timeout,
        "activeDeadlineSeconds": shape.deadline,
        "ttlSecondsAfterFinished": shape.time_to_live,
    }
