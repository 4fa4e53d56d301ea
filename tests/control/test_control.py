"""The real controller on the sandbox's store, in virtual time: whole stories, and a death at each of their writes."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from support.stage import Death, Stage, stage, without_events
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import CONFIGMAPS, NETWORKPOLICIES, PODS, SERVICES, TRAININGJOBS
from trainingjob_operator.cluster.api import ApiError

Story = Callable[[Stage], Awaitable[None]]


async def succeeds(on: Stage) -> None:
    await on.submit()
    await on.until_state("Running")
    for rank in range(2):
        await on.kubelet.end(f"digits-1-{rank}", 0)
    await on.until_state("Succeeded")


async def restarts_once(on: Stage) -> None:
    await on.submit()
    await on.until_state("Running")
    await on.kubelet.end("digits-1-1", 137)
    await on.until_state("Running", attempt=2)
    for rank in range(2):
        await on.kubelet.end(f"digits-2-{rank}", 0)
    await on.until_state("Succeeded")


async def spends_its_budget(on: Stage) -> None:
    await on.submit(failurePolicy={"maxRestarts": 1})
    await on.until_state("Running")
    await on.kubelet.end("digits-1-0", 1)
    await on.until_state("Running", attempt=2)
    await on.kubelet.end("digits-2-1", 1)
    await on.until_state("Failed")


async def is_evicted(on: Stage) -> None:
    await on.submit(failurePolicy={"maxRestarts": 0})
    await on.until_state("Running")
    await on.kubelet.evict("digits-1-0")
    await on.until_state("Running", attempt=2)


async def is_suspended_and_resumed(on: Stage) -> None:
    await on.submit()
    await on.until_state("Running")
    await on.edit(suspend=True)
    await on.until_state("Suspended")
    await on.edit(suspend=False)
    await on.until_state("Running", attempt=2)


async def loses_a_pod(on: Stage) -> None:
    await on.submit(startPolicy="Parallel", numNodes=3)
    await on.until_state("Running")
    await on.api.delete(PODS, "ml", "digits-1-2")
    await on.until_state("Running", attempt=2)


STORIES: list[Story] = [succeeds, restarts_once, spends_its_budget, is_evicted, is_suspended_and_resumed, loses_a_pod]


async def told(story: Story, death: Death | None = None) -> tuple[dict[str, object], list[str], set[str]]:
    """Tell a story, the operator dying once if it is to: what is left, what was written, which pods there are."""
    async with stage(operator=False) as on:
        on.start_operator(death)
        if death is not None:

            async def revive() -> None:
                await death.happened.wait()
                await on.kill_operator()
                on.start_operator()

            reviver = asyncio.create_task(revive())
        await story(on)
        if death is not None:
            reviver.cancel()
        left = {key: on.status()[key] for key in ("state", "attempt", "restarts", "nodes")}
        left["attempts"] = [(a["attempt"], a.get("reason"), a["counted"]) for a in on.status()["attempts"]]
        return left, on.writes, set(on.pods())


@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.__name__)
def test_a_death_of_the_operator_at_any_write_changes_nothing_in_the_end(story: Story) -> None:
    expected, writes, pods = run_virtually(told(story))

    for number in range(1, len(writes) + 1):
        for after in (False, True):
            left, _, pods_left = run_virtually(_with_death(story, number, after=after))
            assert (left, pods_left) == (expected, pods), (
                f"killed {'after' if after else 'before'} {writes[number - 1]}"
            )


async def _with_death(story: Story, number: int, *, after: bool) -> tuple[dict[str, object], list[str], set[str]]:
    return await told(story, Death(number, after))


def test_a_healthy_job_costs_its_pods_its_children_and_four_status_writes() -> None:
    _, writes, _ = run_virtually(told(succeeds))

    assert list(without_events(writes)) == [
        "status digits Starting attempt=1 restarts=0",
        "create Service digits",
        "create NetworkPolicy digits",
        "create Pod digits-1-0",
        "create Pod digits-1-1",
        "status digits Starting attempt=1 restarts=0",
        "status digits Running attempt=1 restarts=0",
        "status digits Succeeded attempt=1 restarts=0",
    ]


def test_the_first_failure_is_named_in_the_history() -> None:
    async def story() -> dict[str, object]:
        async with stage() as on:
            await restarts_once(on)
            return on.status()["attempts"][0]

    attempt = run_virtually(story())

    assert attempt["firstFailure"]["rank"] == 1
    assert attempt["firstFailure"]["exitCode"] == 137
    assert "signal 9" in attempt["firstFailure"]["message"]


def test_a_deleted_job_leaves_nothing_behind() -> None:
    async def story() -> list[int]:
        async with stage() as on:
            await on.submit(files={"train.py": "pass"})
            await on.until_state("Running")
            await on.api.delete(TRAININGJOBS, "ml", "digits")
            await on.until(lambda: not on.pods())
            return [on.count(kind) for kind in (PODS, SERVICES, CONFIGMAPS, NETWORKPOLICIES)]

    assert run_virtually(story()) == [0, 0, 0, 0]


def test_a_job_that_is_deleted_and_created_again_waits_for_its_namesakes_pods() -> None:
    async def story() -> int:
        async with stage() as on:
            await on.submit()
            await on.until_state("Running")
            await on.api.delete(TRAININGJOBS, "ml", "digits")
            await on.submit()
            await on.until_state("Running")
            return on.status()["attempt"]

    assert run_virtually(story()) == 1


def test_a_service_of_somebody_else_is_never_touched_and_named_in_the_status() -> None:
    async def story() -> tuple[object, object]:
        async with stage() as on:
            theirs = {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "digits"},
                "spec": {"ports": [{"port": 80}]},
            }
            before = await on.api.create(SERVICES, "ml", theirs)
            await on.submit()
            await on.until(lambda: on.status().get("reason") == "NameConflict")
            assert not on.pods()
            assert await on.api.get(SERVICES, "ml", "digits") == before
            await on.api.delete(SERVICES, "ml", "digits")
            await on.until_state("Running")
            return on.status()["state"], on.status()["restarts"]

    assert run_virtually(story()) == ("Running", 0)


def test_an_idle_hour_of_a_running_job_costs_no_write() -> None:
    async def story() -> int:
        async with stage() as on:
            await on.submit()
            await on.until_state("Running")
            before = len(on.writes)
            await asyncio.sleep(3600)
            return len(on.writes) - before

    assert run_virtually(story()) == 0


@pytest.mark.parametrize(
    ("field", "before", "after"),
    [
        ("numNodes", 2, 3),
        ("image", "trainer:1", "trainer:2"),
        ("run", {"command": ["train"]}, {"command": ["other"]}),
        ("env", None, [{"name": "A", "value": "b"}]),
        ("workingDir", "/a", "/b"),
        ("workingDir", None, "/a"),
        ("workingDir", "/a", None),
        ("data", None, {"claimName": "datasets"}),
        ("data", {"claimName": "datasets"}, None),
    ],
)
def test_the_spec_of_a_running_job_cannot_be_changed(field: str, before: object, after: object) -> None:
    async def story() -> str:
        async with stage() as on:
            await on.submit(**({} if before is None else {field: before}))
            try:
                await on.edit(**{field: after})
            except ApiError as error:
                return error.message
            return "accepted"

    message = run_virtually(story())
    assert f"spec.{field} cannot be changed" in message
    assert message.count("cannot be changed") == 1
