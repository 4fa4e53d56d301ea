"""How long the next attempt waits."""

from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import NOON, after
from trainingjob_operator.api.status import Attempt
from trainingjob_operator.core.backoff import GOOD_RUN, LONGEST, SUSPENDED, restart_delay


def ran(seconds: float, reason: str = "Error") -> Attempt:
    """An attempt that ran so long."""
    return Attempt(attempt=1, start_time=NOON, end_time=after(seconds), reason=reason)


SHORT = st.floats(0, GOOD_RUN.total_seconds() - 1).map(ran)
GOOD = st.floats(GOOD_RUN.total_seconds(), 10**6).map(ran)
ANY = st.one_of(SHORT, GOOD, SHORT.map(lambda attempt: attempt.model_copy(update={"reason": SUSPENDED})))


@pytest.mark.parametrize(("failures", "seconds"), [(1, 0), (2, 10), (3, 20), (4, 40), (5, 80), (6, 160), (7, 300)])
def test_the_first_restart_is_at_once_then_ten_seconds_doubling_up_to_five_minutes(
    failures: int, seconds: float
) -> None:
    assert restart_delay([ran(1)] * failures) == timedelta(seconds=seconds)


def test_before_any_attempt_there_is_nothing_to_wait_for() -> None:
    assert restart_delay([]) == timedelta()


@given(st.lists(ANY, max_size=10), SHORT)
def test_one_more_short_attempt_never_shortens_the_wait_and_the_wait_is_capped(
    history: list[Attempt], short: Attempt
) -> None:
    before, then = restart_delay(history), restart_delay([*history, short])

    assert before <= then <= LONGEST


@given(st.lists(ANY, max_size=10), GOOD)
def test_ten_good_minutes_make_the_next_restart_immediate(history: list[Attempt], good: Attempt) -> None:
    assert restart_delay([*history, good]) == timedelta()


@given(st.lists(ANY, max_size=10), st.lists(SHORT, max_size=10), st.one_of(GOOD, st.just(ran(1, SUSPENDED))))
def test_what_was_before_a_good_run_or_a_suspension_is_forgotten(
    history: list[Attempt], later: list[Attempt], between: Attempt
) -> None:
    assert restart_delay([*history, between, *later]) == restart_delay(later)


def test_an_attempt_without_times_was_a_short_one() -> None:
    assert restart_delay([Attempt(attempt=1), Attempt(attempt=2, start_time=NOON)]) == timedelta(seconds=10)
