"""The steps of a job's life, as changes of its status: begin an attempt, end it, finish, suspend.

This is the controller's memory. Every function takes a status and gives another one; nothing here looks at pods, and
nothing is shown to people from here (status.py derives that).
"""

from datetime import datetime, timedelta

from trainingjob_operator.api.status import MAX_ATTEMPTS, Attempt, ConditionType, Failure, TrainingJobStatus
from trainingjob_operator.core.backoff import SUSPENDED
from trainingjob_operator.core.conditions import is_true


def is_finished(status: TrainingJobStatus) -> bool:
    """Whether the job has ended; that never changes back."""
    return is_true(status.conditions, ConditionType.COMPLETE) or is_true(status.conditions, ConditionType.FAILED)


def is_suspended(status: TrainingJobStatus) -> bool:
    """Whether the suspension was committed."""
    return is_true(status.conditions, ConditionType.SUSPENDED)


def is_live(status: TrainingJobStatus) -> bool:
    """Whether there is a current attempt: decided and not ended."""
    return bool(status.attempts) and status.attempts[-1].end_time is None


def begun(
    status: TrainingJobStatus, now: datetime, *, delay: timedelta = timedelta(), after: int = 0
) -> TrainingJobStatus:
    """The next attempt. Its start time is when its pods may be created; ``after`` is a higher number that was seen."""
    number = max(status.attempt, after) + 1
    attempt = Attempt(attempt=number, start_time=now + delay)
    return status.model_copy(
        update={
            "attempt": number,
            "gang": None,
            "attempts": [*status.attempts, attempt][-MAX_ATTEMPTS:],
            "start_time": status.start_time or now,
        }
    )


def ended(
    status: TrainingJobStatus, now: datetime, reason: str, *, counted: bool = False, failure: Failure | None = None
) -> TrainingJobStatus:
    """The current attempt has ended. Counting is the caller's: a final failure is counted without a restart."""
    if not is_live(status):
        return status
    last = status.attempts[-1].model_copy(
        update={"end_time": now, "reason": reason, "counted": counted, "first_failure": failure}
    )
    return status.model_copy(update={"attempts": [*status.attempts[:-1], last]})


def with_refined(status: TrainingJobStatus, attempt: Attempt) -> TrainingJobStatus:
    """The attempt before the current one, replaced by a better account of it."""
    return status.model_copy(update={"attempts": [*status.attempts[:-2], attempt, status.attempts[-1]]})


def restarted(status: TrainingJobStatus, *, counted: bool) -> TrainingJobStatus:
    """One more restart, if it counts."""
    return status.model_copy(update={"restarts": status.restarts + 1}) if counted else status


def suspended(status: TrainingJobStatus, now: datetime) -> TrainingJobStatus:
    """The job sleeps: its attempt ends, and its clock stops."""
    return ended(status, now, SUSPENDED).model_copy(update={"gang": None, "start_time": None})


def completed(status: TrainingJobStatus, now: datetime) -> TrainingJobStatus:
    """The job has ended now."""
    return status.model_copy(update={"completion_time": now})
