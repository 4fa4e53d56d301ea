"""Limits in time: how long a start may take, how long a job may run, how long it is kept when it has finished.

All count from times in the status, so that a restart of the operator changes nothing, and all are looked at by
`requeue_after`, never only when something else happens.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingjob_operator.api.status import State, TrainingJobStatus
from trainingjob_operator.api.types import TrainingJobSpec

STARTUP_TIMEOUT = "StartupTimeout"


@dataclass(frozen=True, slots=True)
class Deadline:
    """A point in time after which the job fails, with the reason and a sentence."""

    at: datetime
    reason: str
    message: str


def deadline(
    spec: TrainingJobSpec, status: TrainingJobStatus, blocked: str = "", *, has_started: bool = False
) -> Deadline | None:
    """The next deadline of a job with a live attempt.

    ``blocked`` says what holds its start up; ``has_started`` that every rank has run, seen in its pods.
    """
    startup = None if has_started else _startup(spec, status, blocked)
    found = [d for d in (_active(spec, status), startup) if d is not None]
    return min(found, key=lambda d: d.at, default=None)


def delete_at(spec: TrainingJobSpec | None, status: TrainingJobStatus) -> datetime | None:
    """When a finished job is deleted; None keeps it."""
    if spec is None or spec.ttl_seconds_after_finished is None or status.completion_time is None:
        return None
    return status.completion_time + timedelta(seconds=spec.ttl_seconds_after_finished)


def _active(spec: TrainingJobSpec, status: TrainingJobStatus) -> Deadline | None:
    seconds = spec.active_deadline_seconds
    if seconds is None or status.start_time is None:
        return None
    message = f"the job was active for longer than spec.activeDeadlineSeconds ({seconds})"
    return Deadline(status.start_time + timedelta(seconds=seconds), "DeadlineExceeded", message)


def _startup(spec: TrainingJobSpec, status: TrainingJobStatus, blocked: str) -> Deadline | None:
    """Counts from when the attempt was due until its gang ran for the first time."""
    seconds = spec.startup_timeout_seconds
    started = status.attempts[-1].start_time if status.attempts else None
    if seconds is None or started is None or status.state == State.RUNNING:
        return None
    why = f": {blocked}" if blocked else ""
    message = f"not all pods of attempt {status.attempt} ran within spec.startupTimeoutSeconds ({seconds}){why}"
    return Deadline(started + timedelta(seconds=seconds), STARTUP_TIMEOUT, message)
