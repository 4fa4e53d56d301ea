"""Lives of a job, told as a user or a node would cause them; what the operator makes of each is for tests.

A scenario waits for what the job says and then does the next thing, so that it takes the same course however often the
operator dies meanwhile.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from simulation.kubelet import NAMESPACE
from simulation.scene import Scene, Story
from simulation.world import JOB
from trainingjob_operator.api.resources import PODS, SERVICES


@dataclass(frozen=True, slots=True)
class Scenario:
    """A story and the job that it is about.

    ``with_nodes``: its nodes can be lost. ``deaths`` of the operator belong to the story, by number of the write.
    """

    name: str
    story: Story
    spec: Mapping[str, Any] = field(default_factory=dict)
    with_nodes: bool = False
    deaths: Mapping[int, str] = field(default_factory=dict)


async def healthy(on: Scene) -> None:
    on.submit()
    await on.running()
    await on.finish()


async def one_failure(on: Scene) -> None:
    on.submit()
    await on.running()
    on.exits(1, 137, "OOMKilled")
    await on.running(2)
    await on.finish()


async def budget_spent(on: Scene) -> None:
    on.submit()
    await on.running()
    on.exits(0, 1)
    await on.running(2)
    on.exits(1, 1)
    await on.until_state("Failed")


async def three_failures(on: Scene) -> None:
    on.submit()
    for attempt in (1, 2, 3):
        await on.running(attempt)
        on.exits(attempt % on.spec["numNodes"], 1)
    await on.running(4)


async def evicted(on: Scene) -> None:
    on.submit()
    await on.running()
    on.strike("evict", 0)
    await on.running(2)


async def drained(on: Scene) -> None:
    """The pods take their time to stop, longer than an operator is away: with them goes the reason."""
    on.submit()
    await on.running()
    on.takes_to_stop(8)
    on.strike("preempt", 1)
    await on.running(2)
    on.takes_to_stop(8)
    on.strike("drain", 0)
    await on.running(3)


async def pod_deleted(on: Scene) -> None:
    on.submit()
    await on.running()
    on.strike("force delete", 1)
    await on.running(2)


async def node_lost(on: Scene) -> None:
    on.submit()
    await on.running()
    on.strike("remove node", 1)
    await on.running(2)


async def suspended_and_resumed(on: Scene) -> None:
    on.submit()
    await on.running()
    on.change(suspend=True)
    await on.until_state("Suspended")
    await on.until(lambda: not on.names_of(PODS))
    on.change(suspend=False)
    await on.running(2)
    await on.finish()


async def submitted_suspended(on: Scene) -> None:
    on.submit()
    await on.until_state("Suspended")
    on.change(suspend=False)
    await on.running()


async def deleted_while_starting(on: Scene) -> None:
    on.submit()
    await on.until(lambda: bool(on.names_of(PODS)))
    on.delete_job()
    await on.until(lambda: not on.names_of(PODS))


async def deleted_and_created_again(on: Scene) -> None:
    on.submit()
    await on.running()
    on.delete_job()
    on.submit()
    await on.running()


async def name_conflict(on: Scene) -> None:
    theirs = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": JOB}, "spec": {"ports": [{"port": 80}]}}
    on.tell("somebody has a Service of that name")
    on.store.create(SERVICES, NAMESPACE, theirs)
    on.submit()
    await on.until_reason("NameConflict")
    on.tell("it is deleted")
    on.store.delete(SERVICES, NAMESPACE, JOB)
    await on.running()


async def quota_then_room(on: Scene) -> None:
    on.exhaust_quota()
    on.submit()
    await on.until_reason("QuotaExceeded")
    on.make_room()
    await on.running()


async def bad_configuration(on: Scene) -> None:
    on.submit()
    await on.running()
    on.exits(1, 2)
    await on.until_state("Failed")


async def fatal_exit_code(on: Scene) -> None:
    on.submit()
    await on.running()
    on.exits(1, 139)
    await on.until_state("Failed")


async def uncounted_exit_code(on: Scene) -> None:
    on.submit()
    await on.running()
    on.exits(1, 3)
    await on.running(2)


async def never_starts(on: Scene) -> None:
    on.kubelet.full_until = float("inf")
    on.submit()
    await on.until_state("Failed")


async def takes_too_long(on: Scene) -> None:
    on.submit()
    await on.running()
    await on.until_state("Failed")


async def has_its_time(on: Scene) -> None:
    on.submit()
    await on.running()
    await on.finish()
    await on.until(lambda: on.job() is None)


PARALLEL = {"numNodes": 3, "startPolicy": "Parallel"}
MID_CREATION = {5: "crash before"}
CONFIG = {"trainer": {"config": {"model": {"class_path": "tests.Model"}}}}
RULES = [{"onExitCodes": [3], "action": "RestartUncounted"}, {"onExitCodes": [139], "action": "Fail"}]


def _scenarios() -> tuple[Scenario, ...]:
    return (
        Scenario("healthy-main-node-first", healthy, {"numNodes": 3}),
        Scenario("healthy-main-node-ready", healthy, {"numNodes": 3, "startPolicy": "MainNodeReady"}),
        Scenario("healthy-parallel", healthy, PARALLEL | {"files": {"train.py": "pass"}}),
        Scenario("failure-and-restart", one_failure, {"numNodes": 3}),
        Scenario("budget-spent", budget_spent, {"failurePolicy": {"maxRestarts": 1}}),
        Scenario("evicted", evicted, {"failurePolicy": {"maxRestarts": 0}}),
        Scenario("node-lost", node_lost, {"failurePolicy": {"nodeLostAfterSeconds": 10}}, with_nodes=True),
        Scenario("suspended-and-resumed", suspended_and_resumed),
        Scenario("deleted-while-starting", deleted_while_starting),
        Scenario("name-conflict", name_conflict),
        Scenario("quota-then-room", quota_then_room),
        Scenario("bad-configuration", bad_configuration, {"run": CONFIG}),
        Scenario("rule-fail", fatal_exit_code, {"failurePolicy": {"rules": RULES}}),
        Scenario("rule-restart-uncounted", uncounted_exit_code, {"failurePolicy": {"maxRestarts": 0, "rules": RULES}}),
        Scenario("startup-timeout", never_starts, {"startupTimeoutSeconds": 60}),
        Scenario("deadline", takes_too_long, {"activeDeadlineSeconds": 60}),
        Scenario("time-to-live", has_its_time, {"ttlSecondsAfterFinished": 60}),
        Scenario("operator-dies-in-mid-creation", healthy, PARALLEL | {"numNodes": 4}, deaths=MID_CREATION),
        Scenario("deleted-and-created-again", deleted_and_created_again),
        Scenario("three-failures", three_failures, PARALLEL),
        Scenario("drained", drained),
        Scenario("pod-deleted", pod_deleted, {"numNodes": 3}),
        Scenario("submitted-suspended", submitted_suspended, {"suspend": True}),
    )


SCENARIOS = {scenario.name: scenario for scenario in _scenarios()}

GOLDEN = tuple(SCENARIOS)[:19]
"""The lives whose writes are kept word by word."""
