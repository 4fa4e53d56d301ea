"""The binding of a pod to a node. Decides whether a pod can still be bound. Never picks a node."""

from datetime import datetime

from trainingjob_operator.cluster.client import ApiError, Object
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
    scheduled = {"type": "PodScheduled", "status": "True", "lastProbeTime": None, "lastTransitionTime": timestamp(now)}
    status = pod.get("status") or {}
    others = [known for known in status.get("conditions") or () if known["type"] != "PodScheduled"]
    return pod | {
        "metadata": {**meta},
        "spec": pod["spec"] | {"nodeName": node},
        "status": status | {"conditions": [*others, scheduled]},
    }
