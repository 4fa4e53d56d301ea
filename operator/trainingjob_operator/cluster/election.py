"""Who may lead, and what a candidate does next: claim the lease, renew it, or wait.

Pure: the lease as seen, when this process first saw it so, and its own clock decide. Clocks of other machines are
never compared: a lease counts as live for its duration after this process saw it change, as in Kubernetes' own
client. (https://kubernetes.io/docs/concepts/architecture/leases/)

Why no two write at once: a leader writes until ``renew_deadline`` after it SENT its last successful renewal, another
claims ``duration`` after it SAW that renewal or any later one, which is later still; and the claim is conditional on
the lease being unchanged.
"""

from dataclasses import dataclass
from enum import Enum, auto


@dataclass(frozen=True, slots=True)
class Timing:
    """Seconds: others wait ``duration``, a leader writes for ``renew_deadline`` and renews every ``retry``.

    The difference of the first two is what clocks may drift apart, and requests dawdle, in that time.
    """

    duration: float = 15.0
    renew_deadline: float = 10.0
    retry: float = 2.0

    def __post_init__(self) -> None:
        if not self.duration > self.renew_deadline > 2 * self.retry > 0:
            raise ValueError(
                f"lease duration {self.duration:g} s, renew deadline {self.renew_deadline:g} s and retry period "
                f"{self.retry:g} s do not fit: the duration must be longer than the deadline, and the deadline longer "
                "than two retry periods"
            )


def timing_of(duration: float) -> Timing:
    """The usual proportions (15 s: 10 s and 2 s) for another duration."""
    return Timing(duration, duration * 2 / 3, duration * 2 / 15)


@dataclass(frozen=True, slots=True)
class Record:
    """What a Lease says. ``holder`` is empty when it was given up; times are only compared for being the same."""

    holder: str
    acquired: str
    renewed: str
    transitions: int
    duration: float


@dataclass(frozen=True, slots=True)
class Sight:
    """A record (None: there is no Lease) and when this process first saw exactly it, by its own clock."""

    record: Record | None
    since: float


class Step(Enum):
    """What a candidate may do."""

    CLAIM = auto()
    RENEW = auto()
    WAIT = auto()


@dataclass(frozen=True, slots=True)
class Decision:
    """A step; ``seconds`` until there is a reason to decide anew, when it is to wait."""

    step: Step
    seconds: float = 0.0


def seen(before: Sight | None, record: Record | None, now: float) -> Sight:
    """What is known after looking again. A Lease that somebody deleted still counts: its holder does not know yet."""
    if before is not None and (before.record == record or (record is None and before.record is not None)):
        return before
    return Sight(record, now)


def decide(sight: Sight, me: str, renewed_at: float | None, now: float, timing: Timing) -> Decision:
    """The next step of candidate ``me``, who last renewed the lease at ``renewed_at`` (None: never in this term)."""
    record = sight.record
    if record is None or not record.holder:
        return Decision(Step.CLAIM)
    if record.holder == me:
        return _until(now, (renewed_at if renewed_at is not None else now - timing.retry) + timing.retry, Step.RENEW)
    return _until(now, sight.since + (record.duration or timing.duration), Step.CLAIM)


def write_until(renewal_sent_at: float, timing: Timing) -> float:
    """Until when a leader may write whose last successful renewal was sent then."""
    return renewal_sent_at + timing.renew_deadline


def _until(now: float, due: float, then: Step) -> Decision:
    return Decision(then) if now >= due else Decision(Step.WAIT, due - now)
