"""A job's life, pass by pass: what `plan` decides from what it sees."""

import pytest

from support.builders import World, condition, created, deleted, deleting, exited, pending, pod


def test_the_first_pass_commits_the_attempt_and_creates_the_main_node_alone() -> None:
    world = World(numNodes=3)

    decision = world.step()

    assert world.status.attempt == 1
    assert world.status.state == "Starting"
    assert created(decision) == ["digits-1-0"]
    assert [child.resource.kind for child in decision.children] == ["Service", "NetworkPolicy"]


def test_nothing_is_created_before_the_api_server_was_asked_for_older_pods() -> None:
    decision = World().look()

    assert decision.needs_quorum
    assert not decision.pods


def test_all_five_conditions_are_there_from_the_first_pass() -> None:
    world = World()
    world.step()

    kinds = {c.type: c.status for c in world.status.conditions}

    assert kinds == dict.fromkeys(["Suspended", "PodsReady", "Restarting", "Complete", "Failed"], "False")


def test_the_others_are_created_with_the_main_nodes_address_once_it_has_one() -> None:
    world = World(numNodes=3)
    world.step()
    world.with_pods(pending(0, ip="10.0.0.9"))

    decision = world.step()

    assert created(decision) == ["digits-1-1", "digits-1-2"]
    aliases = [create.body["spec"]["hostAliases"] for create in decision.pods]
    assert aliases == [[{"ip": "10.0.0.9", "hostnames": ["digits-1-0.digits.ml.svc.cluster.local"]}]] * 2


def test_the_others_wait_two_seconds_for_the_address_and_no_longer() -> None:
    world = World()
    world.step()
    world.with_pods(pending(0))

    early, late = world.at(0.5).step(), world.at(2).step()

    assert created(early) == []
    assert early.requeue_after == pytest.approx(1.5)
    assert created(late) == ["digits-1-1"]
    assert "hostAliases" not in late.pods[0].body["spec"]


def test_parallel_creates_all_pods_at_once() -> None:
    assert created(World(numNodes=4, startPolicy="Parallel").step()) == [f"digits-1-{rank}" for rank in range(4)]


def test_the_gang_is_committed_when_all_pods_exist_and_runs_when_all_are_ready() -> None:
    world = World()
    world.step()
    world.with_pods(pod(0), pending(1))
    world.step()
    assert world.status.gang
    assert world.status.state == "Starting"

    world.with_pods(pod(0), pod(1)).step()

    assert world.status.state == "Running"
    assert world.status.nodes == "2/2"
    assert condition(world.status, "PodsReady") == "True"


def test_a_healthy_life_costs_four_status_writes() -> None:
    world = World()
    sights = [
        (),
        (pending(0),),
        (pod(0), pending(1)),
        (pod(0), pod(1)),
        (exited(0, 0), pod(1)),
        (exited(0, 0), exited(1, 0)),
    ]

    writes = [world.with_pods(*pods).step().status for pods in sights]

    assert sum(status is not None for status in writes) == 4
    assert world.status.state == "Succeeded"


def test_a_pass_with_nothing_new_does_nothing() -> None:
    world = World().running()

    decision = world.at(3600).step()

    assert (decision.status, decision.pods, decision.deletions, decision.events) == (None, (), (), ())


@pytest.mark.parametrize("code", [1, 137, 134, 255])
def test_a_failed_pod_restarts_the_whole_gang_and_counts(code: int) -> None:
    world = World().running().with_pods(pod(0), exited(1, code, at=5)).at(6)

    decision = world.step()

    assert (world.status.attempt, world.status.restarts, world.status.gang) == (2, 1, None)
    assert world.status.state == "Restarting"
    assert deleted(decision) == ["digits-1-0"]
    assert decision.deletions[0].grace_seconds == 5
    failure = world.status.attempts[0].first_failure
    assert (failure.rank, failure.pod, failure.exit_code) == (1, "digits-1-1", code)


def test_the_new_gang_waits_until_the_last_old_pod_has_stopped() -> None:
    world = World().running().with_pods(pod(0), exited(1, 1))
    world.step()
    waiting = world.with_pods(deleting(0), exited(1, 1)).step()
    assert created(waiting) == []

    after_all = world.with_pods(exited(0, 143), exited(1, 1)).step()

    assert created(after_all) == ["digits-2-0"]


def test_the_budget_ends_the_job_and_the_reason_names_the_first_failure() -> None:
    world = World(failurePolicy={"maxRestarts": 0}).running().with_pods(pod(0), exited(1, 1, message="boom"))

    decision = world.step()

    assert world.status.state == "Failed"
    assert world.status.reason == "RestartLimitReached"
    assert deleted(decision) == ["digits-1-0"]
    message = next(c.message for c in world.status.conditions if c.type == "Failed")
    assert "rank 1" in message
    assert "boom" in message
    assert "maxRestarts is 0" in message


def test_uncounted_restarts_do_not_spend_the_budget() -> None:
    world = World(failurePolicy={"maxRestarts": 0}).running()

    world.with_pods(deleting(0), pod(1)).step()

    assert (world.status.attempt, world.status.restarts) == (2, 0)
    assert world.status.attempts[0].reason == "PodDeleted"
    assert world.status.attempts[0].counted is False


def test_a_missing_pod_is_believed_only_after_a_quorum_read() -> None:
    world = World().running().with_pods(pod(0))

    assert world.look().needs_quorum
    assert world.look(quorum=True).status.attempt == 2


def test_a_pod_that_was_replaced_under_its_name_breaks_the_gang() -> None:
    world = World().running().with_pods(pod(0), pod(1, uid="another"))

    assert world.look().needs_quorum
    world.step()

    assert world.status.attempts[0].reason == "PodReplaced"


def test_before_the_gang_is_committed_a_vanished_pod_is_made_again() -> None:
    world = World(numNodes=3, startPolicy="Parallel")
    world.step()

    decision = world.with_pods(pod(0), pod(2)).step()

    assert created(decision) == ["digits-1-1"]
    assert world.status.attempt == 1


def test_a_vanished_main_node_breaks_the_gang_even_before_it_is_committed() -> None:
    world = World(numNodes=3)
    world.step()

    world.with_pods(pod(1)).step()

    assert world.status.attempt == 2


def test_the_second_restart_in_a_row_waits_ten_seconds() -> None:
    world = World().running()
    world.with_pods(exited(0, 1, at=1), pod(1)).at(2).step()
    old = (exited(0, 1, at=1), exited(1, 143, at=2))
    world.with_pods(*old).step()
    world.with_pods(*old, exited(0, 1, at=4, attempt=2), exited(1, 1, at=5, attempt=2)).at(5)

    decision = world.step()

    assert decision.requeue_after == 10
    assert created(world.at(14).step()) == []
    assert created(world.at(15).step()) == ["digits-3-0"]


def test_all_ranks_done_completes_the_job_for_good() -> None:
    world = World().running().with_pods(exited(0, 0), exited(1, 0)).at(60)
    world.step()
    assert world.status.state == "Succeeded"
    assert condition(world.status, "Complete") == "True"
    assert condition(world.status, "Failed") == "False"

    decision = world.with_pods().at(3600).step()

    assert (decision.status, decision.pods) == (None, ())


def test_a_rank_that_is_done_early_does_not_make_the_job_unready() -> None:
    world = World().running().with_pods(exited(0, 0), pod(1)).at(100)

    assert world.step().status is None


def test_suspending_commits_first_then_deletes_with_the_full_grace_period() -> None:
    world = World().running().edit(suspend=True)

    decision = world.step()

    assert world.status.state == "Suspended"
    assert condition(world.status, "Suspended") == "True"
    assert deleted(decision) == ["digits-1-0", "digits-1-1"]
    assert {d.grace_seconds for d in decision.deletions} == {None}
    assert world.status.attempts[-1].reason == "Suspended"


def test_resuming_starts_a_new_attempt_that_does_not_count() -> None:
    world = World().running().edit(suspend=True)
    world.step()
    world.with_pods(exited(0, 143), exited(1, 143)).edit(suspend=False).at(100)

    decision = world.step()

    assert (world.status.attempt, world.status.restarts) == (2, 0)
    assert created(decision) == ["digits-2-0"]
    assert world.status.state == "Starting"


def test_a_job_that_is_born_suspended_makes_no_pods() -> None:
    world = World(suspend=True)

    decision = world.step()

    assert world.status.state == "Suspended"
    assert (world.status.attempt, decision.pods, decision.children) == (0, (), ())


def test_an_invalid_spec_fails_with_every_problem_in_a_sentence() -> None:
    world = World(env=[{"name": "RANK", "value": "1"}])

    world.step()

    assert (world.status.state, world.status.reason) == ("Failed", "InvalidSpec")
    assert "spec.env[0].name" in next(c.message for c in world.status.conditions if c.type == "Failed")


def test_the_trainers_configuration_error_is_final() -> None:
    world = World(run={"trainer": {"config": {"model": {}}}}).running()

    world.with_pods(pod(0), exited(1, 2)).step()

    assert (world.status.state, world.status.reason) == ("Failed", "ConfigurationError")


def test_an_exit_code_2_of_a_users_script_is_an_ordinary_failure() -> None:
    world = World().running()

    world.with_pods(pod(0), exited(1, 2)).step()

    assert world.status.attempt == 2


def test_pods_of_a_deleted_namesake_hold_the_new_job_back() -> None:
    world = World()
    world.with_pods(pod(0, job_uid="an earlier life"))

    decision = world.step()

    assert created(decision) == []
    assert "digits-1-0" in next(c.message for c in world.status.conditions if c.type == "PodsReady")


def test_pods_of_an_unknown_newer_attempt_mean_that_our_view_is_old() -> None:
    world = World().running().with_pods(pod(0), pod(1), pod(0, attempt=2))

    assert world.look().needs_quorum


def test_a_lost_status_goes_on_above_the_newest_attempt_seen() -> None:
    world = World().with_pods(pod(0, attempt=7), pod(1, attempt=7))

    decision = world.step()

    assert world.status.attempt == 8
    assert deleted(decision) == ["digits-7-0", "digits-7-1"]


def test_a_stray_pod_of_an_older_attempt_is_deleted_when_seen() -> None:
    world = World().running()
    world.with_pods(exited(0, 1), exited(1, 1)).step()
    world.step()
    world.with_pods(pod(0, attempt=2), pod(1, attempt=2)).step()
    world.step()

    assert deleted(world.with_pods(*world.pods, pod(1, attempt=1)).step()) == ["digits-1-1"]


def test_stopped_pods_stay_for_their_logs_for_one_attempt_more() -> None:
    world = World(failurePolicy={"maxRestarts": 9}).running()
    first = (exited(0, 1), exited(1, 1))
    world.with_pods(*first).step()
    second = (exited(0, 1, attempt=2), exited(1, 1, attempt=2))

    decision = world.with_pods(*first, *second).at(50).step()

    assert deleted(decision) == ["digits-1-0", "digits-1-1"]


def test_a_job_under_deletion_is_left_to_the_garbage_collector() -> None:
    world = World().running()
    world.raw["metadata"]["deletionTimestamp"] = "2026-01-01T12:00:00Z"

    assert world.step() == type(world.look())()


def test_the_status_of_a_finished_job_follows_the_generation_of_its_spec() -> None:
    world = World().running().with_pods(exited(0, 0), exited(1, 0))
    world.step()
    world.edit(ttlSecondsAfterFinished=3600)

    world.step()

    assert world.status.observed_generation == 2
    assert world.step().status is None


def test_a_blocked_pod_shows_its_reason_after_a_moment() -> None:
    from trainingjob_operator.core.observed import Blocked

    world = World()
    world.step()
    stuck = pending(0, blocked=Blocked("ImagePullBackOff", "no such image"))
    world.with_pods(stuck, pending(1)).step()

    assert world.at(1).step().status is None
    world.at(6).step()

    assert (world.status.state, world.status.reason) == ("Pending", "ImagePullBackOff")
    assert "digits-1-0" in next(c.message for c in world.status.conditions if c.type == "PodsReady")


def test_a_rank_that_lost_its_peer_is_not_blamed_while_the_cause_may_still_show() -> None:
    world = World().running().with_pods(exited(0, 75, at=10), pod(1)).at(11)

    waiting = world.step()

    assert (waiting.status, waiting.deletions, waiting.requeue_after) == (None, (), 2)
    world.with_pods(exited(0, 75, at=10), exited(1, 137, at=10)).at(12).step()
    assert world.status.attempts[0].first_failure.rank == 1


def test_a_rank_that_lost_its_peer_is_named_when_no_cause_shows() -> None:
    world = World().running().with_pods(exited(0, 75, at=10), pod(1)).at(13)

    world.step()

    assert world.status.attempts[0].reason == "LostPeer"


def test_a_cause_that_is_reported_after_the_restart_was_decided_still_takes_the_blame() -> None:
    world = World().running().with_pods(exited(0, 75, at=10), pod(1)).at(13)
    world.step()

    world.with_pods(exited(0, 75, at=10), exited(1, 1, at=9, message="boom")).at(14).step()

    assert world.status.attempts[0].first_failure.rank == 1
