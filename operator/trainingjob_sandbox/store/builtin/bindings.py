"""What is done to a pod from outside: its binding to a node, its eviction.

Decides whether a pod can still be bound, and what its status then says. Never picks a node.
"""

from datetime import datetime

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.store.errors import required
from trainingjob_sandbox.store.metadata import timestamp
from trainingjob_sandbox.store.record import metadata_of


def bound(pod: Object, node: str, now: datetime) -> Object:
    """The pod on the node. Raises Conflict if it has one or is being deleted, Invalid without a node."""
    meta = metadata_of(pod)
    name = meta["name"]
    subject = f'Operation cannot be fulfilled on pods/binding "{name}"'
    if not node:
        raise ApiError(422, "Invalid", f'Binding "{name}" is invalid: {required("target.name")}')
    if "deletionTimestamp" in meta:
        raise ApiError(409, "Conflict", f"{subject}: pod {name} is being deleted, cannot be assigned to a host")
    if assigned := (pod.get("spec") or {}).get("nodeName"):
        raise ApiError(409, "Conflict", f'{subject}: pod {name} is already assigned to node "{assigned}"')
    return _with_condition(pod, "PodScheduled", now) | {"spec": pod["spec"] | {"nodeName": node}}


def disrupted(pod: Object, now: datetime) -> Object:
    """The pod about to be evicted: whoever sees it end can tell that it is not to blame."""
    message = "Eviction API: evicting"
    return _with_condition(pod, "DisruptionTarget", now, reason="EvictionByEvictionAPI", message=message)


def _with_condition(pod: Object, kind: str, now: datetime, **told: str) -> Object:
    condition = {"type": kind, "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp(now)} | told
    status = pod.get("status") or {}
    others = [known for known in status.get("conditions") or () if known["type"] != kind]
    return pod | {"metadata": {**metadata_of(pod)}, "status": status | {"conditions": [*others, condition]}}
