"""The small world's values: jobs, pods and events as tuples, and as the raw objects that the operator reads of them.

A version of a pod follows from its state, and a UID from the names that led to it, so that two histories which lead to
the same place give equal values. Times in a status that nothing depends on are made equal for the same reason.
"""

import re
from datetime import datetime, timedelta
from functools import cache
from typing import Any, NamedTuple

import orjson

from support.builders import NOON, raw_job
from trainingjob_operator.api import names

Object = dict[str, Any]
JOB, NAMESPACE = "digits", "ml"
TICK = 5
"""Seconds. Time moves only when the operator waits for it, in steps of this length."""

# What a pod may be: it waits, runs, exited with 0 or 1, was evicted, was told to stop, has stopped for that.
WAITS, RUNS, DONE, FAILED, EVICTED, LEAVES, LEFT = "waits", "runs", "done", "failed", "evicted", "leaves", "left"
VERSION = {WAITS: 1, RUNS: 2, DONE: 3, FAILED: 3, EVICTED: 3, LEAVES: 3, LEFT: 4}
LIVE = frozenset({WAITS, RUNS, LEAVES})


class Pod(NamedTuple):
    """``life``: which of the jobs of that name owns it; ``number``: how many of its name came before it."""

    life: int
    attempt: int
    rank: int
    number: int
    state: str

    @property
    def name(self) -> str:
        return names.pod_name(JOB, self.attempt, self.rank)

    @property
    def uid(self) -> str:
        return f"pod-{self.life}-{self.attempt}-{self.rank}-{self.number}"

    @property
    def version(self) -> int:
        """Grows along the states of a pod, and from each pod to the next of its name."""
        return 100 * self.life + 10 * self.number + VERSION[self.state]


VERSIONS_OF_A_LIFE = 1000


def version_of(resource_version: str) -> int:
    """A job's version within its life."""
    return int(resource_version) % VERSIONS_OF_A_LIFE


class Job(NamedTuple):
    """``status`` is the place of its status in STATUSES."""

    life: int
    version: int
    generation: int
    suspend: bool
    status: int

    @property
    def uid(self) -> str:
        return f"job-{self.life}"

    @property
    def resource_version(self) -> str:
        """No two lives share one: an API server never gives a resourceVersion twice."""
        return str(self.life * VERSIONS_OF_A_LIFE + self.version)


class Facts(NamedTuple):
    """What rules ask of a status."""

    attempt: int
    restarts: int
    gang: bool
    finished: str
    suspended: bool
    counted: tuple[bool, ...]
    reasons: tuple[str, ...]
    generation: int
    shown: str


STATUSES: list[Object] = [{"attempts": [], "conditions": []}]
_PLACES: dict[bytes, int] = {orjson.dumps(STATUSES[0]): 0}


def at(clock: int) -> datetime:
    """The time at a tick; everything that pods do lies before the first one."""
    return NOON + timedelta(minutes=1, seconds=clock * TICK)


def tick_of(time: datetime) -> int:
    """The first tick at which this time has come."""
    return -int((at(0) - time).total_seconds() // TICK)


def place_of(status: Object) -> int:
    """The place of a status in STATUSES."""
    kept = orjson.loads(_WENT.sub("went", orjson.dumps(_without_idle_times(status)).decode()))
    text = orjson.dumps(kept, option=orjson.OPT_SORT_KEYS)
    if text not in _PLACES:
        _PLACES[text] = len(STATUSES)
        STATUSES.append(kept)
    return _PLACES[text]


_WENT = re.compile(r"(?<=\) )was deleted|(?<=\"message\":\")was deleted|(?<=\) )is gone|(?<=\"message\":\")is gone")
"""How a pod went is told in words that nothing depends on; the same words come back wherever they are repeated."""


def _without_idle_times(status: Object) -> Object:
    """Times that are shown and not decided by: nothing in this world has a deadline, or runs for ten minutes."""
    noon = NOON.isoformat()
    kept = status | {key: noon for key in ("startTime", "completionTime") if key in status}
    kept["conditions"] = [one | {"lastTransitionTime": noon} for one in status.get("conditions", ())]
    attempts = status.get("attempts", [])
    matter = 0 if status.get("completionTime") else 2
    idle = len(attempts) - matter
    kept["attempts"] = [_idle(one, noon) if number < idle else one for number, one in enumerate(attempts)]
    return kept


def _idle(attempt: Object, noon: str) -> Object:
    """An attempt that has ended long ago: of it only matters whether a user ended it."""
    why = "Suspended" if attempt.get("reason") == "Suspended" else "Error"
    return {"attempt": attempt["attempt"], "startTime": noon, "endTime": noon, "reason": why, "counted": False}


@cache
def later(place: int, ticks: int) -> int:
    """The status as it looks when so much time has passed: its times, which count from now, are earlier."""
    status = STATUSES[place]
    moved = orjson.loads(_CLOCK.sub(lambda found: _earlier(found, ticks), orjson.dumps(status).decode()))
    return place_of(moved)


_CLOCK = re.compile(r"(?<=2026-01-01T)12:0[1-9]:\d\d(?=Z)|12:0[1-9]:\d\d(?= UTC)")
LONG_AGO = timedelta(seconds=2 * TICK)


def _earlier(found: "re.Match[str]", ticks: int) -> str:
    """What lies long ago lies equally long ago, except that an order of two times stays."""
    time = datetime.fromisoformat(f"{NOON:%Y-%m-%d}T{found[0]}+00:00") - timedelta(seconds=ticks * TICK)
    return f"{max(time, at(0) - LONG_AGO):%H:%M:%S}"


@cache
def mirrored(place: int) -> int:
    """The status with the names of ranks 0 and 1 exchanged."""
    return place_of(orjson.loads(with_ranks_exchanged(orjson.dumps(STATUSES[place]).decode())))


def with_ranks_exchanged(text: str) -> str:
    """The same text about rank 0 in the place of rank 1."""
    return _RANK.sub(_other_rank, text)


_RANK = re.compile(r'(?P<before>digits-\d+-|node-|"rank":|rank )(?P<rank>[01])(?!\d)')


def _other_rank(found: "re.Match[str]") -> str:
    return f"{found['before']}{1 - int(found['rank'])}"


@cache
def facts(place: int) -> Facts:
    status = STATUSES[place]
    true = {one["type"] for one in status.get("conditions", ()) if one["status"] == "True"}
    attempts = status.get("attempts", ())
    return Facts(
        status.get("attempt", 0),
        status.get("restarts", 0),
        bool(status.get("gang")),
        "Complete" if "Complete" in true else "Failed" if "Failed" in true else "",
        "Suspended" in true,
        tuple(one.get("counted", False) for one in attempts),
        tuple(one.get("reason", "") for one in attempts),
        status.get("observedGeneration", 0),
        f"{status.get('state')} ({status.get('reason')}) attempt={status.get('attempt')} "
        f"restarts={status.get('restarts')}{' gang' if status.get('gang') else ''}",
    )


@cache
def raw_of_job(job: Job, policy: str, budget: int) -> Object:
    """The job as the API server gives it."""
    spec = {"startPolicy": policy, "failurePolicy": {"maxRestarts": budget}, "networkPolicy": {"enabled": False}}
    raw = raw_job(JOB, NAMESPACE, STATUSES[job.status], **spec, **({"suspend": True} if job.suspend else {}))
    raw["metadata"] |= {"uid": job.uid, "resourceVersion": job.resource_version, "generation": job.generation}
    return raw


@cache
def raw_of_pod(pod: Pod) -> Object:
    """The pod as the API server gives it."""
    meta = {
        "name": pod.name,
        "namespace": NAMESPACE,
        "uid": pod.uid,
        "resourceVersion": str(pod.version),
        "creationTimestamp": _stamp(0),
        "labels": names.pod_labels(JOB, f"job-{pod.life}", pod.attempt, pod.rank),
        "ownerReferences": [{"kind": names.KIND, "name": JOB, "uid": f"job-{pod.life}", "controller": True}],
    }
    if pod.state in (LEAVES, LEFT):
        meta |= {"deletionTimestamp": _stamp(20), "deletionGracePeriodSeconds": 5}
    return {"kind": "Pod", "metadata": meta, "spec": {"nodeName": f"node-{pod.rank}"}, "status": _pod_status(pod)}


def _pod_status(pod: Pod) -> Object:
    status: Object = {"phase": "Pending"}
    match pod.state:
        case "runs" | "leaves":
            status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
        case "done":
            status = {"phase": "Succeeded"} | _exit(0, 10)
        case "failed":
            status = {"phase": "Failed"} | _exit(1, 10)
        case "left":
            status = {"phase": "Failed"} | _exit(143, 18)
        case "evicted":
            status = {"phase": "Failed", "reason": "Evicted", "message": "The node was low on memory"}
    return status if pod.state == WAITS else status | {"podIP": f"10.0.{pod.attempt}.{pod.rank + 1}"}


def _exit(code: int, seconds: int) -> Object:
    ended = {"exitCode": code, "reason": "Error" if code else "Completed", "finishedAt": _stamp(seconds)}
    return {"containerStatuses": [{"name": names.MAIN_CONTAINER, "state": {"terminated": ended}}]}


def _stamp(seconds: int) -> str:
    return (NOON + timedelta(seconds=seconds)).strftime("%Y-%m-%dT%H:%M:%SZ")
