"""The status' progress: what is shown, and how often it is written."""

from typing import Any

import pytest

from support.builders import Telling, after, exited, pod
from trainingjob_operator.core.training import share, time_left


def telling(**fields: Any) -> Telling:
    """A running gang."""
    world = Telling(**fields)
    world.running()
    return world


def test_the_first_progress_of_a_gang_is_written_at_once() -> None:
    world = telling()

    world.tell(50, at=3, epoch=2, loss=0.123456, samples_per_second=1866.4).step()

    found = world.status.progress
    assert (found.step, found.max_steps, found.epoch, found.attempt) == (50, 200, 2, 1)
    assert (found.done, found.eta) == ("25%", "1m")
    assert (found.loss, found.samples_per_second) == ("0.1235", "1866")


def test_progress_is_written_every_thirty_seconds_and_not_more_often() -> None:
    world = telling()
    written = 0
    for second in range(0, 300, 10):
        decision = world.tell(second, at=second).step()
        written += decision.status is not None
    assert written == 10


def test_a_pass_that_may_not_write_yet_comes_again_when_it_may() -> None:
    world = telling()
    world.tell(1, at=10).step()

    decision = world.tell(2, at=20).step()

    assert (decision.status, decision.requeue_after) == (None, 20)


def test_a_gang_that_does_not_move_costs_no_write() -> None:
    world = telling()
    world.tell(50, at=0, samples_per_second=1.0).step()

    for second in range(10, 3600, 10):
        decision = world.tell(50, at=second, samples_per_second=second).step()
        assert decision.status is None
        assert decision.requeue_after is None


def test_a_restarting_job_keeps_its_last_progress_without_a_time_left() -> None:
    world = telling()
    world.tell(50, at=0).step()

    world.tell(60, at=5).with_pods(exited(0, 1), pod(1)).step()

    assert (world.status.state, world.status.progress.step, world.status.progress.eta) == ("Restarting", 50, None)


def test_an_older_attempts_reading_is_not_the_new_gangs() -> None:
    world = telling()
    world.with_pods(exited(0, 1), exited(1, 1)).step()
    world.step()
    world.with_pods(pod(0, 2), pod(1, 2)).step()
    world.step()

    world.tell(50, at=10, attempt=1).step()

    assert world.status.progress is None
    assert world.tell(50, at=20, attempt=2).step().status is not None


def test_a_job_that_has_succeeded_is_done() -> None:
    world = telling()
    world.tell(50, at=0).step()

    world.with_pods(exited(0, 0), exited(1, 0)).step()

    assert (world.status.progress.done, world.status.progress.eta) == ("100%", None)


def test_the_time_of_a_checkpoint_stays_while_it_is_the_same_one() -> None:
    world = telling()
    world.tell(50, at=0, checkpoint_step=40, checkpoint_age=4.0).step()
    world.tell(90, at=31, checkpoint_step=40, checkpoint_age=35.7).step()

    assert world.status.progress.last_checkpoint_time == after(-4)


@pytest.mark.parametrize(
    ("step", "of", "shown"), [(0, 10, "0%"), (199, 200, "99%"), (200, 200, "99%"), (7, None, "7/?")]
)
def test_a_share_is_rounded_down_and_whole_only_at_the_end(step: int, of: int | None, shown: str) -> None:
    assert share(step, of) == shown


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(0, "0s"), (59, "59s"), (60, "1m"), (3599, "59m"), (7500, "2h5m"), (100_000, "1d3h"), (1e12, None)],
)
def test_the_time_left_has_two_figures_at_the_most(seconds: float, shown: str | None) -> None:
    assert time_left(0, int(seconds), 1.0) == (shown if seconds else None)


def test_without_an_end_or_a_speed_no_time_is_told() -> None:
    assert time_left(1, None, 1.0) is None
    assert time_left(1, 10, 0.0) is None
