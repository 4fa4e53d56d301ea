"""The five conditions."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOON, after
from trainingjob_operator.api.status import Condition, ConditionType, State
from trainingjob_operator.core.conditions import Situation, conditions, is_true

TRUE_IN = {
    State.SUSPENDED: "Suspended",
    State.RESTARTING: "Restarting",
    State.SUCCEEDED: "Complete",
    State.FAILED: "Failed",
}


def told(state: State, before: list[Condition] | None = None, *, ready: bool = False, at: float = 0) -> list[Condition]:
    situation = Situation(state, "Why", "a sentence")
    return conditions(before or [], situation, pods_ready=ready, now=after(at), generation=7)


def by_type(found: list[Condition]) -> dict[str, Condition]:
    return {one.type: one for one in found}


@pytest.mark.parametrize("state", list(State))
def test_a_state_makes_its_own_condition_true_and_no_other(state: State) -> None:
    found = told(state)

    assert [one.type for one in found] == list(ConditionType)
    assert [one.type for one in found if one.status == "True"] == ([TRUE_IN[state]] if state in TRUE_IN else [])
    assert {one.observed_generation for one in found} == {7}


def test_a_true_condition_tells_the_situation_and_a_false_one_that_it_is_not_so() -> None:
    found = by_type(told(State.FAILED))

    assert (found["Failed"].reason, found["Failed"].message) == ("Why", "a sentence")
    assert (found["Complete"].reason, found["Complete"].message) == ("NotFinished", "")


def test_pods_that_are_not_ready_say_why() -> None:
    ready, waiting = by_type(told(State.RUNNING, ready=True)), by_type(told(State.PENDING))

    assert (ready["PodsReady"].status, ready["PodsReady"].reason) == ("True", "AllPodsReady")
    assert (waiting["PodsReady"].status, waiting["PodsReady"].message) == ("False", "a sentence")


@given(st.lists(st.tuples(st.sampled_from(list(State)), st.booleans()), min_size=1, max_size=12))
def test_the_transition_time_moves_with_the_status_and_only_then(story: list[tuple[State, bool]]) -> None:
    found: list[Condition] = []
    for second, (state, ready) in enumerate(story):
        before = by_type(found)
        found = told(state, found, ready=ready, at=second)
        for one in found:
            old = before.get(one.type)
            moved = old is None or old.status != one.status
            assert one.last_transition_time == (after(second) if moved else old.last_transition_time)


def test_is_true_asks_for_presence_and_truth() -> None:
    failed = Condition(type="Failed", status="True", reason="Why", last_transition_time=NOON)

    assert is_true([failed], ConditionType.FAILED)
    assert not is_true([failed.model_copy(update={"status": "False"})], ConditionType.FAILED)
    assert not is_true([failed], ConditionType.COMPLETE)
    assert not is_true([], ConditionType.FAILED)
