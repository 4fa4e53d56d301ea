"""Builders of jobs, pods and what a pass observes: a test says only what it is about."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from trainingjob_operator.api import names
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.core.observed import Exit, Job, NodeTrouble, Observed, Pod, job_from
from trainingjob_operator.core.plan import Plan, plan
from trainingjob_operator.core.readings import Measured, Reading

NOON = datetime(2026, 1, 1, 12, 0, 0, tzinfo=UTC)
UID = "11111111-1111-1111-1111-111111111111"
Object = dict[str, Any]


def after(seconds: float) -> datetime:
    """So many seconds after noon, when every story begins."""
    return NOON + timedelta(seconds=seconds)


def spec(**fields: Any) -> Object:
    """A valid spec of two nodes that runs a command; keyword arguments are camelCase fields."""
    return {"numNodes": 2, "image": "trainer:1", "run": {"command": ["train"]}} | fields


def raw_job(name: str = "digits", namespace: str = "ml", status: Object | None = None, **fields: Any) -> Object:
    """A TrainingJob as the API server would give it."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "metadata": {"name": name, "namespace": namespace, "uid": UID, "resourceVersion": "1", "generation": 1},
        "spec": spec(**fields),
        "status": status or {},
    }


def job(**fields: Any) -> Job:
    """A parsed job."""
    return job_from(raw_job(**fields))


def pod(rank: int, attempt: int = 1, **fields: Any) -> Pod:
    """A ready, running pod of the job."""
    known = {
        "name": names.pod_name("digits", attempt, rank),
        "uid": f"pod-{attempt}-{rank}",
        "job_uid": UID,
        "created_at": NOON,
        "node": f"node-{rank}",
        "ip": f"10.0.0.{rank + 1}",
        "phase": "Running",
        "started": True,
        "ready": True,
    }
    return Pod(attempt=attempt, rank=rank, **(known | fields))


def pending(rank: int, attempt: int = 1, **fields: Any) -> Pod:
    """A pod that has not started yet."""
    return pod(rank, attempt, **({"started": False, "ready": False, "phase": "Pending", "ip": None} | fields))


def exited(rank: int, code: int, at: float = 0, attempt: int = 1, message: str = "", **fields: Any) -> Pod:
    """A pod whose training container ended with a code, so many seconds after noon."""
    reason = fields.pop("why", "Completed" if code == 0 else "Error")
    ended = Exit(code, reason, message, after(at))
    return pod(rank, attempt, **({"ready": False, "exit": ended} | fields))


def deleting(rank: int, since: float = 0, attempt: int = 1, **fields: Any) -> Pod:
    """A running pod that somebody has deleted."""
    return pod(rank, attempt, deleting_since=after(since), **fields)


def live(attempt: int = 1, gang: str | None = None, start: float = 0, **fields: Any) -> Object:
    """The raw status of a job whose attempt is under way since so many seconds after noon."""
    began = after(start).isoformat()
    found = {"attempt": attempt, "attempts": [{"attempt": attempt, "startTime": began}], "startTime": began}
    return found | ({"gang": gang} if gang else {}) | fields


def status(*conditions: str, true: str = "True", message: str = "", **fields: Any) -> TrainingJobStatus:
    """A status in which the named conditions are true; keyword arguments are camelCase fields."""
    common = {"status": true, "reason": "Why", "message": message, "lastTransitionTime": NOON.isoformat()}
    found = [{"type": kind} | common for kind in conditions]
    return TrainingJobStatus.model_validate({"conditions": found} | fields)


def seen(*pods: Pod, at: float = 60, quorum: bool = True, status: Object | None = None, **fields: Any) -> Observed:
    """What one pass sees of a job with these fields of its spec."""
    return Observed(job=job(status=status or live(), **fields), pods=pods, now=after(at), quorum=quorum)


def raw_pod(rank: int = 0, attempt: int = 1, *, meta: Object | None = None, **status: Any) -> Object:
    """A pod of the job as the API server would give it; keyword arguments are fields of its status."""
    owner = {"apiVersion": names.API_VERSION, "kind": names.KIND, "name": "digits", "uid": UID, "controller": True}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": names.pod_name("digits", attempt, rank),
            "namespace": "ml",
            "uid": f"pod-{attempt}-{rank}",
            "resourceVersion": "10",
            "creationTimestamp": "2026-01-01T12:00:00Z",
            "labels": names.pod_labels("digits", UID, attempt, rank),
            "ownerReferences": [owner],
        }
        | (meta or {}),
        "spec": {"nodeName": f"node-{rank}"},
        "status": {"phase": "Pending"} | status,
    }


class World:
    """A job under the eyes of `plan`, pass by pass: statuses are kept, pods are what the test says.

    The first pass of a story is a quorum read unless ``quorum=False``; ``step`` answers requests for one.
    """

    def __init__(self, **fields: Any) -> None:
        self.raw = raw_job(**fields)
        self.pods: tuple[Pod, ...] = ()
        self.now = NOON
        self.nodes: dict[str, NodeTrouble] = {}

    @property
    def status(self) -> Any:
        return TrainingJobStatus.model_validate(self.raw["status"])

    def with_pods(self, *pods: Pod) -> "World":
        self.pods = pods
        return self

    def at(self, seconds: float) -> "World":
        self.now = after(seconds)
        return self

    def edit(self, **fields: Any) -> "World":
        """Change the spec as a user would."""
        self.raw["spec"] |= fields
        self.raw["metadata"]["generation"] += 1
        return self

    def observed(self, *, quorum: bool = False) -> Observed:
        return Observed(job=job_from(self.raw), pods=self.pods, now=self.now, quorum=quorum, nodes=dict(self.nodes))

    def look(self, *, quorum: bool = False) -> Plan:
        """What would be done, without doing it."""
        return plan(self.observed(quorum=quorum))

    def step(self) -> Plan:
        """One pass, with a quorum read if it asks for one; its status is written."""
        decision = self.look()
        if decision.needs_quorum:
            decision = self.look(quorum=True)
        if decision.status is not None:
            self.raw["status"] = decision.status.wire()
            self.raw["metadata"]["resourceVersion"] = str(int(self.raw["metadata"]["resourceVersion"]) + 1)
        return decision

    def running(self) -> "World":
        """Bring the job to a committed, running gang."""
        self.step()
        count = self.raw["spec"]["numNodes"]
        self.with_pods(*(pod(rank, self.status.attempt) for rank in range(count)))
        self.step()
        self.step()
        return self


class Telling(World):
    """A job whose rank 0 tells its progress."""

    reading: Reading | None = None

    def tell(self, step: int, at: float, *, attempt: int = 1, **fields: Any) -> "Telling":
        """Rank 0 was heard so many seconds after noon, which is now."""
        numbers: Any = Measured(**({"step": step, "batches": step, "max_steps": 200, "steps_per_second": 2.0} | fields))
        self.reading = Reading(UID, attempt, after(at), numbers)
        self.at(at)
        return self

    def silent(self, since: float, at: float) -> "Telling":
        """Rank 0 has taken questions without an answer since then, the last time now."""
        assert self.reading is not None
        self.reading = replace(self.reading, at=after(at), silent_since=after(since))
        self.at(at)
        return self

    def observed(self, *, quorum: bool = False) -> Observed:
        return replace(super().observed(quorum=quorum), reading=self.reading)


def condition(status: Any, kind: str) -> str:
    """A condition's status: True, False or absent."""
    return next((c.status for c in status.conditions if c.type == kind), "absent")


def created(decision: Plan) -> list[str]:
    """Names of the pods that a plan creates."""
    return [create.body["metadata"]["name"] for create in decision.pods]


def deleted(decision: Plan) -> list[str]:
    """Names of the pods that a plan deletes."""
    return [deletion.pod.name for deletion in decision.deletions]


def env_of(body: Object) -> dict[str, str]:
    """Variables of a pod's training container."""
    main = next(c for c in body["spec"]["containers"] if c["name"] == names.MAIN_CONTAINER)
    return {variable["name"]: variable.get("value", "") for variable in main["env"]}


def stopped(one: Pod) -> Pod:
    """The same pod after it has stopped because it was told to."""
    return replace(one, ready=False, exit=Exit(143, "Error", "", NOON))
