"""What people see, and when it is written."""

import pytest

from support.builders import after, condition, deleting, exited, live, pending, pod, seen, status
from trainingjob_operator.api.status import State, TrainingJobStatus
from trainingjob_operator.core.conditions import Situation
from trainingjob_operator.core.observed import Blocked, Observed, Pod
from trainingjob_operator.core.status import at_work, report_due, shown, waiting_for

GANG = "abcd1234"
STARTING = status(**live(state="Starting"))
FORMED = status(**live(gang=GANG, state="Starting"))
RUNNING = status(**live(gang=GANG, state="Running"))


def restarting(reason: str = "Error", failure: object = None, starts: float = 10) -> TrainingJobStatus:
    """A job at its second attempt, decided ten seconds after noon."""
    first = {"attempt": 1, "reason": reason, "endTime": after(10).isoformat(), "firstFailure": failure}
    current = {"attempt": 2, "startTime": after(starts).isoformat()}
    return status(attempt=2, attempts=[first, current], state="Restarting")


def situation(memory: TrainingJobStatus, *pods: Pod, refusal: Blocked | None = None) -> Situation:
    observed = seen(*pods)
    return at_work(memory, Observed(job=observed.job, pods=pods, now=observed.now, refusal=refusal))


def test_a_committed_gang_that_is_up_runs() -> None:
    assert situation(FORMED, pod(0), pod(1)) == Situation(State.RUNNING, "AllPodsReady")
    assert situation(FORMED, exited(0, 0), pod(1)) == Situation(State.RUNNING, "AllPodsReady")


def test_readiness_without_a_committed_gang_is_not_running() -> None:
    assert situation(STARTING, pod(0), pod(1)) == Situation(State.STARTING, "PodsStarting")


@pytest.mark.parametrize("down", [pending(1), exited(1, 1), deleting(1)])
def test_a_running_job_whose_pod_falters_still_runs_and_names_the_pod(down: Pod) -> None:
    assert situation(FORMED, pod(0), down).state == State.STARTING
    assert situation(RUNNING, pod(0), down) == Situation(State.RUNNING, "PodNotReady", "pod digits-1-1 is not ready")


def test_a_running_job_that_misses_a_pod_has_no_pod_to_name() -> None:
    assert situation(RUNNING, pod(0)) == Situation(State.RUNNING, "PodNotReady", "")


def test_the_lowest_blocked_rank_gives_the_reason() -> None:
    stuck = [pending(rank, blocked=Blocked("Unschedulable", f"no room for {rank}")) for rank in (1, 0)]

    assert situation(STARTING, *stuck) == Situation(State.PENDING, "Unschedulable", "pod digits-1-0: no room for 0")


def test_a_block_without_a_sentence_repeats_its_reason() -> None:
    stuck = pending(0, blocked=Blocked("ErrImagePull", ""))

    assert situation(STARTING, stuck) == Situation(State.PENDING, "ErrImagePull", "pod digits-1-0: ErrImagePull")


def test_what_the_api_server_refused_comes_before_what_blocks_a_pod() -> None:
    stuck = pending(0, blocked=Blocked("Unschedulable", "no room"))

    found = situation(STARTING, stuck, refusal=Blocked("QuotaExceeded", "Pod digits-1-1: exceeded quota"))

    assert found == Situation(State.PENDING, "QuotaExceeded", "Pod digits-1-1: exceeded quota")


def test_a_stopped_pod_blocks_nothing() -> None:
    gone = exited(0, 1, blocked=Blocked("CrashLoopBackOff", ""))

    assert situation(STARTING, gone).state == State.STARTING


def test_a_restart_shows_what_broke_and_when_it_goes_on() -> None:
    failure = {"rank": 1, "pod": "digits-1-1", "reason": "OOMKilled", "message": "exited with 137"}

    at_once = situation(restarting("OOMKilled", failure))
    later = situation(restarting("OOMKilled", failure, starts=20))

    assert at_once == Situation(State.RESTARTING, "OOMKilled", "pod digits-1-1 (rank 1) exited with 137")
    assert later.message == "pod digits-1-1 (rank 1) exited with 137; attempt 2 starts at 12:00:20 UTC"


def test_a_restart_without_an_account_says_that_the_attempt_ended() -> None:
    assert situation(restarting("")) == Situation(State.RESTARTING, "Restarting", "attempt 1 ended")


def test_a_blocked_restart_shows_the_block() -> None:
    stuck = pending(0, attempt=2, blocked=Blocked("Unschedulable", "no room"))

    assert situation(restarting(), stuck) == Situation(State.RESTARTING, "Unschedulable", "pod digits-2-0: no room")


def test_an_attempt_after_a_suspension_is_a_start_and_no_restart() -> None:
    assert situation(restarting("Suspended")).state == State.STARTING


def test_shown_counts_the_pods_of_this_attempt_that_are_up() -> None:
    observed = seen(pod(0), pending(1), pod(2, attempt=2))

    found = shown(RUNNING, Situation(State.RUNNING, "PodNotReady", "why"), observed)

    assert (found.state, found.reason, found.nodes, found.ready) == ("Running", "PodNotReady", "1/2", 1)
    assert condition(found, "PodsReady") == "False"
    assert found.observed_generation == 1


def test_all_up_and_running_makes_pods_ready() -> None:
    observed = seen(pod(0), pod(1))

    assert condition(shown(RUNNING, Situation(State.RUNNING, "AllPodsReady"), observed), "PodsReady") == "True"
    assert condition(shown(RUNNING, Situation(State.STARTING, "PodsStarting"), observed), "PodsReady") == "False"


def test_a_suspended_job_counts_no_pods_though_they_still_end() -> None:
    assert shown(RUNNING, Situation(State.SUSPENDED, "SpecSuspend"), seen(pod(0), pod(1))).nodes == "0/2"


def test_an_invalid_job_shows_no_nodes() -> None:
    found = shown(status(), Situation(State.FAILED, "InvalidSpec", "x"), seen(env=[{"name": "RANK", "value": "1"}]))

    assert (found.nodes, found.ready) == (None, 0)


def test_a_situation_without_a_reason_shows_none_and_a_long_sentence_is_cut() -> None:
    assert shown(status(), Situation(State.STARTING, ""), seen()).reason is None

    failed = shown(status(), Situation(State.FAILED, "Why", "x" * 5000), seen())

    message = next(one.message for one in failed.conditions if one.type == "Failed")
    assert len(message) == 2000
    assert message.endswith("…")


def due(old: TrainingJobStatus, new: TrainingJobStatus, at: float, reported: float | None = None) -> float | None:
    """When the change is written, in seconds after noon."""
    observed = Observed(
        job=seen().job, pods=(), now=after(at), reported_at=None if reported is None else after(reported)
    )
    found = report_due(old, new, observed)
    return None if found is None else (found - after(0)).total_seconds()


def test_no_change_is_not_written() -> None:
    assert due(RUNNING, RUNNING, 60) is None


@pytest.mark.parametrize("state", ["Running", "Restarting", "Suspended", "Succeeded", "Failed"])
def test_what_people_wait_for_is_written_at_once(state: str) -> None:
    assert due(STARTING, status(**live(state=state)), 0.1) == 0.1


def test_a_decision_is_written_at_once() -> None:
    assert due(STARTING, FORMED, 0.1) == 0.1
    assert due(status(), STARTING, 0.1) == 0.1


def test_the_first_state_is_written_at_once() -> None:
    assert due(status(**live()), STARTING, 0.1) == 0.1


def test_a_mere_count_waits_until_five_seconds_after_the_last_report() -> None:
    counted = status(**live(state="Starting", ready=1))

    assert due(STARTING, counted, 1) == 5
    assert due(STARTING, counted, 6, reported=4) == 9
    assert due(STARTING, counted, 60, reported=4) == 60
    assert due(STARTING, counted, 60, reported=4000) == 65


def test_being_blocked_may_wait_too() -> None:
    assert due(STARTING, status(**live(state="Pending", reason="Unschedulable")), 1) == 5


def test_without_an_attempt_that_started_a_change_is_written_at_once() -> None:
    assert due(status(state="Pending"), status(state="Pending", ready=1), 1) == 1
    unknown = {"attempt": 1, "attempts": [{"attempt": 1}], "state": "Starting"}
    assert due(status(**unknown), status(**unknown, ready=1), 1) == 1


def test_waiting_for_old_pods_names_the_first_three_and_the_remedy() -> None:
    few, many = waiting_for([pod(0), pod(1)]), waiting_for([pod(rank) for rank in range(5)])

    assert few.reason == "WaitingForOldPods"
    assert few.message.startswith("waiting until digits-1-0, digits-1-1 stopped")
    assert "kubectl delete pod" in few.message
    assert "digits-1-2 and 2 more stopped" in many.message
