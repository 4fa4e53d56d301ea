"""What people see: state, reason, node counts and conditions, derived from memory and pods once per pass.

Also says how urgent a changed status is: a decision is written at once, a mere count waits a few seconds, so that a
gang of 512 starting pods costs a handful of writes and not 512.
"""

from datetime import datetime, timedelta

from trainingjob_operator.api.status import Attempt, State, TrainingJobStatus
from trainingjob_operator.core.backoff import SUSPENDED
from trainingjob_operator.core.conditions import Situation, conditions
from trainingjob_operator.core.observed import Blocked, Observed, Pod
from trainingjob_operator.core.training import progress, write_due

REPORT_EVERY = timedelta(seconds=5)
_AT_ONCE = frozenset({State.RUNNING, State.RESTARTING, State.SUSPENDED, State.SUCCEEDED, State.FAILED})
_DERIVED = ("state", "reason", "nodes", "ready", "conditions", "progress")
_SENTENCE = 2000


def shown(memory: TrainingJobStatus, situation: Situation, observed: Observed) -> TrainingJobStatus:
    """The whole status for this memory and situation."""
    job = observed.job
    total = job.spec.num_nodes if job.spec else 0
    pods = [pod for pod in observed.own if pod.attempt == memory.attempt]
    ready = 0 if situation.state == State.SUSPENDED else sum(_is_up(pod) for pod in pods)
    message = situation.message if len(situation.message) <= _SENTENCE else situation.message[: _SENTENCE - 1] + "…"
    return memory.model_copy(
        update={
            "state": situation.state,
            "reason": situation.reason or None,
            "nodes": f"{ready}/{total}" if total else None,
            "ready": ready,
            "conditions": conditions(
                memory.conditions,
                Situation(situation.state, situation.reason, message),
                pods_ready=situation.state == State.RUNNING and ready == total,
                now=observed.now,
                generation=job.generation,
            ),
            "progress": progress(memory, situation.state, observed),
            "observed_generation": job.generation,
        }
    )


def at_work(memory: TrainingJobStatus, observed: Observed) -> Situation:
    """The situation of a job whose attempt is under way."""
    assert observed.job.spec is not None
    pods = [pod for pod in observed.own if pod.attempt == memory.attempt]
    everyone_up = len(pods) == observed.job.spec.num_nodes and all(_is_up(pod) for pod in pods)
    was_running = memory.state == State.RUNNING and memory.gang is not None
    if memory.gang is not None and (everyone_up or was_running):
        return Situation(State.RUNNING, "AllPodsReady" if everyone_up else "PodNotReady", _not_ready(pods))
    blocked = observed.refusal or _first_blocked(pods)
    before = _broken_before(memory)
    if before:
        reason, message = (blocked.reason, blocked.message) if blocked else _restart(before, memory)
        return Situation(State.RESTARTING, reason, message)
    if blocked:
        return Situation(State.PENDING, blocked.reason, blocked.message)
    return Situation(State.STARTING, "PodsStarting")


def _broken_before(memory: TrainingJobStatus) -> Attempt | None:
    """The broken attempt that the current one follows, None if this is a first or a resumed one."""
    before = memory.attempts[-2] if len(memory.attempts) > 1 else None
    return before if before and before.reason != SUSPENDED else None


def _restart(before: Attempt, memory: TrainingJobStatus) -> tuple[str, str]:
    current, failure = memory.attempts[-1], before.first_failure
    what = (
        f"pod {failure.pod} (rank {failure.rank}) {failure.message}" if failure else f"attempt {before.attempt} ended"
    )
    waits = before.end_time and current.start_time and current.start_time > before.end_time
    when = f"; attempt {current.attempt} starts at {current.start_time:%H:%M:%S} UTC" if waits else ""
    return before.reason or "Restarting", what + when


def report_due(old: TrainingJobStatus, new: TrainingJobStatus, observed: Observed) -> datetime | None:
    """When the change from ``old`` to ``new`` is to be written: now if anything was decided, None for no change."""
    if old == new:
        return None
    if _decided(old, new) or not new.attempts or new.attempts[-1].start_time is None:
        return observed.now
    times = [_counts_due(old, new, observed), write_due(old.progress, new.progress)]
    return min((max(time, observed.now) for time in times if time is not None), default=None)


def _counts_due(old: TrainingJobStatus, new: TrainingJobStatus, observed: Observed) -> datetime | None:
    """When a change of what the pods do is to be written."""
    if old == new.model_copy(update={"progress": old.progress}):
        return None
    since = max(filter(None, (new.attempts[-1].start_time, observed.reported_at)))
    return min(since + REPORT_EVERY, observed.now + REPORT_EVERY)


def _decided(old: TrainingJobStatus, new: TrainingJobStatus) -> bool:
    if old != new.model_copy(update={name: getattr(old, name) for name in _DERIVED}):
        return True
    return old.state != new.state and (old.state is None or new.state in _AT_ONCE)


def _is_up(pod: Pod) -> bool:
    """At work, or done with it."""
    return pod.succeeded or (pod.ready and not pod.stopped and not pod.deleting)


def _not_ready(pods: list[Pod]) -> str:
    waiting = sorted((pod for pod in pods if not _is_up(pod)), key=lambda pod: pod.rank)
    return f"pod {waiting[0].name} is not ready" if waiting else ""


def _first_blocked(pods: list[Pod]) -> Blocked | None:
    waiting = [pod for pod in sorted(pods, key=lambda pod: pod.rank) if pod.blocked and not pod.stopped]
    if not waiting:
        return None
    pod, blocked = waiting[0], waiting[0].blocked
    assert blocked is not None
    return Blocked(blocked.reason, f"pod {pod.name}: {blocked.message or blocked.reason}")


def waiting_for(pods: list[Pod]) -> Blocked:
    """The situation while pods of an older attempt, or of a deleted job of the same name, have not stopped."""
    shown_names = ", ".join(pod.name for pod in pods[:3]) + (f" and {len(pods) - 3} more" if len(pods) > 3 else "")
    return Blocked("WaitingForOldPods", f"waiting until {shown_names} stopped; `kubectl delete pod` if they never do")
