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
    values = {kind: _value(kind, situation, pods_ready) for kind in ConditionType}
    return [_condition(kind, known.get(kind), value, now, generation) for kind, value in values.items()]


def _condition(
    kind: ConditionType, old: Condition | None, value: tuple[str, str, str], now: datetime, generation: int
) -> Condition:
    """The condition with this status, reason and message; the old one if nothing is new about it."""
    if old and (old.status, old.reason, old.message, old.observed_generation) == (*value, generation):
        return old
    status, reason, message = value
    return Condition(
        type=kind,
        status=status,
        reason=reason,
        message=message,
        last_transition_time=old.last_transition_time if old and old.status == status else now,
        observed_generation=generation,
    )


def _value(kind: ConditionType, situation: Situation, pods_ready: bool) -> tuple[str, str, str]:
    if kind == ConditionType.PODS_READY:
        if pods_ready:
            return "True", "AllPodsReady", ""
        return "False", situation.reason, situation.message
    state, otherwise = _MADE_TRUE_BY[kind]
    if situation.state == state:
        return "True", situation.reason, situation.message
    return "False", otherwise, ""
