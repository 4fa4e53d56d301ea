"""Which pods must go, and how gently.

Rule 6 of docs/protocol.md: only a pod that a committed status condemns is deleted: one of an older attempt, or of a job
that is finished or suspended. What has stopped stays for its logs in the newest two attempts.
On a lost node nobody will confirm an ordinary deletion: there it is forced (grace period 0), even if one is under way.
"""

from dataclasses import dataclass

from trainingjob_operator.api.status import ConditionType, TrainingJobStatus
from trainingjob_operator.core.conditions import is_true
from trainingjob_operator.core.lostnodes import lost_node
from trainingjob_operator.core.observed import Observed, Pod
from trainingjob_operator.core.progress import is_finished, is_suspended

BROKEN_GANG_GRACE = 5
"""Seconds: the peers of a failed rank wait for it in a collective and would not save anything."""


@dataclass(frozen=True, slots=True)
class Deletion:
    """One pod to delete; ``grace_seconds`` None gives it its own grace period."""

    pod: Pod
    grace_seconds: int | None


def deletions(status: TrainingJobStatus, observed: Observed) -> list[Deletion]:
    """The deletions that a status, once committed, demands."""
    going = [pod for pod in observed.own if _must_go(status, pod)]
    lost = [pod for pod in going if observed.job.spec and lost_node(pod, observed)]
    forced = [Deletion(pod, 0) for pod in lost]
    return forced + [Deletion(pod, _grace(status, pod)) for pod in going if pod not in lost and not pod.deleting]


def _must_go(status: TrainingJobStatus, pod: Pod) -> bool:
    if pod.attempt > status.attempt:
        return False
    if pod.stopped and not pod.has_running_sidecar:
        return pod.attempt < status.attempt - 1
    return pod.attempt < status.attempt or is_finished(status) or is_suspended(status)


def _grace(status: TrainingJobStatus, pod: Pod) -> int | None:
    """Pods of a suspended or ended job may save their work; peers of a broken gang have nobody to save it with."""
    if pod.attempt < status.attempt:
        return BROKEN_GANG_GRACE
    broken = is_true(status.conditions, ConditionType.FAILED) and status.attempts[-1:] != []
    return BROKEN_GANG_GRACE if broken and status.attempts[-1].first_failure else None
