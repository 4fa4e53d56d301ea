"""What must hold after each write of the operator, whatever happened before. Names follow the list of properties:

S1 never two gangs, S2 restarts are counted exactly, S3 only condemned pods are deleted, S4 nobody joins a committed
gang, S5 an end is an end, S6 no restart without a cause, S7 nothing of somebody else is written, S8 a suspended job
stays so, S9 children come before pods, S10 a status is written only if it says something new, S11 pods
do not come before their time. Looks at the store only, never into the operator.
"""

import hashlib
import math
from datetime import datetime
from typing import TYPE_CHECKING, Any

from simulation.kubelet import FAILED, FINISHED, NAMESPACE, has_stopped, is_running, owner_of
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import (
    CONFIGMAPS,
    EVENTS,
    NETWORKPOLICIES,
    PODS,
    SERVICES,
    TRAININGJOBS,
    Resource,
)

if TYPE_CHECKING:
    from simulation.world import World

Object = dict[str, Any]
CHILDREN = (SERVICES, NETWORKPOLICIES, CONFIGMAPS, PODS)

ON_ITS_WAY = 10.0
"""Virtual seconds that a quorum read and the write after it take at most."""


class Oracle:
    """Collects violations; the first one is what a failing seed is about.

    ``late`` holds UIDs of pods whose creation arrived long after their sender had given up, or was decided before what
    holds now was, by an operator that was stopped in between or did not know of the other one. Nothing but a
    fence in the API server could keep them out; they must only go again.
    """

    def __init__(self, world: "World") -> None:
        self.violations: list[str] = []
        self.late: set[str] = set()
        self.is_late = False
        self.current_since = 0.0
        self._world = world
        self._fenced = world.schedule.fenced
        self._nodes = world.schedule.shape.nodes
        self._skewed = any(fault.kind == "clock" for fault in world.schedule.faults)

    def broken(self, rule: str, what: str) -> None:
        """A property does not hold."""
        self.violations.append(f"{rule}: {what}")
        self._world.note(f"VIOLATION {rule}: {what}")

    def created(self, resource: Resource, made: Object, job_read_at: float = math.inf) -> None:
        """The operator has made an object; ``job_read_at`` is when it asked the API server for the job last."""
        if resource is EVENTS:
            return
        name = made["metadata"]["name"]
        if resource not in CHILDREN or not owner_of(made) or made["metadata"]["namespace"] != NAMESPACE:
            self.broken("S7", f"{resource.kind} {name} was created without being the job's child")
        elif resource is PODS:
            self._pod_created(made, job_read_at)

    def _pod_created(self, made: Object, job_read_at: float) -> None:
        number = names.attempt_and_rank(made["metadata"]["name"])
        assert number is not None
        job = self._world.job()
        alive = job is not None and job["metadata"]["uid"] == owner_of(made)
        is_wanted = job is not None and alive and _decision(job.get("status") or {}) == (number[0], False, False)
        if self.is_late or (not is_wanted and job_read_at < self.current_since):
            self.late.add(made["metadata"]["uid"])
        self._check_whole_gangs()
        if job is not None and alive:
            self._check_authority(made, number[0], job.get("status") or {})
        if self._fenced:
            self._check_no_older(made, number[0])
            has_service = self._world.store.exists(SERVICES, NAMESPACE, JOB)
            if alive and not has_service and not self._world.users.children_deleted:
                self.broken("S9", f"{made['metadata']['name']} was created before the job's Service")

    def _check_whole_gangs(self) -> None:
        """S1, in its form for any number of operators: two gangs are never at work, whole, at the same time."""
        ranks: dict[tuple[str, int], set[int]] = {}
        for pod in self._live():
            number = names.attempt_and_rank(pod["metadata"]["name"])
            if number and pod["metadata"]["uid"] not in self.late:
                ranks.setdefault((owner_of(pod), number[0]), set()).add(number[1])
        whole = [gang for gang, found in ranks.items() if len(found) == self._nodes]
        if len(whole) > 1:
            self.broken("S1", f"two whole gangs are alive: attempts {sorted(attempt for _, attempt in whole)}")

    def _check_no_older(self, made: Object, attempt: int) -> None:
        """S1, in its form for one operator: a pod comes only after the last live one of any other attempt."""
        for pod in self._live():
            number = names.attempt_and_rank(pod["metadata"]["name"])
            if owner_of(pod) != owner_of(made) or (number and number[0] != attempt):
                self.broken("S1", f"{made['metadata']['name']} was created beside {pod['metadata']['name']}")

    def _check_authority(self, made: Object, attempt: int, status: Object) -> None:
        """A pod is of an attempt that a committed status allows, and joins no gang that was whole already."""
        name, committed = made["metadata"]["name"], status.get("attempt", 0)
        if attempt > committed or (self._fenced and attempt != committed):
            self.broken("S4", f"{name} was created while status.attempt is {committed}")
        if not self._fenced:
            return
        if status.get("gang"):
            self.broken("S4", f"{name} was created after the gang was committed")
        if is_finished(status):
            self.broken("S5", f"{name} was created for a finished job")
        if is_true(status, "Suspended"):
            self.broken("S8", f"{name} was created for a suspended job")
        starts = (status.get("attempts") or [{}])[-1].get("startTime")
        if not self._skewed and starts and attempt == committed and self._age(starts) < 0:
            self.broken("S11", f"{name} was created {-self._age(starts)} s before its attempt's time")

    def deleted(self, resource: Resource, gone: Object, uid: str | None) -> None:
        """The operator has deleted an object."""
        name, job = gone["metadata"]["name"], self._world.job()
        if resource is TRAININGJOBS:
            self._check_end_of_life(gone, uid)
            return
        if resource is not PODS or not owner_of(gone):
            self.broken("S7", f"{resource.kind} {name} was deleted, which is not the operator's to delete")
            return
        if uid != gone["metadata"]["uid"]:
            self.broken("S3", f"{name} was deleted without its UID as a precondition")
        if job is None or job["metadata"]["uid"] != owner_of(gone):
            return  # The collector is after it as well.
        number, status = names.attempt_and_rank(name), job.get("status") or {}
        condemned = is_finished(status) or is_true(status, "Suspended")
        if not condemned and number is not None and number[0] >= status.get("attempt", 0):
            self.broken("S3", f"{name} was deleted though no committed status condemns it")

    def replaced(self, resource: Resource, subresource: str, before: Object, after: Object) -> None:
        """The operator has written a status."""
        if resource is not TRAININGJOBS or subresource != "status":
            self.broken("S7", f"{resource.kind} {before['metadata']['name']} was changed")
            return
        old, new = before.get("status") or {}, after["status"]
        if old == new:
            self.broken("S10", "a status was written that said nothing new")
        self._check_end(old, new)
        self._check_numbers(old, new)
        if _decision(old) != _decision(new):
            self.current_since = self._world.seconds()
        if new.get("attempt", 0) > old.get("attempt", 0) > 0 and not is_true(old, "Suspended"):
            self._check_cause(after, old)
        if new.get("restarts", 0) > old.get("restarts", 0):
            self._check_count(after, old, new)
        if is_true(new, "Complete") and not is_true(old, "Complete"):
            self._check_completion(after, new)
        if is_true(new, "Failed") and not is_true(old, "Failed"):
            self._check_failure(after, new)

    def _check_end(self, old: Object, new: Object) -> None:
        if is_true(new, "Complete") and is_true(new, "Failed"):
            self.broken("S5", "the job is Complete and Failed")
        for kind in ("Complete", "Failed"):
            if is_true(old, kind) and not is_true(new, kind):
                self.broken("S5", f"{kind} was taken back")
        if is_finished(old) and any(old.get(key) != new.get(key) for key in ("attempt", "restarts", "completionTime")):
            self.broken("S5", "a finished job went on")

    def _check_numbers(self, old: Object, new: Object) -> None:
        attempts = new.get("attempt", 0) - old.get("attempt", 0)
        restarts = new.get("restarts", 0) - old.get("restarts", 0)
        if attempts < 0 or restarts < 0 or attempts > 1 or restarts > attempts:
            self.broken("S2", f"one write added {attempts} attempts and {restarts} restarts")
        if len(new.get("attempts", ())) != min(new.get("attempt", 0), 10):
            self.broken("S2", f"{len(new.get('attempts', ()))} attempts are remembered of {new.get('attempt')}")

    def _check_cause(self, job: Object, old: Object) -> None:
        """S6: the gang of the attempt that ends is really broken, in the store and not only in a cache."""
        attempt, uid = old["attempt"], job["metadata"]["uid"]
        pods = {}
        for rank in range(self._nodes):
            pod = self._world.kubelet.pod(names.pod_name(JOB, attempt, rank))
            if pod is None or owner_of(pod) != uid or "deletionTimestamp" in pod["metadata"]:
                return
            if self._on_lost_node(pod):
                return
            if self._world.kubelet.fates.get((uid, pod["metadata"]["name"]), FINISHED) != FINISHED:
                return
            pods[rank] = pod["metadata"]["uid"]
        text = ",".join(f"{rank}={pods[rank]}" for rank in sorted(pods))
        if old.get("gang") in (None, hashlib.sha256(text.encode()).hexdigest()[:8]):
            self.broken("S6", f"attempt {attempt} was ended while its gang was whole")

    def _on_lost_node(self, pod: Object) -> bool:
        since = self._lost_since(pod["spec"].get("nodeName", ""))
        if since is None:
            return False
        return self._skewed or self._world.seconds() - since >= self._world.schedule.shape.patience - 1

    def _lost_since(self, node: str) -> float | None:
        """A node may answer again while what was read of it, and the write that follows from that, are on their way."""
        nodes = self._world.nodes
        if nodes is None:
            return None
        if node in nodes.lost_since:
            return nodes.lost_since[node]
        since, healed = nodes.healed.get(node, (0.0, -math.inf))
        return since if self._world.seconds() - healed <= ON_ITS_WAY else None

    def _check_end_of_life(self, job: Object, uid: str | None) -> None:
        """A job is deleted only when it has finished, and as long ago as its user wants it."""
        status, life = job.get("status") or {}, job["spec"].get("ttlSecondsAfterFinished")
        if uid != job["metadata"]["uid"] or life is None or not is_finished(status):
            self.broken("S3", "the job was deleted, and nobody wanted it to be")
        elif not self._skewed and self._age(status["completionTime"]) < life:
            self.broken("S3", "the job was deleted before its time")

    def _has_run(self, pod: Object) -> bool:
        """Whether a pod has been running for longer than a quorum read and the write after it take."""
        return (
            is_running(pod)
            and self._age(pod["status"]["containerStatuses"][0]["state"]["running"]["startedAt"]) > ON_ITS_WAY
        )

    def _age(self, time: str) -> float:
        return (self._world.now() - datetime.fromisoformat(time)).total_seconds()

    def _check_count(self, job: Object, old: Object, new: Object) -> None:
        budget = job["spec"]["failurePolicy"]["maxRestarts"]
        if new["restarts"] > budget:
            self.broken("S2", f"{new['restarts']} restarts with a budget of {budget}")
        if not self._failed(job, old["attempt"]):
            self.broken("S2", f"the end of attempt {old['attempt']} was counted, but none of its pods failed")

    def _check_completion(self, job: Object, new: Object) -> None:
        uid, attempt = job["metadata"]["uid"], new["attempt"]
        fates = [self._world.kubelet.fates.get((uid, names.pod_name(JOB, attempt, r))) for r in range(self._nodes)]
        if any(fate != FINISHED for fate in fates):
            self.broken("S5", f"Complete was written while the ranks' ends are {fates}")

    def _check_failure(self, job: Object, new: Object) -> None:
        budget, reason = job["spec"]["failurePolicy"]["maxRestarts"], new.get("reason")
        if reason in ("DeadlineExceeded", "StartupTimeout"):
            self._check_deadline(job, new, reason)
        elif not self._failed(job, new["attempt"]):
            self.broken("S2", f"Failed ({reason}), but no pod of attempt {new['attempt']} did")
        elif reason != "FailurePolicyRule" and new.get("restarts", 0) < budget:
            self.broken("S2", f"Failed ({reason}) after {new.get('restarts')} of {budget} restarts")

    def _check_deadline(self, job: Object, new: Object, reason: str) -> None:
        gang = [self._world.kubelet.pod(names.pod_name(JOB, new["attempt"], rank)) for rank in range(self._nodes)]
        pods = [pod if pod and owner_of(pod) == job["metadata"]["uid"] else None for pod in gang]
        if reason == "StartupTimeout" and all(pod is not None and self._has_run(pod) for pod in pods):
            self.broken("S5", "the start of a gang that runs was given up")
        if all(pod is not None and pod["status"].get("phase") == "Succeeded" for pod in pods):
            self.broken("S5", "a deadline failed a gang that had succeeded")
        field = "activeDeadlineSeconds" if reason == "DeadlineExceeded" else "startupTimeoutSeconds"
        start = new["startTime"] if reason == "DeadlineExceeded" else new["attempts"][-1]["startTime"]
        if not self._skewed and self._age(start) < job["spec"][field]:
            self.broken("S5", f"{reason} after {self._age(start)} s")

    def _failed(self, job: Object, attempt: int) -> bool:
        uid, fates = job["metadata"]["uid"], self._world.kubelet.fates
        return any(fates.get((uid, names.pod_name(JOB, attempt, rank))) == FAILED for rank in range(self._nodes))

    def _live(self) -> list[Object]:
        return [pod for pod in self._world.kubelet.pods() if owner_of(pod) and not has_stopped(pod)]


JOB = "digits"


def is_true(status: Object, kind: str) -> bool:
    """Whether a condition is true."""
    return any(found["type"] == kind and found["status"] == "True" for found in status.get("conditions") or ())


def _decision(status: Object) -> tuple[int, bool, bool]:
    """What pods may exist by: the attempt, and whether it was suspended or the job has finished."""
    return status.get("attempt", 0), is_true(status, "Suspended"), is_finished(status)


def is_finished(status: Object) -> bool:
    return is_true(status, "Complete") or is_true(status, "Failed")
