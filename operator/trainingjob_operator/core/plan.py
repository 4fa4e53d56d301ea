"""The decision of one pass: from what was observed to a status, operations, events and the time of the next look.

`plan` is pure. The order in which its parts are carried out (status first) is cluster/apply.py's; the rules it follows
are in docs/protocol.md.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_operator.api.status import State, TrainingJobStatus
from trainingjob_operator.core import progress
from trainingjob_operator.core.announce import Announcement, announcements
from trainingjob_operator.core.attempt import Broken, Done, Formed, Incomplete, Undecided, Unsure, Verdict, Whole, judge
from trainingjob_operator.core.backoff import restart_delay
from trainingjob_operator.core.children import children
from trainingjob_operator.core.condemned import Deletion, deletions
from trainingjob_operator.core.conditions import Situation
from trainingjob_operator.core.deadlines import deadline, delete_at
from trainingjob_operator.core.failure import Cause, refined, with_rules
from trainingjob_operator.core.lostnodes import next_loss
from trainingjob_operator.core.observed import Observed
from trainingjob_operator.core.pod import pods
from trainingjob_operator.core.stall import standstill
from trainingjob_operator.core.start import start
from trainingjob_operator.core.status import at_work, report_due, shown, waiting_for


@dataclass(frozen=True, slots=True)
class Create:
    """One object to create."""

    resource: Resource
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do, in this order: write the status, create children, delete and create pods, publish events.

    ``needs_quorum`` asks for nothing but a fresh look: the decision depends on something being absent. ``delete_job``
    deletes the job itself, whose time to live is over.
    ``requeue_after`` is in seconds; None waits for the next event.
    """

    status: TrainingJobStatus | None = None
    children: tuple[Create, ...] = ()
    deletions: tuple[Deletion, ...] = ()
    pods: tuple[Create, ...] = ()
    events: tuple[Announcement, ...] = ()
    requeue_after: float | None = None
    needs_quorum: bool = False
    delete_job: bool = False

    @property
    def writes(self) -> bool:
        """Whether carrying it out changes anything in the cluster. Events tell of a status that is written."""
        return bool(self.status or self._acts)

    def only_tells(self, before: TrainingJobStatus) -> bool:
        """Whether nothing but people waits for what is written: the next pass acts on an attempt that begins."""
        return self.status is not None and self.status.attempt == before.attempt and not self._acts

    @property
    def _acts(self) -> bool:
        return bool(self.children or self.deletions or self.pods or self.delete_job)


QUORUM = Plan(needs_quorum=True)
NOTHING = Plan()


def plan(observed: Observed) -> Plan:
    """The next step of a job's life."""
    step = _next_step(observed)
    loss = next_loss(observed) if observed.job.spec is not None else None
    return (
        step if loss is None else replace(step, requeue_after=_sooner(step.requeue_after, _until(observed.now, loss)))
    )


def _next_step(observed: Observed) -> Plan:
    job, status = observed.job, observed.job.status
    if job.deleting:
        return NOTHING  # the garbage collector takes the children
    if job.spec is not None and job.spec.managed_by not in (None, names.MANAGER):
        return NOTHING  # another controller's
    if progress.is_finished(status):
        return _kept_until_its_time(observed)
    if job.spec is None:
        return _failed(observed, status, "InvalidSpec", "; ".join(map(str, job.problems)))
    newer = max((pod.attempt for pod in observed.own), default=0)
    if newer > status.attempt and not observed.quorum:
        return QUORUM  # a pod of an attempt that we do not know: our view of the job is old
    if job.spec.suspend:
        return _suspended(observed)
    if not progress.is_live(status) or newer > status.attempt:
        return _begin(observed, newer)
    return _attempt(observed)


def _attempt(observed: Observed) -> Plan:
    """The step of a job with a live attempt."""
    status, now = observed.job.status, observed.now
    assert observed.job.spec is not None
    verdict = judge(observed)
    limit = deadline(observed.job.spec, status, _what_blocks(observed), has_started=_has_started(observed))
    if limit and limit.at <= now and not isinstance(verdict, Done):
        # A cache that lags may not have seen yet that the pods run, or have ended well.
        return _failed(observed, status, limit.reason, limit.message) if observed.quorum else QUORUM
    step = _step(observed, verdict)
    again = _until(now, limit.at if limit and limit.at > now else None)
    return replace(step, requeue_after=_sooner(step.requeue_after, again))


def _has_started(observed: Observed) -> bool:
    """Whether every rank has run, though nobody may have seen them run together."""
    assert observed.job.spec is not None
    return len(observed.gang) == observed.job.spec.num_nodes and all(pod.started for pod in observed.gang.values())


def _step(observed: Observed, verdict: Verdict) -> Plan:
    """What a verdict on the live attempt asks for."""
    status, now = observed.job.status, observed.now
    match verdict:
        case Unsure():
            return QUORUM
        case Undecided(until):
            return Plan(requeue_after=(until - now).total_seconds())
        case Broken(cause):
            return _broken(observed, cause)
        case Done():
            return _succeeded(observed)
        case Formed(digest):
            formed = status.model_copy(update={"gang": digest})
            return _settled(observed, formed, at_work(formed, observed))
        case Whole():
            return _at_work(observed)
        case Incomplete(missing):
            return _fill(observed, status, missing)


def _at_work(observed: Observed) -> Plan:
    """A whole gang: left alone, unless its training stands still. That it has not ended is asked for first."""
    status, now = observed.job.status, observed.now
    stall = standstill(observed)
    if stall and stall.is_proven:
        return _broken(observed, stall.cause) if observed.quorum else QUORUM
    settled = _settled(observed, status, at_work(status, observed))
    again = _until(now, stall.look_at(now) if stall else None)
    return replace(settled, requeue_after=_sooner(settled.requeue_after, again))


def _kept_until_its_time(observed: Observed) -> Plan:
    """A finished job: running pods go, and in the end the job itself, if it has a time to live."""
    at = delete_at(observed.job.spec, observed.job.status)
    if at is not None and at <= observed.now:
        return Plan(delete_job=True)
    # Tools wait until a status is about the newest spec, even where that changes nothing any more.
    current = observed.job.status.model_copy(update={"observed_generation": observed.job.generation})
    settled = _settled(observed, current, None)
    return replace(settled, requeue_after=_sooner(settled.requeue_after, _until(observed.now, at)))


def _what_blocks(observed: Observed) -> str:
    situation = at_work(observed.job.status, observed)
    return situation.message or situation.reason


def _until(now: datetime, *times: datetime | None) -> float | None:
    """Seconds to the next of these times."""
    return min(((at - now).total_seconds() for at in times if at is not None), default=None)


def _begin(observed: Observed, newest_seen: int) -> Plan:
    """A first attempt, or the one after a suspension. A higher number on a pod means that the status was lost."""
    if not observed.quorum:
        return QUORUM
    status = observed.job.status
    if newest_seen > status.attempt:
        status = progress.ended(status, observed.now, "StatusLost")
    begun = progress.begun(status, observed.now, after=newest_seen)
    assert observed.job.spec is not None
    return _fill(observed, begun, tuple(range(observed.job.spec.num_nodes)))


def _fill(observed: Observed, memory: TrainingJobStatus, missing: tuple[int, ...]) -> Plan:
    """Create the missing pods of an attempt: when it is due, and no older pod is left (rule 4)."""
    if len(memory.attempts) > 1:
        memory = progress.with_refined(memory, refined(memory.attempts[-2], observed))
    due = memory.attempts[-1].start_time or observed.now
    if observed.now < due:
        return _settled(observed, memory, at_work(memory, observed), (due - observed.now).total_seconds())
    gang = {pod.rank: pod for pod in observed.own if pod.attempt == memory.attempt}
    old = [pod for pod in observed.pods if pod.attempt < memory.attempt and not pod.stopped]
    strangers = [pod for pod in observed.pods if pod not in observed.own]
    if old or strangers:
        blocked = waiting_for(old + strangers)
        state = at_work(memory, observed).state
        return _settled(observed, memory, Situation(state, blocked.reason, blocked.message))
    if not gang and not observed.quorum:
        return QUORUM
    return _create(observed, memory, missing, first=not gang)


def _create(observed: Observed, memory: TrainingJobStatus, missing: tuple[int, ...], *, first: bool) -> Plan:
    job, now = observed.job, observed.now
    assert job.spec is not None
    gang = {pod.rank: pod for pod in observed.own if pod.attempt == memory.attempt}
    now_due = start(job.spec.start_policy, gang, missing, now)
    bodies = pods(replace(job, status=memory), memory.attempt, now_due.ranks, observed.cluster_domain, now_due.main_ip)
    settled = _settled(observed, memory, at_work(memory, observed))
    again = (now_due.again_at - now).total_seconds() if now_due.again_at else None
    return Plan(
        status=settled.status,
        events=settled.events,
        deletions=settled.deletions,
        children=tuple(Create(*child) for child in children(job, observed.operator_namespace)) if first else (),
        pods=tuple(Create(PODS, body) for body in bodies),
        requeue_after=_sooner(again, settled.requeue_after),
    )


def _broken(observed: Observed, cause: Cause) -> Plan:
    """The gang goes: a restart, or the end if the budget is spent or no restart can help."""
    job, status, now = observed.job, observed.job.status, observed.now
    assert job.spec is not None
    cause = with_rules(cause, job.spec.failure_policy.rules)
    budget = job.spec.failure_policy.max_restarts
    reason = cause.failure.reason
    ended = progress.ended(status, now, reason, counted=cause.counted, failure=cause.failure)
    if cause.permanent:
        why = "FailurePolicyRule" if cause.by_rule else "ConfigurationError"
        return _failed(observed, ended, why, cause.sentence())
    if cause.counted and status.restarts >= budget:
        message = f"{cause.sentence()}; spec.failurePolicy.maxRestarts is {budget}"
        return _failed(observed, ended, "RestartLimitReached", message)
    delay = restart_delay(ended.attempts)
    begun = progress.begun(progress.restarted(ended, counted=cause.counted), now, delay=delay)
    return _settled(observed, begun, at_work(begun, observed), requeue_after=delay.total_seconds())


def _succeeded(observed: Observed) -> Plan:
    done = progress.completed(progress.ended(observed.job.status, observed.now, "Completed"), observed.now)
    return _settled(observed, done, Situation(State.SUCCEEDED, "AllPodsSucceeded", "every rank exited with 0"))


def _failed(observed: Observed, memory: TrainingJobStatus, reason: str, message: str) -> Plan:
    done = progress.completed(progress.ended(memory, observed.now, reason), observed.now)
    return _settled(observed, done, Situation(State.FAILED, reason, message))


def _suspended(observed: Observed) -> Plan:
    status = observed.job.status
    memory = status if progress.is_suspended(status) else progress.suspended(status, observed.now)
    return _settled(observed, memory, Situation(State.SUSPENDED, "SpecSuspend", "spec.suspend is true"))


def _settled(
    observed: Observed, memory: TrainingJobStatus, situation: Situation | None, requeue_after: float | None = None
) -> Plan:
    """The plan that commits this memory and clears away what it condemns. No situation leaves what is shown."""
    old = observed.job.status
    new = shown(memory, situation, observed) if situation else memory
    due = report_due(old, new, observed)
    write = due is not None and due <= observed.now
    later = (due - observed.now) if due and not write else timedelta()
    committed = new if write else old
    return Plan(
        status=new if write else None,
        deletions=tuple(deletions(committed, observed)),
        events=tuple(announcements(old, new)) if write else (),
        requeue_after=_sooner(requeue_after, later.total_seconds() or None),
    )


def _sooner(first: float | None, second: float | None) -> float | None:
    return min((wait for wait in (first, second) if wait is not None), default=None)
