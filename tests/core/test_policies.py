"""What the user's policies make of a job's life: failure rules, lost nodes, deadlines, time to live, other managers."""

from typing import Any

import pytest

from support.builders import World, after, created, deleted, deleting, env_of, exited, pending, pod
from trainingjob_operator.core.observed import Blocked, NodeTrouble
from trainingjob_operator.core.plan import NOTHING


def rules(*entries: dict[str, Any], **fields: Any) -> dict[str, Any]:
    return {"failurePolicy": {"rules": list(entries)} | fields}


def test_a_rule_can_make_an_exit_code_final() -> None:
    world = World(**rules({"onExitCodes": [3, 4], "action": "Fail"})).running()

    world.with_pods(pod(0), exited(1, 4)).step()

    assert (world.status.state, world.status.reason) == ("Failed", "FailurePolicyRule")


def test_a_rule_can_forgive_a_failure() -> None:
    world = World(**rules({"onReasons": ["OOMKilled"], "action": "RestartUncounted"}, maxRestarts=0)).running()

    world.with_pods(pod(0), exited(1, 137, why="OOMKilled")).step()

    assert (world.status.attempt, world.status.restarts) == (2, 0)


def test_a_rule_can_make_an_eviction_count() -> None:
    world = World(**rules({"onReasons": ["Evicted"], "action": "Restart"})).running()

    world.with_pods(pod(0, phase="Failed", reason="Evicted", disruption="Evicted"), pod(1)).step()

    assert world.status.restarts == 1


def test_the_first_rule_that_matches_wins() -> None:
    entries = [{"onExitCodes": [1], "action": "RestartUncounted"}, {"onReasons": ["Error"], "action": "Fail"}]
    world = World(**rules(*entries)).running()

    world.with_pods(pod(0), exited(1, 1)).step()

    assert (world.status.state, world.status.restarts) == ("Restarting", 0)


def lost(world: World, **nodes: NodeTrouble) -> World:
    world.nodes = {name.replace("_", "-"): trouble for name, trouble in nodes.items()}
    return world


def test_pods_of_a_lost_node_are_force_deleted_and_the_gang_restarts_uncounted() -> None:
    world = World(failurePolicy={"maxRestarts": 0}).running().at(100)
    lost(world, node_1=NodeTrouble(after(30)))

    decision = world.step()

    assert (world.status.attempt, world.status.restarts) == (2, 0)
    assert world.status.attempts[0].reason == "NodeLost"
    assert {d.pod.name: d.grace_seconds for d in decision.deletions} == {"digits-1-1": 0, "digits-1-0": 5}


def test_a_node_may_come_back_within_its_time() -> None:
    world = World().running().at(50)
    lost(world, node_1=NodeTrouble(after(30)))

    decision = world.step()

    assert world.status.attempt == 1
    assert decision.requeue_after == 40


def test_a_lost_node_is_believed_only_after_a_quorum_read() -> None:
    world = lost(World().running().at(100), node_1=NodeTrouble(after(30), gone=True))

    assert world.look().needs_quorum


def test_a_pod_stuck_in_terminating_on_a_lost_node_is_forced() -> None:
    world = World().running()
    world.with_pods(exited(0, 1), pod(1)).step()
    stuck = deleting(1, since=1)
    lost(world.with_pods(exited(0, 1), stuck).at(100), node_1=NodeTrouble(after(2)))

    decision = world.step()

    assert [(d.pod.name, d.grace_seconds) for d in decision.deletions] == [("digits-1-1", 0)]
    assert created(decision) == []


def test_the_next_attempt_would_rather_not_run_where_the_last_one_failed() -> None:
    world = World().running()
    world.with_pods(exited(0, 1), exited(1, 143)).step()

    (first,) = world.step().pods

    preferred = first.body["spec"]["affinity"]["nodeAffinity"]["preferredDuringSchedulingIgnoredDuringExecution"]
    assert preferred[0]["preference"]["matchFields"][0]["values"] == ["node-0"]


def test_a_start_that_takes_too_long_fails_and_names_what_blocks_it() -> None:
    world = World(startupTimeoutSeconds=60)
    world.step()
    stuck = pending(0, blocked=Blocked("ImagePullBackOff", "no such image"))
    waiting = world.with_pods(stuck, pending(1)).at(10).step()
    assert waiting.requeue_after is not None

    world.at(60).step()

    assert (world.status.state, world.status.reason) == ("Failed", "StartupTimeout")
    assert "no such image" in next(c.message for c in world.status.conditions if c.type == "Failed")


def test_a_deadline_is_only_believed_after_a_quorum_read() -> None:
    world = World(startupTimeoutSeconds=60)
    world.step()
    world.with_pods(pending(0), pending(1)).at(60)

    assert world.look().needs_quorum
    assert world.look(quorum=True).status is not None


def test_a_gang_that_came_up_while_nobody_looked_started_in_time() -> None:
    world = World(startupTimeoutSeconds=60)
    world.step()

    world.with_pods(pod(0), pod(1)).at(3600).step()

    assert (world.status.state, bool(world.status.gang)) == ("Running", True)


def test_a_gang_that_runs_on_a_node_out_of_reach_has_started() -> None:
    world = World(startupTimeoutSeconds=60, activeDeadlineSeconds=100)
    world.step()

    decision = world.with_pods(pod(0, ready=False), pod(1)).at(60).step()

    assert (world.status.state, world.status.nodes) == ("Starting", "1/2")
    assert decision.requeue_after == 40


def test_a_gang_that_succeeded_while_nobody_looked_ended_in_time() -> None:
    world = World(activeDeadlineSeconds=60).running()

    world.with_pods(exited(0, 0), exited(1, 0)).at(3600).step()

    assert world.status.state == "Succeeded"


def test_a_running_gang_has_no_startup_timeout() -> None:
    world = World(startupTimeoutSeconds=60).running().at(3600)

    assert world.step().status is None


def test_the_active_deadline_counts_from_the_start_and_ends_the_job() -> None:
    world = World(activeDeadlineSeconds=100).running()
    assert world.at(40).step().requeue_after == 60

    decision = world.at(100).step()

    assert (world.status.state, world.status.reason) == ("Failed", "DeadlineExceeded")
    assert deleted(decision) == ["digits-1-0", "digits-1-1"]


def test_a_suspension_stops_the_active_deadlines_clock() -> None:
    world = World(activeDeadlineSeconds=100).running().edit(suspend=True).at(50)
    world.step()
    world.with_pods().edit(suspend=False).at(500)

    world.step()

    assert world.status.state == "Starting"


def test_a_finished_job_is_deleted_when_its_time_to_live_is_over() -> None:
    world = World(ttlSecondsAfterFinished=30).running().with_pods(exited(0, 0), exited(1, 0)).at(10)
    world.step()

    assert world.at(20).step().requeue_after == 20
    assert world.at(40).step().delete_job


def test_a_job_of_another_controller_is_left_alone() -> None:
    assert World(managedBy="kueue.x-k8s.io/multikueue").step() == NOTHING
    assert created(World(managedBy="trainingjob.dev/operator").step()) == ["digits-1-0"]


def test_main_node_ready_waits_until_rank_0_listens() -> None:
    world = World(startPolicy="MainNodeReady")
    (main,) = world.step().pods
    probe = next(c for c in main.body["spec"]["containers"] if c["name"] == "trainer")["readinessProbe"]
    assert probe["tcpSocket"] == {"port": 29500}

    assert created(world.with_pods(pending(0, ip="10.0.0.1")).at(600).step()) == []
    assert created(world.with_pods(pod(0)).step()) == ["digits-1-1"]


def test_rank_0_is_asked_on_the_rendezvous_port_whatever_an_overlay_calls_it() -> None:
    ports = [{"containerPort": 29500, "name": "torch"}, {"containerPort": 8000}]
    overlay = {"spec": {"containers": [{"name": "trainer", "ports": ports}]}}

    (main,) = World(startPolicy="MainNodeReady", podTemplate=overlay).step().pods

    (trainer,) = main.body["spec"]["containers"]
    assert trainer["readinessProbe"]["tcpSocket"] == {"port": 29500}


@pytest.fixture
def unlike() -> World:
    """Three nodes with 4, 2 and 4 GPUs."""
    override = {
        "ranks": "1",
        "gpusPerNode": 2,
        "nodeSelector": {"gpu": "l4"},
        "env": [{"name": "NCCL_SOCKET_IFNAME", "value": "eno2"}],
    }
    return World(numNodes=3, gpusPerNode=4, startPolicy="Parallel", nodeOverrides=[override])


def test_unlike_nodes_get_their_own_gpus_selector_and_variables(unlike: World) -> None:
    zero, one, two = (create.body for create in unlike.step().pods)

    assert [p["spec"]["containers"][0]["resources"]["limits"] for p in (zero, one, two)] == [
        {"nvidia.com/gpu": 4},
        {"nvidia.com/gpu": 2},
        {"nvidia.com/gpu": 4},
    ]
    assert one["spec"]["nodeSelector"] == {"gpu": "l4"}
    assert "nodeSelector" not in zero["spec"]
    assert env_of(one)["NCCL_SOCKET_IFNAME"] == "eno2"
    assert "NCCL_SOCKET_IFNAME" not in env_of(two)


def test_unlike_nodes_know_where_their_processes_begin(unlike: World) -> None:
    environments = [env_of(create.body) for create in unlike.step().pods]

    assert [e["TRAININGJOB_DEVICES"] for e in environments] == ["4", "2", "4"]
    assert [e["TRAININGJOB_PROCESS_OFFSET"] for e in environments] == ["0", "4", "6"]
    assert {e["TRAININGJOB_NUM_PROCESSES"] for e in environments} == {"10"}


def test_an_override_of_a_rank_that_does_not_exist_is_refused() -> None:
    world = World(nodeOverrides=[{"ranks": "0,5-7", "gpusPerNode": 1}])

    world.step()

    assert "there is no rank 5" in next(c.message for c in world.status.conditions if c.type == "Failed")
