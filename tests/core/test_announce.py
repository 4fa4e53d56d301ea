"""Events: what is told about the change from one status to the next."""

import pytest

from support.builders import live, status
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.core.announce import Announcement, announcements

FAILURE = {"rank": 1, "pod": "digits-1-1", "reason": "Error", "message": "exited with 1"}


def told(old: TrainingJobStatus, new: TrainingJobStatus) -> tuple[str, str, str] | None:
    """The one announcement, None for silence."""
    found = announcements(old, new)
    assert len(found) <= 1
    return (found[0].type, found[0].reason, found[0].message) if found else None


def second(counted: bool = True, failure: object = FAILURE) -> TrainingJobStatus:
    """A job at its second attempt, after the first one broke."""
    first = {"attempt": 1, "counted": counted, "firstFailure": failure}
    return status(attempt=2, restarts=int(counted), attempts=[first, {"attempt": 2}])


def test_the_first_attempt_is_announced() -> None:
    assert told(status(), status(**live(state="Starting"))) == ("Normal", "AttemptStarted", "Attempt 1 starts")


def test_a_restart_tells_who_failed_and_whether_it_counts() -> None:
    broken = "Attempt 1 ended: pod digits-1-1 (rank 1) exited with 1"

    assert told(status(**live()), second()) == ("Warning", "RestartingGang", f"{broken}; counted restart 1")
    assert told(status(**live()), second(counted=False)) == (
        "Warning",
        "RestartingGang",
        f"{broken}; restart that does not count",
    )


def test_an_attempt_after_a_suspension_or_without_a_known_failure_just_starts() -> None:
    assert told(status(**live(state="Suspended")), second()) == ("Normal", "AttemptStarted", "Attempt 2 starts")
    assert told(status(**live()), second(failure=None)) == ("Normal", "AttemptStarted", "Attempt 2 starts")


def test_the_gang_is_announced_once() -> None:
    formed = status(**live(gang="abcd1234", state="Starting"))

    assert told(status(**live(state="Starting")), formed) == ("Normal", "GangFormed", "All pods of attempt 1 exist")
    assert told(formed, formed) is None


@pytest.mark.parametrize(
    ("fields", "event"),
    [
        ({"state": "Running", "nodes": "2/2"}, ("Normal", "GangReady", "2/2 nodes run")),
        ({"state": "Succeeded"}, ("Normal", "Completed", "Every rank exited with 0")),
        (
            {"state": "Suspended"},
            ("Normal", "Suspended", "The pods are deleted; set spec.suspend to false to go on"),
        ),
        ({"state": "Starting"}, None),
        ({"state": "Restarting"}, None),
        ({}, None),
    ],
)
def test_each_new_state_is_told_in_its_words(fields: dict[str, str], event: tuple[str, str, str] | None) -> None:
    assert told(status(state="Pending"), status(**fields)) == event


def test_a_failure_is_told_with_the_failed_conditions_reason_and_message() -> None:
    failed = status("Failed", message="rank 1 exited with 1", state="Failed", reason="RestartLimitReached")

    assert told(status(), failed) == ("Warning", "RestartLimitReached", "rank 1 exited with 1")
    assert told(failed, failed) is None


def test_what_blocks_the_pods_is_told_from_the_condition_that_says_so() -> None:
    stuck = status("PodsReady", true="False", message="pod digits-1-0: no", state="Pending", reason="Unschedulable")

    assert told(status(state="Starting"), stuck) == ("Warning", "Unschedulable", "pod digits-1-0: no")


def test_an_event_without_words_still_has_its_kind() -> None:
    assert told(status(), status(state="Pending")) == ("Warning", "", "")


def test_long_sentences_are_cut() -> None:
    (event,) = announcements(status(), status("Failed", message="x" * 4000, state="Failed", reason="Why"))

    assert isinstance(event, Announcement)
    assert len(event.message) == 1000
    assert event.message.endswith("…")
