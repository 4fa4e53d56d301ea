"""Who may lead, as a decision: by the lease as seen, and by nobody else's clock."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_operator.cluster.election import (
    Decision,
    Record,
    Sight,
    Step,
    Timing,
    decide,
    seen,
    timing_of,
    write_until,
)

TIMING = Timing(duration=15, renew_deadline=10, retry=2)


def record(holder: str = "other", renewed: str = "1", duration: float = 15) -> Record:
    return Record(holder=holder, acquired="0", renewed=renewed, transitions=0, duration=duration)


@pytest.mark.parametrize("free", [None, record(holder="")])
def test_a_lease_that_nobody_holds_is_claimed_at_once(free: Record | None) -> None:
    assert decide(Sight(free, since=0), "me", None, 0, TIMING) == Decision(Step.CLAIM)


def test_anothers_lease_is_waited_for_from_when_it_was_last_seen_to_change() -> None:
    sight = Sight(record(), since=100)

    assert decide(sight, "me", None, 104, TIMING) == Decision(Step.WAIT, 11)
    assert decide(sight, "me", None, 115, TIMING) == Decision(Step.CLAIM)


def test_the_holders_own_duration_counts() -> None:
    assert decide(Sight(record(duration=60), 0), "me", None, 15, TIMING) == Decision(Step.WAIT, 45)
    assert decide(Sight(record(duration=0), 0), "me", None, 14, TIMING) == Decision(Step.WAIT, 1)


def test_the_own_lease_is_renewed_every_retry_period() -> None:
    sight = Sight(record(holder="me"), since=100)

    assert decide(sight, "me", 100, 101.5, TIMING) == Decision(Step.WAIT, 0.5)
    assert decide(sight, "me", 100, 102, TIMING) == Decision(Step.RENEW)


def test_a_lease_that_is_ours_without_our_knowing_is_renewed_at_once() -> None:
    assert decide(Sight(record(holder="me"), 0), "me", None, 0, TIMING) == Decision(Step.RENEW)


def test_seeing_the_same_again_does_not_prolong_it() -> None:
    first = seen(None, record(), 10)

    assert seen(first, record(), 20) == Sight(record(), 10)
    assert seen(first, record(renewed="2"), 20) == Sight(record(renewed="2"), 20)


def test_a_deleted_lease_still_counts_for_who_had_seen_it() -> None:
    first = seen(None, record(), 10)

    assert seen(first, None, 12) == first
    assert seen(None, None, 12) == Sight(None, 12)


@pytest.mark.parametrize(("duration", "deadline", "retry"), [(10, 10, 2), (15, 4, 2), (15, 10, 0), (5, 10, 2)])
def test_times_that_do_not_fit_are_refused(duration: float, deadline: float, retry: float) -> None:
    with pytest.raises(ValueError, match="do not fit"):
        Timing(duration, deadline, retry)


@given(st.integers(1, 3600))
def test_the_usual_proportions_always_fit(seconds: int) -> None:
    assert timing_of(seconds).renew_deadline < seconds


@given(sent=st.floats(0, 1e6), lag=st.floats(0, 100), now=st.floats(0, 1e6))
def test_no_claim_comes_before_the_last_holders_writes_have_ended(sent: float, lag: float, now: float) -> None:
    """Whatever the lag: another sees a renewal after it was sent, and waits for longer than its holder writes."""
    sight = Sight(record(), since=sent + lag)

    if decide(sight, "me", None, now, TIMING).step is Step.CLAIM:
        assert now >= write_until(sent, TIMING) + TIMING.duration - TIMING.renew_deadline - 1e-6
