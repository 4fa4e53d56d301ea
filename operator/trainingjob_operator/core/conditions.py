"""The five conditions, derived from the state: all present from the first pass, each with the generation it is about.

`lastTransitionTime` moves only when a condition's status changes.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from trainingjob_operator.api.status import Condition, ConditionType, State


@dataclass(frozen=True, slots=True)
class Situation:
    """What people are told: the state, why, and a sentence."""

    state: State
    reason: str
    message: str = ""


# The state that makes a condition true, and the reason of the condition while it is not.
_MADE_TRUE_BY = {
    ConditionType.SUSPENDED: (State.SUSPENDED, "NotSuspended"),
    ConditionType.RESTARTING: (State.RESTARTING, "NotRestarting"),
    ConditionType.COMPLETE: (State.SUCCEEDED, "NotFinished"),
    ConditionType.FAILED: (State.FAILED, "NotFailed"),
}


def is_true(conditions: Sequence[Condition], kind: ConditionType) -> bool:
    """Whether a condition is there and true."""
    return any(condition.type == kind and condition.status == "True" for condition in conditions)


def conditions(
    before: Sequence[Condition], situation: Situation, *, pods_ready: bool, now: datetime, generation: int
) -> list[Condition]:
    """All five conditions of a job in this situation."""
    known = {condition.type: condition for condition in before}
    found = []
    for kind in ConditionType:
        status, reason, message = _value(kind, situation, pods_ready)
        old = known.get(kind)
        since = old.last_transition_time if old and old.status == status else now
        found.append(
            Condition(
                type=kind,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=since,
                observed_generation=generation,
            )
        )
    return found


def _value(kind: ConditionType, situation: Situation, pods_ready: bool) -> tuple[str, str, str]:
    if kind == ConditionType.PODS_READY:
        if pods_ready:
            return "True", "AllPodsReady", ""
        return "False", situation.reason, situation.message
    state, otherwise = _MADE_TRUE_BY[kind]
    if situation.state == state:
        return "True", situation.reason, situation.message
    return "False", otherwise, ""
