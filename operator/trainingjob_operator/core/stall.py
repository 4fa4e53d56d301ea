"""Has training stood still for too long? Only for jobs with spec.failurePolicy.stallTimeoutSeconds.

Counts from the last change that the status knows (so a restarted operator goes on counting) to the last time that rank
0 was heard without any news. A gang that never told its progress, or that cannot be reached, has not stalled: the
network between it and the operator says nothing about its training.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingjob_operator.api import names
from trainingjob_operator.api.status import Failure
from trainingjob_operator.core.failure import STALLED, Cause
from trainingjob_operator.core.observed import Observed
from trainingjob_operator.core.training import moved, of_attempt

LOOK_AGAIN = timedelta(seconds=5)


@dataclass(frozen=True, slots=True)
class Stall:
    """When the gang counts as stalled if nothing moves until then, and why; ``heard_at`` is how far that is proven."""

    at: datetime
    heard_at: datetime
    cause: Cause

    @property
    def is_proven(self) -> bool:
        """Whether rank 0 was heard, and had no news, after the whole time."""
        return self.heard_at >= self.at

    def look_at(self, now: datetime) -> datetime:
        """When to look again."""
        return max(self.at, now + LOOK_AGAIN)


def standstill(observed: Observed) -> Stall | None:
    """The stall that this gang is heading for; None if it cannot be judged, or has just moved."""
    status, spec = observed.job.status, observed.job.spec
    assert spec is not None
    seconds, known = spec.failure_policy.stall_timeout_seconds, status.progress
    reading = of_attempt(status, observed)
    if seconds is None or known is None or reading is None or moved(known, reading):
        return None
    since = max(known.time, reading.silent_since or known.time)
    return Stall(since + timedelta(seconds=seconds), reading.at, _cause(observed, known.step, seconds))


def _cause(observed: Observed, step: int, seconds: int) -> Cause:
    status, main = observed.job.status, observed.gang.get(0)
    failure = Failure(
        rank=0,
        pod=names.pod_name(observed.job.name, status.attempt, 0),
        node=main.node if main else None,
        reason=STALLED,
        message=f"training has stood still at step {step} for spec.failurePolicy.stallTimeoutSeconds ({seconds})",
    )
    return Cause(failure, observed.now, counted=True)
