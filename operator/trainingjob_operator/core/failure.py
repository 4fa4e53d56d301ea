"""Why a gang is broken: which pod failed first, how, and whether that counts.

Looks at the pods of one attempt and names one cause. Says nothing about what follows (attempt.py, plan.py), so that
faster ways to restart come under the same verdict.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

from trainingjob_operator.api.policies import Action, FailureRule
from trainingjob_operator.api.status import Attempt, Failure
from trainingjob_operator.core.lostnodes import lost_node
from trainingjob_operator.core.observed import Exit, Observed, Pod

LOST_PEER = 75
"""EX_TEMPFAIL: the trainer's exit code for "another rank is gone"."""
CONFIGURATION = 2
"""The trainer's exit code for a configuration that no restart can mend."""
SYMPTOM_GRACE = timedelta(seconds=3)
"""How long a lost connection waits for its cause; kubelets report up to a second apart (docs/design.md, "Restart")."""

_CONNECTION_LOST = re.compile(
    r"connection (was )?(closed|reset|refused)( by( remote)? peer)?|remote process exited|broken pipe|socket timeout"
    r"|ncclremoteerror|ncclsystemerror|distnetworkerror|diststoreerror|connection closed by peer",
    re.IGNORECASE,
)
NODE_LOST = "NodeLost"
STALLED = "Stalled"
_MESSAGE_LIMIT = 900


@dataclass(frozen=True, slots=True)
class Cause:
    """One pod's failure. ``symptom`` marks a rank that only lost its peer; ``permanent`` one that no restart mends.

    ``by_rule`` tells that a rule of the user's failurePolicy made it so.
    """

    failure: Failure
    at: datetime
    counted: bool
    symptom: bool = False
    permanent: bool = False
    by_rule: bool = False

    def sentence(self) -> str:
        """The failure for people: pod, node, what happened."""
        failure = self.failure
        where = f"rank {failure.rank} (pod {failure.pod}{f' on node {failure.node}' if failure.node else ''})"
        return f"{where}: {failure.message}" if failure.message else f"{where}: {failure.reason}"


def first_cause(pods: Iterable[Pod], observed: Observed) -> Cause | None:
    """The failure that the others follow from: a cause before any symptom, then the earliest, then the lowest rank."""
    causes = [cause for pod in pods if (cause := cause_of(pod, observed)) is not None]
    return min(causes, key=_order, default=None)


def cause_of(pod: Pod, observed: Observed) -> Cause | None:
    """What is wrong with a pod, None if nothing is."""
    if pod.succeeded:
        return None
    if not pod.stopped and (node := lost_node(pod, observed)):
        what = f"its node {node.name} {'is gone' if node.gone else 'is not ready'} since {node.since:%H:%M:%S} UTC"
        return _disrupted(pod, NODE_LOST, what, node.since)
    if pod.deleting and _ended_by_deletion(pod):
        return _disrupted(pod, pod.disruption or "PodDeleted", "was deleted", pod.deleting_since or observed.now)
    if not pod.stopped:
        return None
    if pod.disruption:
        return _disrupted(pod, pod.disruption, pod.message or f"was ended: {pod.disruption}", _end(pod, observed))
    if pod.exit is None:
        # The pod ended without a container that failed: the node refused or dropped it.
        return _disrupted(pod, pod.reason or "PodFailed", pod.message or "ended before it ran", _end(pod, observed))
    return _exited(pod, pod.exit, observed)


def with_rules(cause: Cause, rules: Iterable[FailureRule]) -> Cause:
    """The cause as the user's rules see it: the first rule that matches says whether it counts or is final."""
    for entry in rules:
        if _matches(entry, cause.failure):
            return replace(
                cause, counted=entry.action == Action.RESTART, permanent=entry.action == Action.FAIL, by_rule=True
            )
    return cause


def _matches(entry: FailureRule, failure: Failure) -> bool:
    if entry.on_exit_codes is not None:
        return failure.exit_code in entry.on_exit_codes
    return failure.reason in (entry.on_reasons or ())


def lost(observed: Observed, rank: int, name: str, reason: str, what: str) -> Cause:
    """A rank whose pod is gone or was replaced."""
    return Cause(Failure(rank=rank, pod=name, reason=reason, message=what), observed.now, counted=False)


def waits_for_cause(cause: Cause, pods: Iterable[Pod], now: datetime) -> datetime | None:
    """Until when a symptom waits for the cause to show, None if there is nothing to wait for.

    A finish time in the future comes from a node's wrong clock; nothing is waited for then.
    """
    until = cause.at + SYMPTOM_GRACE
    others_may_tell = any(not pod.stopped for pod in pods)
    return until if cause.symptom and others_may_tell and cause.at <= now < until else None


def refined(attempt: Attempt, observed: Observed) -> Attempt:
    """An ended attempt with its first failure named anew, now that more of its pods have stopped.

    The pod that was seen first need not be the one that failed first: kubelets report up to a second apart. Only what
    failed before the end was decided can be the cause of it.
    """
    end = attempt.end_time
    if attempt.first_failure is None or not attempt.counted or end is None or attempt.reason == STALLED:
        return attempt  # a gang that stood still was whole: what stopped later was told to
    pods = [pod for pod in observed.own if pod.attempt == attempt.attempt and pod.stopped]
    causes = [c for pod in pods if (c := cause_of(pod, observed)) and c.counted and c.at <= end]
    best = min(causes, key=_order, default=None)
    if best is None or best.failure == attempt.first_failure:
        return attempt
    return attempt.model_copy(update={"first_failure": best.failure, "reason": best.failure.reason})


def _order(cause: Cause) -> tuple[bool, datetime, int]:
    return cause.symptom, cause.at, cause.failure.rank


def _ended_by_deletion(pod: Pod) -> bool:
    """Whether the deletion came first. A pod that had failed before somebody deleted it failed on its own."""
    if pod.exit is None:
        return not pod.stopped
    finished, deleted = pod.exit.finished_at, pod.deleting_since
    return finished is None or deleted is None or finished >= deleted


def _disrupted(pod: Pod, reason: str, what: str, at: datetime) -> Cause:
    return Cause(_failure(pod, reason, what), at, counted=False)


def _exited(pod: Pod, ended: Exit, observed: Observed) -> Cause:
    spec = observed.job.spec
    # Only a process that gave up by itself may have lost a peer: what the kernel killed for memory is a cause.
    symptom = ended.reason == "Error" and (
        ended.code == LOST_PEER or _CONNECTION_LOST.search(ended.message) is not None
    )
    return Cause(
        _failure(pod, "LostPeer" if symptom else ended.reason, _last_words(ended)),
        _end(pod, observed),
        counted=True,
        symptom=symptom,
        permanent=ended.code == CONFIGURATION and spec is not None and spec.run.trainer is not None,
    )


def _failure(pod: Pod, reason: str, message: str) -> Failure:
    code = pod.exit.code if pod.exit else None
    return Failure(
        rank=pod.rank, pod=pod.name, node=pod.node, exit_code=code, reason=reason[:253], message=message[:1024]
    )


def _end(pod: Pod, observed: Observed) -> datetime:
    return (pod.exit.finished_at if pod.exit else None) or observed.now


def _last_words(ended: Exit) -> str:
    """The exit code, the signal behind it and the end of the container's log."""
    signal = f" (signal {ended.code - 128})" if 128 < ended.code < 160 else ""
    text = f"exited with {ended.code}{signal}"
    log = ended.message.strip()
    if not log:
        return text
    return f"{text}; its last lines: {log if len(log) <= _MESSAGE_LIMIT else '…' + log[-_MESSAGE_LIMIT:]}"
