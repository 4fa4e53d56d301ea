"""What the controller saw: one frozen value per pass, read out of raw objects.

Decides nothing. It is the only place that knows where in a Pod or a TrainingJob a fact stands; every decision is made
from these values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cached_property
from typing import Any

from trainingjob_operator.api import names
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.api.types import TrainingJobSpec
from trainingjob_operator.api.validate import Problem, parse_spec
from trainingjob_operator.core.readings import Reading

# Reasons with which the kubelet or the control plane ends a pod that did nothing wrong itself.
DISRUPTIONS = frozenset({"Evicted", "Preempting", "Preempted", "Shutdown", "NodeShutdown", "NodeLost", "Terminated"})


@dataclass(frozen=True, slots=True)
class Job:
    """A TrainingJob. ``spec`` is None when it is invalid, and ``problems`` say why."""

    name: str
    namespace: str
    uid: str
    resource_version: str
    generation: int
    deleting: bool
    spec: TrainingJobSpec | None
    problems: tuple[Problem, ...]
    status: TrainingJobStatus


@dataclass(frozen=True, slots=True)
class Exit:
    """How a pod's training container ended. ``finished_at`` has whole seconds, by the node's clock."""

    code: int
    reason: str
    message: str
    finished_at: datetime | None


@dataclass(frozen=True, slots=True)
class Blocked:
    """Why a pod does not start: a CamelCase reason and a sentence."""

    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Pod:
    """One pod that carries the job's name in its labels, whoever owns it.

    ``started``: its training container runs or has run; ``ready``: Kubernetes says so, which a node out of reach takes
    back.
    """

    name: str
    uid: str
    job_uid: str
    attempt: int
    rank: int
    created_at: datetime | None = None
    node: str | None = None
    ip: str | None = None
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    started: bool = False
    ready: bool = False
    exit: Exit | None = None
    blocked: Blocked | None = None
    disruption: str | None = None
    deleting_since: datetime | None = None
    has_running_sidecar: bool = False

    @property
    def stopped(self) -> bool:
        """Whether no training process runs in it any more.

        `state.terminated` is there a second before the pod's phase says so (docs/design.md, "Restart").
        """
        return self.exit is not None or self.phase in ("Succeeded", "Failed")

    @property
    def succeeded(self) -> bool:
        """Whether the training container exited with 0."""
        return self.exit.code == 0 if self.exit else self.phase == "Succeeded"

    @property
    def deleting(self) -> bool:
        """Whether somebody has asked for its deletion."""
        return self.deleting_since is not None


@dataclass(frozen=True, slots=True)
class NodeTrouble:
    """A node that is not well: NotReady since then, or gone."""

    since: datetime
    gone: bool = False


@dataclass(frozen=True)
class Observed:
    """Everything one pass knows. ``nodes`` holds only those of the job's nodes that are not well.

    ``quorum`` tells whether the pods were read from the API server just now. From a cache only presence may be
    concluded, never absence: watches lag (docs/protocol.md, rule 3). ``refusal`` is why the API server refused the last
    pass's children, ``reported_at`` when the last status was written by this process; both only colour what is shown.
    ``operator_namespace`` is where the operator runs, None outside the cluster.
    ``reading`` is what rank 0 told of its training, None where nobody asks.
    """

    job: Job
    pods: tuple[Pod, ...]
    now: datetime
    quorum: bool = False
    cluster_domain: str = "cluster.local"
    operator_namespace: str | None = None
    nodes: Mapping[str, NodeTrouble] = field(default_factory=dict)
    refusal: Blocked | None = None
    reported_at: datetime | None = None
    reading: Reading | None = None

    @cached_property
    def own(self) -> tuple[Pod, ...]:
        """The pods of this life of the job, of every attempt."""
        return tuple(pod for pod in self.pods if pod.job_uid == self.job.uid and pod.attempt)

    @cached_property
    def gang(self) -> dict[int, Pod]:
        """The pods of the current attempt by rank."""
        return {pod.rank: pod for pod in self.own if pod.attempt == self.job.status.attempt}


def job_from(raw: dict[str, Any], known: Job | None = None) -> Job:
    """Read a TrainingJob. A status that no controller of ours can have written raises ValueError.

    The spec of a version of the same life and generation that is ``known`` is not parsed again: most versions differ
    in their status only.
    """
    meta = raw["metadata"]
    generation = meta.get("generation", 0)
    if known and known.uid == meta["uid"] and known.generation == generation > 0:
        spec, problems = known.spec, known.problems
    else:
        spec, problems = _spec_of(raw)
    return Job(
        name=meta["name"],
        namespace=meta["namespace"],
        uid=meta["uid"],
        resource_version=meta.get("resourceVersion", ""),
        generation=generation,
        deleting="deletionTimestamp" in meta,
        spec=spec,
        problems=problems,
        status=TrainingJobStatus.model_validate(raw.get("status") or {}),
    )


def _spec_of(raw: dict[str, Any]) -> tuple[TrainingJobSpec | None, tuple[Problem, ...]]:
    """The spec, or what is wrong with it."""
    parsed = parse_spec(raw["metadata"]["name"], raw.get("spec"))
    return (parsed, ()) if isinstance(parsed, TrainingJobSpec) else (None, parsed)


def pod_from(raw: dict[str, Any]) -> Pod:
    """Read a pod. One whose name is none of ours has attempt 0 and is nobody's rank."""
    meta, status = raw["metadata"], raw.get("status") or {}
    attempt, rank = names.attempt_and_rank(meta["name"]) or (0, -1)
    statuses = status.get("containerStatuses") or []
    main: dict[str, Any] = next((c for c in statuses if c["name"] == names.MAIN_CONTAINER), {})
    conditions = {c["type"]: c for c in status.get("conditions") or []}
    return Pod(
        name=meta["name"],
        uid=meta["uid"],
        job_uid=_owner(meta),
        attempt=attempt,
        rank=rank,
        created_at=_time(meta.get("creationTimestamp")),
        node=(raw.get("spec") or {}).get("nodeName"),
        ip=status.get("podIP") or None,
        phase=status.get("phase", "Pending"),
        reason=status.get("reason", ""),
        message=status.get("message", ""),
        started=not {"running", "terminated"}.isdisjoint(main.get("state") or {}),
        ready=conditions.get("Ready", {}).get("status") == "True",
        exit=_exit(main),
        blocked=_blocked(status, conditions),
        disruption=_disruption(status, conditions),
        deleting_since=_deleting_since(meta),
        has_running_sidecar=any("running" in (c.get("state") or {}) for c in statuses if c is not main),
    )


def _owner(meta: dict[str, Any]) -> str:
    """UID of the controlling owner; labels can be edited by anyone, so they do not count."""
    owners = meta.get("ownerReferences") or []
    return next((o["uid"] for o in owners if o.get("controller") and o.get("kind") == names.KIND), "")


def _exit(container: dict[str, Any]) -> Exit | None:
    terminated = (container.get("state") or {}).get("terminated")
    if terminated is None:
        return None
    return Exit(
        code=terminated["exitCode"],
        reason=terminated.get("reason") or "Error",
        message=terminated.get("message") or "",
        finished_at=_time(terminated.get("finishedAt")),
    )


def _blocked(status: dict[str, Any], conditions: dict[str, Any]) -> Blocked | None:
    """Why the pod waits. A container that is merely being created waits for nothing that a user could mend."""
    scheduled = conditions.get("PodScheduled", {})
    if scheduled.get("status") == "False":
        return Blocked((scheduled.get("reason") or "Unschedulable")[:253], scheduled.get("message") or "")
    for container in [*(status.get("initContainerStatuses") or []), *(status.get("containerStatuses") or [])]:
        waiting = (container.get("state") or {}).get("waiting") or {}
        if waiting.get("reason") not in (None, "ContainerCreating", "PodInitializing"):
            return Blocked(waiting["reason"][:253], waiting.get("message") or "")
    return None


def _disruption(status: dict[str, Any], conditions: dict[str, Any]) -> str | None:
    target = conditions.get("DisruptionTarget", {})
    if target.get("status") == "True":
        return target.get("reason") or "DisruptionTarget"
    reason = status.get("reason", "")
    return reason if reason in DISRUPTIONS else None


def _deleting_since(meta: dict[str, Any]) -> datetime | None:
    """When the deletion was asked for: deletionTimestamp lies a grace period after that."""
    until = _time(meta.get("deletionTimestamp"))
    return until and until - timedelta(seconds=meta.get("deletionGracePeriodSeconds") or 0)


def _time(text: str | None) -> datetime | None:
    return datetime.fromisoformat(text) if text else None
