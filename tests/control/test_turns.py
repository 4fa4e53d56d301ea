"""One job's status is told at a time. What must not wait for that, while the answer to such a write is lost."""

import asyncio
from collections.abc import Awaitable, Callable

from support.stage import Death, Stage, stage
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.news import PATIENCE

NEVER = 1_000_000


async def while_another_job_is_told(then: Callable[[Stage], Awaitable[None]]) -> float:
    """Virtual seconds that ``then`` takes beside a job whose last status write is never answered.

    The job ``digits`` runs, too, when it begins.
    """
    async with stage(operator=False) as on:
        lost = Death(at_write=NEVER, after=False)
        on.start_operator(lost)
        for name in ("told", "digits"):
            await on.submit(name)
            await on.until(lambda name=name: on.status(name).get("state") == "Running")  # type: ignore[misc]
        lost.at_write = len(on.writes) + 1
        for rank in range(2):
            await on.kubelet.end(f"told-1-{rank}", 0)
        await lost.happened.wait()
        assert on.writes[-1].startswith("status told"), on.writes[-1]
        began = asyncio.get_running_loop().time()
        await then(on)
        return asyncio.get_running_loop().time() - began


def test_a_gang_whose_pods_have_vanished_begins_again_without_waiting_for_its_turn_to_tell() -> None:
    async def loses_all_pods(on: Stage) -> None:
        for rank in range(2):
            await on.api.delete(PODS, "ml", f"digits-1-{rank}", grace_seconds=0)
        await on.until(lambda: "digits-2-0" in on.pods())

    assert run_virtually(while_another_job_is_told(loses_all_pods)) < PATIENCE


def test_a_job_that_is_done_is_told_when_the_other_has_had_its_time() -> None:
    async def succeeds(on: Stage) -> None:
        for rank in range(2):
            await on.kubelet.end(f"digits-1-{rank}", 0)
        await on.until_state("Succeeded")

    assert run_virtually(while_another_job_is_told(succeeds)) >= PATIENCE - 0.1
