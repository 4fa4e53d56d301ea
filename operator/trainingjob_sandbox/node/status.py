"""What a pod's status says, computed whole from how its containers stand.

Pure. The words (phases, conditions, reasons) are the kubelet's. Conditions that others set (DisruptionTarget) stay.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

Object = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Waiting:
    """Not started yet, or not again yet."""

    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Running:
    """Its process runs."""

    since: datetime


@dataclass(frozen=True, slots=True)
class Terminated:
    """Its process has ended; ``since`` is None if it never started."""

    exit_code: int
    reason: str
    since: datetime | None
    until: datetime
    message: str = ""


@dataclass(frozen=True, slots=True)
class ContainerView:
    """How one container stands."""

    name: str
    image: str
    state: Waiting | Running | Terminated
    last: Terminated | None = None
    restarts: int = 0
    ready: bool = False
    id: str = ""


@dataclass(frozen=True, slots=True)
class PodView:
    """How a pod stands on this node. ``ended`` (reason, message): the node ended it (a deadline, a restart)."""

    address: str
    since: datetime
    init: tuple[ContainerView, ...]
    main: tuple[ContainerView, ...]
    stopping: bool = False
    ended: tuple[str, str] | None = None


def pod_status(pod: Object, view: PodView, now: datetime) -> Object:
    """The pod's whole status; ``now`` dates the conditions that change."""
    phase = phase_of(pod, view)
    before: Object = pod.get("status") or {}
    addressed = {"podIP": view.address, "podIPs": [{"ip": view.address}]} if _addressed(view) else {}
    reason, message = view.ended or (None, None)
    return {
        "phase": phase,
        "conditions": conditions(before.get("conditions") or [], _conditions(view, phase), now),
        "hostIP": "127.0.0.1",
        "hostIPs": [{"ip": "127.0.0.1"}],
        "startTime": rfc3339(view.since),
        "initContainerStatuses": [_container_status(container, is_init=True) for container in view.init],
        "containerStatuses": [_container_status(container, is_init=False) for container in view.main],
        "reason": reason,
        "message": message,
        **addressed,
    }


def phase_of(pod: Object, view: PodView) -> str:
    """Pending, Running, Succeeded or Failed."""
    if is_over(pod, view):
        bad = view.ended or any(_failed(c) for c in [*view.init, *view.main]) or not _all_ended(view.main)
        return "Failed" if bad else "Succeeded"
    started = any(not isinstance(c.state, Waiting) or c.last for c in view.main)
    return "Running" if started else "Pending"


def is_over(pod: Object, view: PodView) -> bool:
    """Whether no container of the pod will run (again)."""
    if any(isinstance(c.state, Running) for c in [*view.init, *view.main]):
        return False
    if view.ended or view.stopping:
        return True
    if any(_gives_up(pod, c) for c in view.init):
        return True
    return all(_stays_ended(pod, c) for c in view.main)


def restarts(pod: Object, ended: Terminated, *, is_init: bool) -> bool:
    """Whether the pod's restart policy starts a container again that ended so."""
    policy = pod["spec"].get("restartPolicy", "Always")
    if policy == "Never":
        return False
    return ended.exit_code != 0 or (policy == "Always" and not is_init)


def conditions(before: Sequence[Object], wanted: Sequence[Object], now: datetime) -> list[Object]:
    """The wanted conditions and those of others; one whose status stays keeps its time."""
    old = {condition["type"]: condition for condition in before}
    kept = [c for c in before if c["type"] not in {w["type"] for w in wanted}]
    return [*kept, *(_dated(condition, old.get(condition["type"]), now) for condition in wanted)]


def unschedulable(message: str) -> Object:
    """The condition of a pod that fits nowhere."""
    return {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": message}


def rfc3339(moment: datetime) -> str:
    """A time as Kubernetes writes it: UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _addressed(view: PodView) -> bool:
    return any(not isinstance(c.state, Waiting) or c.last for c in [*view.init, *view.main])


def _all_ended(containers: Sequence[ContainerView]) -> bool:
    return all(isinstance(c.state, Terminated) for c in containers)


def _failed(container: ContainerView) -> bool:
    return isinstance(container.state, Terminated) and container.state.exit_code != 0


def _gives_up(pod: Object, container: ContainerView) -> bool:
    return _failed(container) and pod["spec"].get("restartPolicy", "Always") == "Never"


def _stays_ended(pod: Object, container: ContainerView) -> bool:
    state = container.state
    return isinstance(state, Terminated) and not restarts(pod, state, is_init=False)


def _conditions(view: PodView, phase: str) -> list[Object]:
    initialized = all(isinstance(c.state, Terminated) and c.state.exit_code == 0 for c in view.init)
    unready = [c.name for c in view.main if not c.ready]
    if phase in ("Succeeded", "Failed"):
        why = {"reason": "PodCompleted" if phase == "Succeeded" else "PodFailed"}
    else:
        why = {"reason": "ContainersNotReady", "message": f"containers with unready status: [{' '.join(unready)}]"}
    ready = {"status": "False", **why} if unready else {"status": "True"}
    return [
        {"type": "PodScheduled", "status": "True"},
        {"type": "Initialized", "status": _word(initialized or phase == "Succeeded")},
        {"type": "ContainersReady", **ready},
        {"type": "Ready", **ready},
    ]


def _dated(condition: Object, before: Object | None, now: datetime) -> Object:
    same = before is not None and before["status"] == condition["status"]
    since = before.get("lastTransitionTime") if before is not None and same else None
    return {**condition, "lastTransitionTime": since or rfc3339(now)}


def _container_status(container: ContainerView, *, is_init: bool) -> Object:
    done = isinstance(container.state, Terminated) and container.state.exit_code == 0
    return {
        "name": container.name,
        "image": container.image,
        "imageID": container.image,
        "containerID": container.id,
        "state": _state(container.state),
        "lastState": _state(container.last) if container.last else {},
        "restartCount": container.restarts,
        "ready": done if is_init else container.ready,
        "started": isinstance(container.state, Running),
    }


def _state(state: Waiting | Running | Terminated) -> Object:
    if isinstance(state, Waiting):
        return {"waiting": _filled(reason=state.reason, message=state.message)}
    if isinstance(state, Running):
        return {"running": {"startedAt": rfc3339(state.since)}}
    since = rfc3339(state.since) if state.since else None
    ended = _filled(reason=state.reason, message=state.message, startedAt=since, finishedAt=rfc3339(state.until))
    return {"terminated": {"exitCode": state.exit_code, **ended}}


def _filled(**fields: str | None) -> Object:
    return {name: value for name, value in fields.items() if value}


def _word(truth: bool) -> str:
    return "True" if truth else "False"
