"""The table "What happens when" of docs/protocol.md, row by row, on the store in virtual time.

Each row is told once by a scene and compared with what the table says. The first words of each row stand beside its
test, and no row may be without one.
"""

import asyncio
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from simulation.kubelet import NAMESPACE
from simulation.played import played
from simulation.scenarios import CONFIG, RULES, Scenario
from simulation.scene import Scene
from simulation.world import JOB
from trainingjob_operator.api.resources import CONFIGMAPS, NETWORKPOLICIES, PODS, SERVICES, TRAININGJOBS

PROTOCOL = Path(__file__).parents[2] / "docs" / "protocol.md"
Story = Callable[[Scene], Awaitable[None]]
ROWS: dict[str, str] = {}
"""The beginning of each row and the name of the test that shows it."""


def shows(row: str) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """This test shows the row that begins so."""

    def noted(test: Callable[..., None]) -> Callable[..., None]:
        ROWS[row] = test.__name__
        return test

    return noted


def after(story: Story, *, with_nodes: bool = False, **spec: Any) -> Scene:
    """The scene at the end of a story; nothing in it may have broken a rule of the protocol."""
    scene = played(Scenario("event", story, spec, with_nodes))
    assert scene.oracle.violations == []
    return scene


def says(scene: Scene) -> tuple[Any, ...]:
    """State, restarts, attempt, and for each attempt that ended why and whether it counted."""
    status = scene.status
    ended = [(one["reason"], one["counted"]) for one in status.get("attempts", ()) if "endTime" in one]
    return (status.get("state"), status.get("restarts"), status.get("attempt"), *ended)


def restarted(strike: Callable[[Scene], None]) -> Story:
    """The job runs, something happens, the job runs again."""

    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        strike(on)
        await on.running(2)

    return story


@shows("a training process exits non-zero")
@pytest.mark.parametrize(
    ("code", "reason"), [(1, "Error"), (255, "Error"), (137, "OOMKilled"), (139, "Error")], ids=str
)
def test_a_process_that_fails_restarts_the_gang_and_counts(code: int, reason: str) -> None:
    scene = after(restarted(lambda on: on.exits(1, code, reason)))

    assert says(scene) == ("Running", 1, 2, (reason, True))
    assert scene.status["attempts"][0]["firstFailure"]["rank"] == 1
    assert scene.status["attempts"][0]["firstFailure"]["exitCode"] == code


@shows("the same, with the budget spent")
def test_a_failure_with_the_budget_spent_ends_the_job() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.exits(1, 7)
        await on.until_state("Failed")

    scene = after(story, failurePolicy={"maxRestarts": 0})

    assert says(scene) == ("Failed", 0, 1, ("Error", True))
    assert scene.status["reason"] == "RestartLimitReached"
    assert "digits-1-1" in _message(scene, "Failed")
    assert "exited with 7" in _message(scene, "Failed")


@shows("the built-in trainer exits with 2")
def test_a_wrong_configuration_of_the_built_in_trainer_ends_the_job() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.exits(0, 2)
        await on.until_state("Failed")

    scene = after(story, run=CONFIG)

    assert says(scene)[:3] == ("Failed", 0, 1)
    assert scene.status["reason"] == "ConfigurationError"


@shows("another script exits with 2")
def test_an_exit_with_2_of_another_script_is_a_failure_like_any_other() -> None:
    assert says(after(restarted(lambda on: on.exits(0, 2)))) == ("Running", 1, 2, ("Error", True))


@shows("a pod is deleted by hand")
@pytest.mark.parametrize(
    ("strike", "reason"),
    [
        ("delete", "PodDeleted"),
        ("force delete", "PodDeleted"),
        ("evict", "Evicted"),
        ("preempt", "PreemptionByScheduler"),
        ("drain", "EvictionByEvictionAPI"),
    ],
)
def test_a_disrupted_pod_restarts_the_gang_and_does_not_count(strike: str, reason: str) -> None:
    scene = after(restarted(lambda on: on.strike(strike, 1)), failurePolicy={"maxRestarts": 0})

    assert says(scene) == ("Running", 0, 2, (reason, False))


@shows("the kubelet refuses a pod")
def test_a_pod_that_its_node_refuses_restarts_the_gang_and_does_not_count() -> None:
    scene = after(restarted(lambda on: on.refuse(1, "OutOfcpu")))

    assert says(scene) == ("Running", 0, 2, ("OutOfcpu", False))


@shows("a pod fails, then somebody deletes it")
def test_a_failed_pod_that_is_deleted_later_has_failed_on_its_own() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.operator.crash(5)  # it sees neither the one nor the other happen
        on.keep(1)
        on.exits(1, 1)
        await asyncio.sleep(2)
        on.strike("delete", 1)
        await on.running(2)

    assert says(after(story)) == ("Running", 1, 2, ("Error", True))


@shows("every rank exits with 0")
def test_a_gang_whose_ranks_all_exit_with_0_has_succeeded() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        await on.finish()

    assert says(after(story)) == ("Succeeded", 0, 1, ("Completed", False))


@shows("one rank exits with 0 early")
def test_a_rank_that_is_done_early_changes_nothing() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.exits(1, 0)

    scene = after(story)

    assert says(scene) == ("Running", 0, 1)
    assert scene.status["nodes"] == "2/2"


@shows("no room, image cannot be pulled")
def test_a_pod_that_does_not_start_is_named_with_the_reason_until_it_does() -> None:
    said: list[Any] = []

    async def story(on: Scene) -> None:
        on.fill_nodes()
        on.submit()
        await on.until_state("Pending")
        said.append((on.status["reason"], _message(on, "PodsReady")))
        on.empty_nodes()
        await on.running()

    assert says(after(story)) == ("Running", 0, 1)
    assert said == [("Unschedulable", "pod digits-1-0: 0/3 nodes are available")]


@shows("quota, admission or a permission refuses")
def test_a_refused_child_is_shown_and_tried_again() -> None:
    said: list[Any] = []

    async def story(on: Scene) -> None:
        on.exhaust_quota()
        on.submit()
        await on.until_reason("QuotaExceeded")
        said.append((on.status["state"], _message(on, "PodsReady")))
        on.make_room()
        await on.running()

    assert says(after(story)) == ("Running", 0, 1)
    assert said[0][0] == "Pending"
    assert "Pod digits-1-0: pods is forbidden: exceeded quota" in said[0][1]


@shows("an object of the same name belongs to somebody else")
def test_somebody_elses_object_is_left_alone_and_named() -> None:
    said: list[Any] = []

    async def story(on: Scene) -> None:
        body = {"metadata": {"name": JOB}, "spec": {"ports": [{"port": 80}]}}
        theirs = on.store.create(SERVICES, NAMESPACE, body).object
        on.submit()
        await on.until_reason("NameConflict")
        said.append((on.status["state"], on.store.get(SERVICES, NAMESPACE, JOB).object == theirs))
        on.store.delete(SERVICES, NAMESPACE, JOB)
        await on.running()

    assert says(after(story)) == ("Running", 0, 1)
    assert said == [("Pending", True)]


@shows("pods of an older attempt")
def test_pods_that_do_not_stop_hold_the_next_gang_up_and_are_named() -> None:
    said: list[Any] = []

    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.takes_to_stop(100)
        on.exits(1, 1)
        await on.until_reason("WaitingForOldPods")
        said.append((on.status["attempt"], on.names_of(PODS), _message(on, "PodsReady")))
        await on.running(2)

    assert says(after(story))[:3] == ("Running", 1, 2)
    assert said[0][:2] == (2, ["digits-1-0", "digits-1-1"])
    assert "waiting until digits-1-0 stopped" in said[0][2]


@shows("the spec is invalid")
def test_an_invalid_spec_ends_the_job_with_the_field_in_the_message() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.until_state("Failed")

    scene = after(story, nodeOverrides=[{"ranks": "7"}])

    assert scene.status["reason"] == "InvalidSpec"
    assert "nodeOverrides" in _message(scene, "Failed")
    assert scene.names_of(PODS) == []


@shows("`suspend: true`")
def test_a_suspended_job_lets_its_pods_go_gently_and_goes_on_as_the_next_attempt() -> None:
    graces: list[Any] = []

    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.takes_to_stop(5)
        on.change(suspend=True)
        await on.until_state("Suspended")
        await asyncio.sleep(1)
        graces.extend(pod["metadata"]["deletionGracePeriodSeconds"] for pod in on.kubelet.pods())
        await on.until(lambda: not on.names_of(PODS))
        on.change(suspend=False)
        await on.running(2)

    assert says(after(story)) == ("Running", 0, 2, ("Suspended", False))
    assert graces == [60, 60]


@shows("the job is deleted")
def test_a_deleted_job_takes_its_children_with_it() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.delete_job()

    scene = after(story, files={"train.py": "pass"})

    assert [scene.names_of(kind) for kind in (PODS, SERVICES, CONFIGMAPS, NETWORKPOLICIES)] == [[], [], [], []]


@shows("the operator dies or is upgraded")
def test_training_goes_on_without_an_operator_and_is_seen_when_it_is_back() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        pods = on.names_of(PODS)
        on.operator.crash(600)
        await asyncio.sleep(300)
        assert on.names_of(PODS) == pods
        on.exits(0, 0)
        on.exits(1, 0)
        await on.until_state("Succeeded")

    assert says(after(story)) == ("Succeeded", 0, 1, ("Completed", False))


@shows("the API server is away")
def test_training_goes_on_while_the_api_server_is_away() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.outage_until = on.seconds() + 600
        for kind in ("pods", "jobs"):
            on.operator.break_watch(kind, "watch closed")
        await asyncio.sleep(300)
        on.exits(1, 1)  # the kubelet tells it when the API server is back
        await on.running(2)

    assert says(after(story)) == ("Running", 1, 2, ("Error", True))


@shows("a node is NotReady or gone")
@pytest.mark.parametrize("loss", ["silence", "remove"])
def test_a_lost_node_costs_a_restart_that_does_not_count(loss: str) -> None:
    seconds: list[float] = []

    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.lose_node(1, loss)
        began = on.seconds()
        await on.until(lambda: on.status["attempt"] == 2)
        seconds.append(on.seconds() - began)
        await on.running(2)

    scene = after(story, with_nodes=True, failurePolicy={"maxRestarts": 0, "nodeLostAfterSeconds": 10})

    assert says(scene) == ("Running", 0, 2, ("NodeLost", False))
    assert 9 <= seconds[0] <= 12


@shows("a rule of `failurePolicy.rules`")
@pytest.mark.parametrize(
    ("code", "expected"),
    [(3, ("Running", 0, 2, ("Error", False))), (1, ("Running", 1, 2, ("Error", True)))],
    ids=["RestartUncounted", "no rule"],
)
def test_a_rule_decides_what_an_exit_code_means(code: int, expected: tuple[Any, ...]) -> None:
    assert says(after(restarted(lambda on: on.exits(1, code)), failurePolicy={"rules": RULES})) == expected


@shows("a rule of `failurePolicy.rules`")
def test_a_rule_can_end_the_job() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.exits(1, 139)
        await on.until_state("Failed")

    scene = after(story, failurePolicy={"rules": RULES})

    assert (scene.status["reason"], scene.status["restarts"]) == ("FailurePolicyRule", 0)


@shows("an attempt's pods do not all run")
def test_a_start_that_takes_too_long_ends_the_job_with_what_blocks_it() -> None:
    async def story(on: Scene) -> None:
        on.fill_nodes()
        on.submit()
        await on.until_state("Failed")
        on.empty_nodes()

    scene = after(story, startupTimeoutSeconds=60)

    assert scene.status["reason"] == "StartupTimeout"
    assert "pod digits-1-0: 0/3 nodes are available" in _message(scene, "Failed")


@shows("the job is active for")
def test_a_deadline_counts_the_active_time_only() -> None:
    active: list[float] = []

    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.change(suspend=True)
        await on.until_state("Suspended")
        await asyncio.sleep(500)
        on.change(suspend=False)
        began = on.seconds()
        await on.until_state("Failed")
        active.append(on.seconds() - began)

    scene = after(story, activeDeadlineSeconds=60)

    assert scene.status["reason"] == "DeadlineExceeded"
    assert active == [pytest.approx(60, abs=1)]


@shows("a finished job is older than")
def test_a_finished_job_is_deleted_when_its_time_is_over() -> None:
    lived: list[float] = []

    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        await on.finish()
        began = on.seconds()
        await on.until(lambda: on.job() is None)
        lived.append(on.seconds() - began)

    scene = after(story, ttlSecondsAfterFinished=60)

    assert lived == [pytest.approx(60, abs=1)]
    assert scene.names_of(PODS) == scene.names_of(SERVICES) == []


@shows("a pod that had exited with 0 is deleted")
def test_a_rank_that_was_done_and_is_deleted_costs_a_restart() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.exits(1, 0)
        await asyncio.sleep(1)
        on.strike("force delete", 1)
        await on.running(2)

    assert says(after(story)) == ("Running", 0, 2, ("PodDeleted", False))


@shows("`managedBy` names another controller")
def test_another_controllers_job_is_left_alone() -> None:
    async def story(on: Scene) -> None:
        on.submit()

    scene = after(story, managedBy="example.com/other")

    assert (scene.status, scene.writes, scene.names_of(PODS)) == ({}, 0, [])


@shows("the status is lost")
def test_a_job_whose_status_was_lost_goes_on_above_what_is_there() -> None:
    async def story(on: Scene) -> None:
        on.submit()
        await on.running()
        on.operator.crash()
        job = on.store.get(TRAININGJOBS, NAMESPACE, JOB).copy()
        job["status"] = {}
        on.store.replace(TRAININGJOBS, NAMESPACE, JOB, job, subresource="status")
        await on.running(2)

    scene = played(Scenario("event", story))

    assert says(scene)[:3] == ("Running", 0, 2)
    assert [name for name in scene.names_of(PODS) if name.startswith("digits-2")] == ["digits-2-0", "digits-2-1"]


ELSEWHERE = {"rank 0 has told its progress": "tests/core/test_stall.py"}
"""Rows that need more than a store and a kubelet, and what shows them."""


def test_every_row_of_the_table_is_shown() -> None:
    table = PROTOCOL.read_text().split("## What happens when")[1].split("\n\n")
    rows = [
        line.split("|")[1].strip() for part in table if part.startswith("| event") for line in part.splitlines()[2:]
    ]
    told = [*ROWS, *ELSEWHERE]

    assert len(rows) > 20
    assert [row for row in rows if not any(row.startswith(beginning) for beginning in told)] == []
    assert [beginning for beginning in told if not any(row.startswith(beginning) for row in rows)] == []


def _message(scene: Scene, kind: str) -> str:
    found = next(one for one in scene.status["conditions"] if one["type"] == kind)
    return re.sub(r"\s+", " ", found["message"])
