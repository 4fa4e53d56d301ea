"""Every interleaving of a small world: no rule is ever broken, and from every state the job can settle.

The whole of it takes `make sim-exhaustive` about half an hour; here are the smaller worlds, bounded by numbers of
states so that the same is looked at on every machine.
"""

import logging
from collections.abc import Iterator

import pytest

from simulation.exhaustive.mutants import MUTANTS, mutated
from simulation.exhaustive.search import Found, Search
from simulation.exhaustive.whole import report
from simulation.exhaustive.world import Shape


@pytest.fixture(autouse=True)
def silence() -> Iterator[None]:
    """An operator that learns by trying is full of warnings."""
    logging.disable(logging.ERROR)
    yield
    logging.disable(logging.NOTSET)


def _searched(shape: Shape, at_most: int | None = None) -> Found:
    found = Search(shape, at_most).run()
    assert found.violations == [], "\n".join(report(str(shape), found, 0.0))
    return found


@pytest.mark.parametrize("policy", ["Parallel", "MainNodeFirst"])
@pytest.mark.parametrize("each_event", [False, True])
def test_without_faults_every_order_of_events_ends_well(policy: str, *, each_event: bool) -> None:
    found = _searched(Shape(policy, faults=0, each_event=each_event, slow_stops=True))

    assert found.complete
    assert found.states > 150
    assert found.settled > 0


def test_no_single_fault_in_the_first_steps_breaks_a_rule() -> None:
    assert _searched(Shape("Parallel", faults=1), at_most=12_000).states >= 12_000


def test_no_two_faults_in_the_first_steps_break_a_rule() -> None:
    assert _searched(Shape("Parallel", faults=2), at_most=10_500).states >= 10_500


def test_no_fault_breaks_a_rule_where_rank_0_comes_first() -> None:
    assert _searched(Shape("MainNodeFirst", faults=1), at_most=4_000).states >= 4_000


# The rule that each mutant breaks, and the number of steps of the shortest story.
FOUND = {
    "creates-before-it-commits": ("S4", 1, 5),
    "deletes-by-name": ("S3", 1, 12),
    "never-doubts": ("S4", 2, 13),
    "never-looks-at-the-job": ("S4", 2, 14),
}

UNKNOWN_ANSWER = [
    "a pass begins",
    "digits-1-0 VANISHES",
    "status: Starting (PodsStarting) attempt=1 restarts=0 gang, THE ANSWER IS LOST",
    "the operator sees: digits-1-0 is gone",
    "a pass begins",
    "create Pod digits-1-0",
    "VIOLATION: S4: digits-1-0 was created after the gang was committed",
]
"""The end of the story that once was true: a committed gang got a new pod."""


@pytest.mark.parametrize("name", FOUND)
def test_a_break_of_the_protocol_is_found_with_a_shortest_story(name: str) -> None:
    rule, faults, steps = FOUND[name]

    with mutated(name):
        found = Search(Shape("Parallel", faults=faults)).run()

    assert [violation[:2] for violation in found.violations] == [rule]
    assert len(found.trace) == steps + 1
    assert found.trace[-1].startswith(f"VIOLATION: {rule}")
    assert name != "never-doubts" or found.trace[-7:] == UNKNOWN_ANSWER


def test_every_mutant_can_be_put_on_and_taken_off() -> None:
    for name, (target, attribute, broken) in MUTANTS.items():
        before = getattr(target, attribute)
        with mutated(name):
            assert getattr(target, attribute) is broken
        assert getattr(target, attribute) is before
