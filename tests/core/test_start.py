"""Which pods are created now, and with which address of rank 0."""

import pytest

from support.builders import after, exited, pending, pod
from trainingjob_operator.api.policies import StartPolicy
from trainingjob_operator.core.start import Start, start

FIRST, READY, PARALLEL = StartPolicy.MAIN_NODE_FIRST, StartPolicy.MAIN_NODE_READY, StartPolicy.PARALLEL


def test_the_main_node_goes_first_alone() -> None:
    assert start(FIRST, {}, (0, 1, 2), after(0)) == Start((0,))


def test_the_others_follow_at_once_with_its_address() -> None:
    assert start(FIRST, {0: pod(0)}, (1, 2), after(0)) == Start((1, 2), "10.0.0.1")


def test_without_an_address_they_wait_until_two_seconds_after_its_creation() -> None:
    assert start(FIRST, {0: pending(0)}, (1, 2), after(0.5)) == Start((), None, after(2))


@pytest.mark.parametrize("now", [2, 100])
def test_then_they_go_without_it(now: float) -> None:
    assert start(FIRST, {0: pending(0)}, (1, 2), after(now)) == Start((1, 2))


def test_a_creation_time_in_the_future_is_not_waited_for() -> None:
    assert start(FIRST, {0: pending(0)}, (1,), after(-0.1)) == Start((1,))


def test_an_unknown_creation_time_is_not_waited_for() -> None:
    assert start(FIRST, {0: pending(0, created_at=None)}, (1,), after(0)) == Start((1,))


def test_the_others_wait_until_rank_0_listens() -> None:
    assert start(READY, {0: pod(0, ready=False)}, (1,), after(100)) == Start(())
    assert start(READY, {0: pod(0)}, (1,), after(100)) == Start((1,), "10.0.0.1")


def test_the_others_do_not_wait_for_a_rank_0_that_has_ended_well_already() -> None:
    assert start(READY, {0: exited(0, 0)}, (1,), after(100)).ranks == (1,)


def test_parallel_creates_all_and_still_hands_out_an_address_that_is_known() -> None:
    assert start(PARALLEL, {}, (0, 1), after(0)) == Start((0, 1))
    assert start(PARALLEL, {0: pending(0)}, (1,), after(0)) == Start((1,))
    assert start(PARALLEL, {0: pod(0)}, (1,), after(0)) == Start((1,), "10.0.0.1")
