"""A pod's life in one word, as ``kubectl get pods`` prints it: Running, Completed, Error, Terminating, ...

Decides which of a pod's many states is the one that people should see.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.apiserver.ages import age
from trainingjob_sandbox.store.record import metadata_of


def ready(pod: Object) -> str:
    """Ready containers of all containers: ``1/2``."""
    statuses = _statuses(pod)
    running = [status for status in statuses if status.get("ready") and "running" in (status.get("state") or {})]
    return f"{len(running)}/{len((pod.get('spec') or {}).get('containers') or ())}"


def restarts(pod: Object, now: datetime) -> str:
    """How often containers were restarted, and when last: ``2 (5m ago)``."""
    statuses = [*_statuses(pod, "initContainerStatuses"), *_statuses(pod)]
    count = sum(status.get("restartCount") or 0 for status in statuses)
    ended = [((status.get("lastState") or {}).get("terminated") or {}).get("finishedAt") for status in statuses]
    last = max((moment for moment in ended if moment), default="")
    return f"{count} ({age(last, now)} ago)" if count and last else str(count)


def state(pod: Object) -> str:
    """The word for a pod's state; what its containers say goes before its phase."""
    status = pod.get("status") or {}
    word = str(status.get("reason") or status.get("phase") or "Unknown")
    if _is_gated(status):
        word = "SchedulingGated"
    starting = _init_state(pod)
    word = starting or _containers_state(pod, word)
    if "deletionTimestamp" not in metadata_of(pod):
        return word
    if status.get("reason") == "NodeLost":
        return "Unknown"
    finished = status.get("phase") in ("Succeeded", "Failed")
    return word if finished else "Terminating"


def _statuses(pod: Object, field: str = "containerStatuses") -> list[Any]:
    return list((pod.get("status") or {}).get(field) or ())


def _is_gated(status: Mapping[str, Any]) -> bool:
    return any(
        found.get("type") == "PodScheduled" and found.get("reason") == "SchedulingGated"
        for found in status.get("conditions") or ()
    )


def _init_state(pod: Object) -> str:
    """What holds a pod before its main containers start, empty if nothing does."""
    total = len((pod.get("spec") or {}).get("initContainers") or ())
    for at, status in enumerate(_statuses(pod, "initContainerStatuses")):
        found = status.get("state") or {}
        ended, waiting = found.get("terminated"), found.get("waiting") or {}
        if ended and not ended.get("exitCode"):
            continue
        if ended:
            return f"Init:{_ending(ended)}"
        reason = waiting.get("reason")
        return f"Init:{reason}" if reason and reason != "PodInitializing" else f"Init:{at}/{total}"
    return ""


def _containers_state(pod: Object, word: str) -> str:
    running = False
    for status in reversed(_statuses(pod)):
        found = status.get("state") or {}
        waiting, ended = found.get("waiting") or {}, found.get("terminated")
        if waiting.get("reason"):
            word = waiting["reason"]
        elif ended:
            word = _ending(ended)
        elif status.get("ready") and "running" in found:
            running = True
    if word == "Completed" and running:
        return "Running" if _is_ready(pod) else "NotReady"
    return word


def _ending(ended: Mapping[str, Any]) -> str:
    if ended.get("reason"):
        return str(ended["reason"])
    return f"Signal:{ended['signal']}" if ended.get("signal") else f"ExitCode:{ended.get('exitCode', 0)}"


def _is_ready(pod: Object) -> bool:
    conditions = (pod.get("status") or {}).get("conditions") or ()
    return any(found.get("type") == "Ready" and found.get("status") == "True" for found in conditions)
