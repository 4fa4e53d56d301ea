"""Which pods must go, and how gently."""

import pytest

from support.builders import after, deleting, exited, live, pod, seen, status
from trainingjob_operator.core.condemned import BROKEN_GANG_GRACE, Deletion, deletions
from trainingjob_operator.core.observed import Pod

FAILURE = {"rank": 0, "pod": "digits-3-0", "reason": "Error"}


def fate(one: Pod, *true: str, failure: bool = False) -> str:
    """What becomes of a pod when a job is at attempt 3 with these conditions true."""
    ended = [{"attempt": 3, "endTime": after(9).isoformat(), "firstFailure": FAILURE}]
    committed = status(*true, **live(3) | ({"attempts": ended} if failure else {}))
    match deletions(committed, seen(one)):
        case []:
            return "stays"
        case [Deletion(pod=gone, grace_seconds=grace)]:
            assert gone is one
            return {None: "goes gently", BROKEN_GANG_GRACE: "goes fast"}[grace]
        case more:
            raise AssertionError(more)


@pytest.mark.parametrize(
    ("one", "verdict"),
    [
        (pod(0, attempt=3), "stays"),
        (exited(0, 1, attempt=3), "stays"),
        (pod(0, attempt=2), "goes fast"),
        (exited(0, 1, attempt=2), "stays"),
        (exited(0, 0, attempt=1), "goes fast"),
        (pod(0, attempt=4), "stays"),
        (exited(0, 1, attempt=4), "stays"),
        (deleting(0, attempt=1), "stays"),
        (exited(0, 1, attempt=2, has_running_sidecar=True), "goes fast"),
        (exited(0, 0, attempt=3, has_running_sidecar=True), "stays"),
        (pod(0, attempt=2, job_uid="another life"), "stays"),
    ],
)
def test_while_the_attempt_is_under_way(one: Pod, verdict: str) -> None:
    assert fate(one) == verdict


@pytest.mark.parametrize("over", ["Complete", "Failed", "Suspended"])
def test_what_still_runs_when_it_is_over_goes_with_its_own_grace_period(over: str) -> None:
    assert fate(pod(0, attempt=3), over) == "goes gently"
    assert fate(exited(0, 0, attempt=3), over) == "stays"
    assert fate(exited(0, 0, attempt=3, has_running_sidecar=True), over) == "goes gently"
    assert fate(pod(0, attempt=2), over) == "goes fast"


def test_the_peers_of_the_failure_that_ended_the_job_go_fast() -> None:
    assert fate(pod(1, attempt=3), "Failed", failure=True) == "goes fast"
    assert fate(pod(1, attempt=3), "Complete", failure=True) == "goes gently"


def test_a_job_that_failed_before_any_attempt_has_nobody_to_hurry() -> None:
    assert deletions(status("Failed"), seen(status={})) == []
