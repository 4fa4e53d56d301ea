"""When a gang whose training stands still is restarted, and when it is left alone."""

from typing import Any

import pytest

from support.builders import Telling, World, after, deleted, exited, pod
from trainingjob_operator.api.status import Attempt
from trainingjob_operator.core.failure import refined


def stalling(**fields: Any) -> Telling:
    """A running gang with a stall timeout of a minute, at step 50 at noon."""
    world = Telling(failurePolicy={"stallTimeoutSeconds": 60} | fields)
    world.running()
    world.tell(50, at=0).step()
    return world


def test_a_gang_that_stands_still_is_restarted_and_that_counts() -> None:
    world = stalling()

    decision = world.tell(50, at=60).step()

    assert (world.status.state, world.status.attempt, world.status.restarts) == ("Restarting", 2, 1)
    failure = world.status.attempts[0].first_failure
    assert (failure.reason, failure.pod, failure.exit_code) == ("Stalled", "digits-1-0", None)
    assert "stood still at step 50" in failure.message
    assert deleted(decision) == ["digits-1-0", "digits-1-1"]


def test_the_plan_comes_back_when_the_time_is_over() -> None:
    assert stalling().tell(50, at=10).step().requeue_after == 50


def test_a_gang_is_broken_for_a_stall_only_after_a_quorum_read() -> None:
    assert stalling().tell(50, at=60).look().needs_quorum


def test_a_batch_of_validation_is_no_standstill() -> None:
    world = stalling()

    world.tell(50, at=40, batches=51).step()
    world.tell(50, at=99, batches=51).step()

    assert (world.status.state, world.status.attempt) == ("Running", 1)


def test_the_last_look_must_be_as_late_as_the_timeout() -> None:
    """What was read before says nothing about the time since."""
    world = stalling()
    world.tell(50, at=55).at(70)

    decision = world.step()

    assert (world.status.attempt, decision.requeue_after) == (1, 5)


def test_a_gang_that_never_told_its_progress_has_not_stalled() -> None:
    world = World(failurePolicy={"stallTimeoutSeconds": 60}).running().at(3600)

    assert world.step().requeue_after is None


def test_a_gang_that_cannot_be_reached_any_more_has_not_stalled() -> None:
    world = stalling().at(3600)
    world.step()

    assert world.status.attempt == 1


def test_an_operator_that_was_away_does_not_take_its_absence_for_a_stall() -> None:
    world = stalling()
    world.reading = None

    world.at(3600).step()

    assert world.status.attempt == 1
    world.tell(51, at=3601).step()
    assert world.status.attempt == 1


def test_a_process_that_takes_questions_and_never_answers_has_stalled() -> None:
    world = stalling()
    world.silent(since=20, at=79).step()
    assert world.status.attempt == 1

    world.silent(since=20, at=80).step()

    assert world.status.attempts[0].reason == "Stalled"


def test_without_the_field_nothing_stalls() -> None:
    world = Telling()
    world.running()
    world.tell(50, at=0).step()

    world.tell(50, at=100_000).step()

    assert world.status.attempt == 1


def test_the_new_gang_has_the_whole_time_again() -> None:
    world = stalling()
    world.tell(50, at=60).step()
    world.with_pods(exited(0, 143, at=60), exited(1, 143, at=60)).step()
    world.with_pods(pod(0, 2), pod(1, 2)).step()
    world.step()

    world.tell(50, at=110, attempt=2).step()
    world.tell(50, at=169, attempt=2).step()
    assert world.status.attempt == 2
    world.tell(50, at=170, attempt=2).step()

    assert (world.status.attempt, world.status.restarts) == (3, 2)


def test_the_budget_is_for_stalls_too() -> None:
    world = stalling(maxRestarts=0)

    world.tell(50, at=60).step()

    assert (world.status.state, world.status.reason) == ("Failed", "RestartLimitReached")


@pytest.mark.parametrize("action", ["Fail", "RestartUncounted"])
def test_a_rule_can_name_stalls(action: str) -> None:
    world = stalling(rules=[{"onReasons": ["Stalled"], "action": action}])

    world.tell(50, at=60).step()

    expected = ("Failed", 0) if action == "Fail" else ("Restarting", 0)
    assert (world.status.state, world.status.restarts) == expected


def test_how_the_stalled_pods_end_does_not_change_the_account() -> None:
    world = stalling()
    world.tell(50, at=60).step()
    ended: Attempt = world.status.attempts[0]

    observed = world.with_pods(exited(0, 143, at=60), exited(1, 143, at=60)).observed()

    assert ended.end_time == after(60)
    assert refined(ended, observed) == ended
