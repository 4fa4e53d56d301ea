"""The steps of a job's life, as changes of its status."""

from datetime import timedelta

from support.builders import NOON, after
from trainingjob_operator.api.status import MAX_ATTEMPTS, Condition, Failure, TrainingJobStatus
from trainingjob_operator.core import progress

FRESH = TrainingJobStatus()


def with_condition(kind: str) -> TrainingJobStatus:
    return TrainingJobStatus(conditions=[Condition(type=kind, status="True", reason="Why", last_transition_time=NOON)])


def test_a_first_attempt_starts_the_jobs_clock() -> None:
    begun = progress.begun(FRESH, NOON)

    assert (begun.attempt, begun.gang, begun.start_time) == (1, None, NOON)
    assert begun.attempts[0].start_time == NOON
    assert progress.is_live(begun)


def test_a_delayed_attempt_starts_later_but_the_jobs_clock_goes_on() -> None:
    first = progress.ended(progress.begun(FRESH, NOON), after(5), "Error")

    second = progress.begun(first, after(5), delay=timedelta(seconds=10))

    assert (second.attempts[-1].start_time, second.start_time) == (after(15), NOON)


def test_an_attempts_number_is_above_all_that_were_seen() -> None:
    assert progress.begun(FRESH, NOON, after=7).attempt == 8


def test_the_newest_ten_attempts_are_kept() -> None:
    status = FRESH
    for _ in range(MAX_ATTEMPTS + 3):
        status = progress.ended(progress.begun(status, NOON), NOON, "Error")

    assert [attempt.attempt for attempt in status.attempts] == list(range(4, 14))


def test_an_ended_attempt_keeps_its_failure_and_ends_only_once() -> None:
    failure = Failure(rank=1, pod="digits-1-1", reason="Error")
    ended = progress.ended(progress.begun(FRESH, NOON), after(5), "Error", counted=True, failure=failure)

    last = ended.attempts[-1]
    assert (last.end_time, last.reason, last.counted, last.first_failure) == (after(5), "Error", True, failure)
    assert not progress.is_live(ended)
    assert progress.ended(ended, after(9), "Other") is ended
    assert progress.ended(FRESH, NOON, "Other") is FRESH


def test_a_refined_attempt_takes_the_place_of_the_one_before_the_current() -> None:
    two = progress.begun(progress.ended(progress.begun(FRESH, NOON), NOON, "LostPeer"), NOON)
    better = two.attempts[0].model_copy(update={"reason": "OOMKilled"})

    assert progress.with_refined(two, better).attempts == [better, two.attempts[1]]


def test_only_counted_restarts_are_counted() -> None:
    assert progress.restarted(FRESH, counted=True).restarts == 1
    assert progress.restarted(FRESH, counted=False).restarts == 0


def test_a_suspension_ends_the_attempt_and_stops_the_clock() -> None:
    asleep = progress.suspended(progress.begun(FRESH, NOON), after(5))

    assert (asleep.gang, asleep.start_time, asleep.attempts[-1].reason) == (None, None, "Suspended")


def test_what_is_over_is_read_from_the_conditions() -> None:
    assert progress.is_finished(with_condition("Complete"))
    assert progress.is_finished(with_condition("Failed"))
    assert not progress.is_finished(with_condition("Restarting"))
    assert progress.is_suspended(with_condition("Suspended"))
    assert not progress.is_suspended(FRESH)
    assert progress.completed(FRESH, NOON).completion_time == NOON
