"""How an attempt stands: the verdict on every mixture of pods."""

import pytest

from support.builders import after, deleting, exited, live, pending, pod, seen
from trainingjob_operator.core.attempt import (
    Broken,
    Done,
    Formed,
    Incomplete,
    Undecided,
    Unsure,
    Verdict,
    Whole,
    digest,
    judge,
)
from trainingjob_operator.core.observed import Pod

PAIR = {0: pod(0), 1: pod(1)}
FORMING, COMMITTED = live(), live(gang=digest(PAIR))
DIGEST = digest(PAIR)


@pytest.mark.parametrize(
    ("pods", "verdict"),
    [
        ([], Incomplete((0, 1))),
        ([pod(0)], Incomplete((1,))),
        ([pending(0), pending(1)], Formed(DIGEST)),
        ([pod(0), exited(1, 0)], Formed(DIGEST)),
        ([exited(0, 0), exited(1, 0)], Done()),
        ([exited(0, 75, at=59), pod(1)], Undecided(after(62))),
    ],
)
def test_before_the_gang_is_committed(pods: list[Pod], verdict: Verdict) -> None:
    assert judge(seen(*pods, status=FORMING)) == verdict


@pytest.mark.parametrize(
    ("pods", "verdict"),
    [
        ([pod(0), pod(1)], Whole()),
        ([pod(0), pending(1)], Whole()),
        ([exited(0, 0), pod(1)], Whole()),
        ([exited(0, 0), exited(1, 0)], Done()),
        ([exited(0, 75, at=59), pod(1)], Undecided(after(62))),
    ],
)
def test_after_the_gang_is_committed(pods: list[Pod], verdict: Verdict) -> None:
    assert judge(seen(*pods, status=COMMITTED)) == verdict


@pytest.mark.parametrize(
    ("pods", "reason", "rank"),
    [
        ([pod(0), exited(1, 1)], "Error", 1),
        ([pod(0), deleting(1)], "PodDeleted", 1),
        ([pod(0)], "PodDeleted", 1),
        ([pod(1)], "PodDeleted", 0),
        ([], "PodDeleted", 0),
        ([pod(0), pod(1, uid="another")], "PodReplaced", 0),
        ([exited(0, 75, at=1), pod(1)], "LostPeer", 0),
    ],
)
def test_a_committed_gang_breaks_as_a_whole(pods: list[Pod], reason: str, rank: int) -> None:
    verdict = judge(seen(*pods, status=COMMITTED))

    assert isinstance(verdict, Broken)
    assert (verdict.cause.failure.reason, verdict.cause.failure.rank) == (reason, rank)


@pytest.mark.parametrize("pods", [[pod(0)], [], [pod(0), pod(1, uid="another")]])
def test_absence_is_not_believed_from_a_cache(pods: list[Pod]) -> None:
    assert judge(seen(*pods, status=COMMITTED, quorum=False)) == Unsure()


def test_presence_is_believed_from_a_cache() -> None:
    assert isinstance(judge(seen(pod(0), exited(1, 1), status=COMMITTED, quorum=False)), Broken)


def test_a_forming_gang_that_lost_its_main_node_is_broken_since_others_know_its_address() -> None:
    assert judge(seen(pod(1), status=FORMING, quorum=False)) == Unsure()
    assert isinstance(judge(seen(pod(1), status=FORMING)), Broken)


def test_pods_of_other_attempts_and_other_jobs_are_not_in_the_gang() -> None:
    strangers = [pod(0, attempt=2), pod(1, job_uid="another life"), exited(1, 1, job_uid="another life")]

    assert judge(seen(pod(0), *strangers, status=FORMING)) == Incomplete((1,))


def test_the_digest_is_of_the_pods_and_not_of_their_order_or_state() -> None:
    assert digest({1: exited(1, 1), 0: pending(0)}) == DIGEST
    assert digest({0: pod(0), 1: pod(1, uid="another")}) != DIGEST
    assert digest({0: pod(1), 1: pod(0)}) != DIGEST
    assert len(DIGEST) == 8
