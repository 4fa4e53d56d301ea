"""Why a gang broke: which pod failed first, how, and whether that counts."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import after, deleting, exited, pending, pod, seen
from trainingjob_operator.api.status import Attempt, Failure
from trainingjob_operator.core.failure import Cause, cause_of, first_cause, lost, refined, waits_for_cause
from trainingjob_operator.core.observed import Exit, Pod

TRAINER = {"trainer": {"config": {"model": {}}}}


def first(*pods: Pod, **fields: object) -> Cause:
    """The first cause among pods, of which there must be one."""
    found = first_cause(pods, seen(*pods, **fields))
    assert found is not None
    return found


@pytest.mark.parametrize(
    "one", [pod(0), pending(0), exited(0, 0), deleting(0, exit=Exit(0, "Completed", "", after(1)))]
)
def test_a_pod_at_work_waiting_or_done_is_no_failure(one: Pod) -> None:
    assert cause_of(one, seen(one)) is None


def test_the_earliest_failure_is_the_first() -> None:
    assert first(exited(0, 1, at=9), exited(1, 1, at=7), exited(2, 1, at=8)).failure.rank == 1


def test_of_failures_in_the_same_second_the_lowest_rank_is_named() -> None:
    assert first(exited(2, 1, at=7), exited(1, 1, at=7)).failure.rank == 1


def test_a_lost_peer_loses_to_the_cause_even_if_it_was_seen_to_end_earlier() -> None:
    cause = first(exited(0, 75, at=1), exited(1, 1, at=4))

    assert (cause.failure.rank, cause.symptom) == (1, False)


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeError: [gloo/pair.cc:534] Connection closed by peer [10.0.0.2]:29500",
        "ncclRemoteError: A call failed possibly due to a network error",
        "torch.distributed.DistNetworkError: Connection reset by remote peer",
        "recvValue failed on SocketImpl: Connection was reset by peer",
        "BrokenPipeError: [Errno 32] Broken pipe",
    ],
)
def test_a_rank_that_lost_its_connection_is_a_symptom(line: str) -> None:
    cause = first(exited(0, 1, message=f"Traceback ...\n{line}"))

    assert cause.symptom
    assert (cause.failure.reason, cause.counted) == ("LostPeer", True)


def test_symptoms_alone_name_the_earliest_of_them() -> None:
    assert first(exited(0, 75, at=5), exited(1, 75, at=4)).failure.rank == 1


def test_a_kill_for_memory_is_a_cause_whatever_the_last_lines_say() -> None:
    cause = first(exited(0, 137, why="OOMKilled", message="retrying: connection reset by peer"))

    assert (cause.failure.reason, cause.symptom) == ("OOMKilled", False)


@given(st.lists(st.tuples(st.integers(0, 5), st.sampled_from([1, 75])), min_size=1, max_size=6))
def test_the_verdict_does_not_depend_on_the_order_in_which_pods_are_listed(ends: list[tuple[int, int]]) -> None:
    pods = [exited(rank, code, at=at) for rank, (at, code) in enumerate(ends)]

    assert first(*pods) == first(*reversed(pods))
    assert first(*pods).symptom == all(code == 75 for _, code in ends)


def test_a_running_pod_that_is_deleted_breaks_the_gang_without_counting() -> None:
    cause = first(deleting(1, since=5))

    assert (cause.failure.reason, cause.failure.message, cause.counted) == ("PodDeleted", "was deleted", False)
    assert cause.at == after(5)


def test_what_ends_after_its_deletion_was_ended_by_it() -> None:
    cause = first(exited(1, 143, at=9, deleting_since=after(5)))

    assert (cause.failure.reason, cause.counted) == ("PodDeleted", False)


def test_what_failed_before_somebody_deleted_it_failed_on_its_own() -> None:
    cause = first(exited(1, 1, at=4, deleting_since=after(5)))

    assert (cause.failure.reason, cause.counted) == ("Error", True)


def test_an_end_without_a_time_under_deletion_is_the_deletions() -> None:
    one = pod(1, exit=Exit(143, "Error", "", None), deleting_since=after(5))

    assert first(one).failure.reason == "PodDeleted"


def test_a_pod_that_the_node_refused_and_somebody_then_deleted_keeps_the_nodes_reason() -> None:
    one = pod(1, phase="Failed", reason="UnexpectedAdmissionError", message="no GPU", deleting_since=after(5))

    cause = first(one)

    assert (cause.failure.reason, cause.failure.message, cause.counted) == ("UnexpectedAdmissionError", "no GPU", False)


def test_a_pod_that_failed_without_a_word_says_at_least_that() -> None:
    failure = first(pod(1, phase="Failed")).failure

    assert (failure.reason, failure.message, failure.exit_code) == ("PodFailed", "ended before it ran", None)


def test_an_evicted_pod_does_not_count_and_quotes_the_kubelet() -> None:
    one = pod(0, phase="Failed", disruption="Evicted", reason="Evicted", message="The node was low on memory")

    cause = first(one)

    assert (cause.failure.reason, cause.counted) == ("Evicted", False)
    assert cause.failure.message == "The node was low on memory"


def test_a_preempted_pod_that_still_had_an_exit_code_does_not_count() -> None:
    cause = first(exited(0, 143, at=7, disruption="PreemptionByScheduler"))

    assert (cause.failure.reason, cause.failure.exit_code, cause.counted) == ("PreemptionByScheduler", 143, False)
    assert cause.failure.message == "was ended: PreemptionByScheduler"
    assert cause.at == after(7)


def test_a_deleted_pod_names_the_disruption_that_deleted_it() -> None:
    assert first(deleting(0, disruption="EvictionByEvictionAPI")).failure.reason == "EvictionByEvictionAPI"


def test_a_configuration_error_of_the_built_in_trainer_is_permanent() -> None:
    assert first(exited(0, 2), run=TRAINER).permanent
    assert not first(exited(0, 1), run=TRAINER).permanent
    assert not first(exited(0, 2)).permanent


def test_the_last_words_tell_the_exit_code_the_signal_and_the_log() -> None:
    assert first(exited(0, 1)).failure.message == "exited with 1"
    assert first(exited(0, 139)).failure.message == "exited with 139 (signal 11)"
    assert first(exited(0, 255)).failure.message == "exited with 255"
    assert first(exited(0, 1, message=" boom\n")).failure.message == "exited with 1; its last lines: boom"


def test_of_a_long_log_the_end_is_kept() -> None:
    message = first(exited(0, 1, message="x" * 4000 + "the end")).failure.message

    assert message.startswith("exited with 1; its last lines: …xxx")
    assert message.endswith("the end")
    assert len(message) <= 1024


def test_a_sentence_names_rank_pod_and_node() -> None:
    on_node = Cause(
        Failure(rank=1, pod="digits-1-1", node="n1", reason="Error", message="boom"), after(0), counted=True
    )
    nowhere = lost(seen(), 0, "digits-1-0", "PodDeleted", "")

    assert on_node.sentence() == "rank 1 (pod digits-1-1 on node n1): boom"
    assert nowhere.sentence() == "rank 0 (pod digits-1-0): PodDeleted"
    assert (nowhere.counted, nowhere.at) == (False, after(60))


def symptom(at: float) -> Cause:
    return first(exited(0, 75, at=at))


@pytest.mark.parametrize(("now", "until"), [(10, 13), (12.9, 13), (13, None), (60, None)])
def test_a_symptom_waits_three_seconds_for_its_cause(now: float, until: float | None) -> None:
    pods = [exited(0, 75, at=10), pod(1)]

    assert waits_for_cause(symptom(10), pods, after(now)) == (until and after(until))


def test_a_node_whose_clock_is_ahead_makes_nobody_wait() -> None:
    assert waits_for_cause(symptom(3600), [exited(0, 75, at=3600), pod(1)], after(10)) is None


def test_nobody_waits_when_no_pod_is_left_that_could_tell() -> None:
    assert waits_for_cause(symptom(10), [exited(0, 75, at=10), exited(1, 75, at=10)], after(11)) is None


def test_a_cause_does_not_wait() -> None:
    assert waits_for_cause(first(exited(0, 1, at=10)), [exited(0, 1, at=10), pod(1)], after(11)) is None


def ended_attempt(**fields: object) -> Attempt:
    failure = Failure(rank=0, pod="digits-1-0", reason="LostPeer", message="exited with 75")
    known = {"attempt": 1, "end_time": after(10), "reason": "LostPeer", "counted": True, "first_failure": failure}
    return Attempt(**(known | fields))


def test_a_cause_that_was_reported_late_replaces_the_symptom_that_was_seen_first() -> None:
    better = refined(ended_attempt(), seen(exited(0, 75, at=9), exited(1, 1, at=8, message="boom")))

    assert better.first_failure is not None
    assert (better.first_failure.rank, better.reason, better.counted) == (1, "Error", True)


def test_what_the_restart_itself_ended_is_not_taken_for_the_cause() -> None:
    attempt = ended_attempt()

    assert refined(attempt, seen(exited(1, 143, at=11), pod(2), exited(0, 1, at=5, attempt=2))) is attempt
    assert refined(attempt, seen(exited(1, 143, at=9, deleting_since=after(8)))) is attempt


def test_an_account_that_says_the_same_already_stays() -> None:
    one = exited(1, 1, at=8)
    attempt = ended_attempt(first_failure=first(one).failure, reason="Error")

    assert refined(attempt, seen(one)) is attempt


@pytest.mark.parametrize("fields", [{"first_failure": None}, {"counted": False}, {"end_time": None}])
def test_only_a_counted_failure_that_ended_an_attempt_is_refined(fields: dict[str, object]) -> None:
    attempt = ended_attempt(**fields)

    assert refined(attempt, seen(exited(1, 1, at=1))) is attempt
