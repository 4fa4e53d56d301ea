"""A scripted story against its twin: the same job and world, with an operator that nothing disturbs.

Both must leave the same behind: status, children and pods, apart from times, UIDs and versions. What a disturbed
operator may name otherwise is how a pod went that did not fail: it may be gone before anybody looked.
"""

import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from simulation.kubelet import NAMESPACE, owner_of
from simulation.schedule import Schedule
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import CONFIGMAPS, NETWORKPOLICIES, PODS, SERVICES

if TYPE_CHECKING:
    from simulation.world import World

Object = dict[str, Any]
EVERY = 8
"""So many scripted stories are told for each one that is also compared with its twin."""
_NODE = re.compile(r"node-\d")
_TIMES = frozenset({"startTime", "endTime", "completionTime", "lastTransitionTime"})
_MADE_UP = frozenset({"uid", "resourceVersion", "creationTimestamp", "managedFields"})


def has_twin(schedule: Schedule) -> bool:
    """Whether a story is one that is compared."""
    return schedule.script is not None and schedule.seed % EVERY == 0 and undisturbed(schedule) != schedule


def undisturbed(schedule: Schedule) -> Schedule:
    """The twin of a scripted story."""
    return replace(
        schedule, operators=1, latency=0.0, lag_of_pods=0.0, lag_of_jobs=0.0, request_faults=(), faults=(), calm=400.0
    )


def remains(world: "World") -> Object:
    """What is left of a scripted job, as far as two tellings of its story must agree."""
    job = world.job()
    if job is None:
        return {}
    status, uid = job.get("status") or {}, job["metadata"]["uid"]
    current = names.pod_name(job["metadata"]["name"], status.get("attempt", 0), 0).rpartition("-")[0]
    return {
        "status": _status(status),
        "children": {
            kind.kind: _plain(record.object, uid)
            for kind in (SERVICES, NETWORKPOLICIES, CONFIGMAPS)
            for record in world.store.list(kind, NAMESPACE).records
        },
        "pods": {
            record.object["metadata"]["name"]: record.object["status"].get("phase")
            for record in world.store.list(PODS, NAMESPACE).records
            if owner_of(record.object) == uid and record.object["metadata"]["name"].rpartition("-")[0] == current
        },
    }


def difference(schedule: Schedule, found: Object, wanted: Object) -> str:
    """The first part in which two tellings differ, empty if there is none.

    A second operator that is late deletes as running what has stopped since; it costs the pod's log and nothing else.
    """
    if schedule.operators > 1:
        found, wanted = _living(found), _living(wanted)
    for part in sorted(found.keys() | wanted.keys()):
        if found.get(part) != wanted.get(part):
            return f"{part}: {found.get(part)}, but undisturbed {wanted.get(part)}"
    return ""


def _living(left: Object) -> Object:
    pods = {name: phase for name, phase in left.get("pods", {}).items() if phase not in ("Succeeded", "Failed")}
    return left | {"pods": pods}


def _status(status: Object) -> Object:
    """A status without times, digests and the words about what nobody saw."""
    told = _plain({name: value for name, value in status.items() if name != "gang"}, "")
    for attempt in told.get("attempts", ()):
        if not attempt["counted"]:
            attempt.pop("reason", None)
            attempt.pop("firstFailure", None)
        else:
            attempt["firstFailure"].pop("node", None)
    return told


def _plain(value: Any, uid: str) -> Any:
    """JSON data without times, versions, this UID and the names of nodes."""
    if isinstance(value, dict):
        kept = {name: part for name, part in value.items() if name not in _TIMES and name not in _MADE_UP}
        return {name: _plain(part, uid) for name, part in kept.items()}
    if isinstance(value, list):
        return [_plain(part, uid) for part in value]
    if isinstance(value, str):
        return _NODE.sub("a node", value.replace(uid, "its UID") if uid else value)
    return value
