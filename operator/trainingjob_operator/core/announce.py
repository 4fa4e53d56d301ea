"""Events: one per step of a job's life, told from the status before and after it.

`kubectl describe tj` shows them. They say what the status says; nothing is decided from them.
"""

from dataclasses import dataclass

from trainingjob_operator.api.status import State, TrainingJobStatus

_LIMIT = 1000


@dataclass(frozen=True, slots=True)
class Announcement:
    """One event: its type (Normal, Warning), a CamelCase reason, and a sentence of at most 1,000 characters."""

    type: str
    reason: str
    message: str


def announcements(old: TrainingJobStatus, new: TrainingJobStatus) -> list[Announcement]:
    """What to tell about the change from one status to the next."""
    if new.attempt > old.attempt:
        return [_attempt(old, new)]
    if new.gang and not old.gang:
        return [Announcement("Normal", "GangFormed", f"All pods of attempt {new.attempt} exist")]
    if new.state == old.state or new.state is None:
        return []
    return _state(new)


def _attempt(old: TrainingJobStatus, new: TrainingJobStatus) -> Announcement:
    broken = new.attempts[-2] if len(new.attempts) > 1 else None
    if broken is None or old.state == State.SUSPENDED or broken.first_failure is None:
        return Announcement("Normal", "AttemptStarted", f"Attempt {new.attempt} starts")
    failure = broken.first_failure
    kind = f"counted restart {new.restarts}" if broken.counted else "restart that does not count"
    message = f"Attempt {broken.attempt} ended: pod {failure.pod} (rank {failure.rank}) {failure.message}; {kind}"
    return _cut(Announcement("Warning", "RestartingGang", message))


def _state(new: TrainingJobStatus) -> list[Announcement]:
    reason, message = (
        new.reason or "",
        next((c.message for c in new.conditions if c.status == "True" and c.message), ""),
    )
    match new.state:
        case State.RUNNING:
            return [Announcement("Normal", "GangReady", f"{new.nodes} nodes run")]
        case State.SUCCEEDED:
            return [Announcement("Normal", "Completed", "Every rank exited with 0")]
        case State.FAILED:
            return [_cut(Announcement("Warning", reason, message))]
        case State.SUSPENDED:
            return [Announcement("Normal", "Suspended", "The pods are deleted; set spec.suspend to false to go on")]
        case State.PENDING:
            message = next((c.message for c in new.conditions if c.type == "PodsReady"), "")
            return [_cut(Announcement("Warning", reason, message))]
        case _:
            return []


def _cut(event: Announcement) -> Announcement:
    if len(event.message) <= _LIMIT:
        return event
    return Announcement(event.type, event.reason, event.message[: _LIMIT - 1] + "…")
