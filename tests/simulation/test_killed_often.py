"""An operator that dies fifty times during one job with two real failures, and one that has a thousand idle jobs.

What was counted stays counted, and what is at rest costs nothing.
"""

import asyncio
from random import Random
from typing import Any

import pytest

from simulation.kubelet import NAMESPACE
from simulation.oracles import Oracle
from simulation.played import played
from simulation.scenarios import Scenario
from simulation.scene import Deaths, Scene
from support.builders import raw_job
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import TRAININGJOBS

DEATHS = 50
JOBS, HOUR = 1000, 3600.0


async def two_failures(on: Scene) -> None:
    on.submit()
    for attempt in (1, 2):
        await on.running(attempt)
        on.exits(attempt, 1)
    await on.running(3)
    await on.finish()


@pytest.mark.parametrize("seed", range(4))
def test_fifty_deaths_during_one_job_neither_lose_nor_add_a_restart(seed: int) -> None:
    """The deaths fall on writes drawn by lot, half of them before and half after the API server carried them out."""
    spec = {"numNodes": 24, "startPolicy": "Parallel", "networkPolicy": {"enabled": True}}
    random = Random(seed)
    deaths = Deaths(
        {number: random.choice(("crash before", "crash after")) for number in random.sample(range(1, 110), DEATHS)}
    )

    scene = played(Scenario("killed often", two_failures, spec), deaths)

    assert sum("dies" in line for line in scene.log) == DEATHS
    assert scene.oracle.violations == []
    status = scene.status
    assert (status["state"], status["restarts"], status["attempt"], len(status["attempts"])) == ("Succeeded", 2, 3, 3)
    assert [(one["reason"], one["counted"]) for one in status["attempts"]] == [
        ("Error", True),
        ("Error", True),
        ("Completed", False),
    ]
    assert [one["firstFailure"]["rank"] for one in status["attempts"][:2]] == [1, 2]


class Blind(Oracle):
    """Judges nothing: the oracle knows one job only."""

    def created(self, *_: Any) -> None: ...

    def replaced(self, *_: Any) -> None: ...

    def deleted(self, *_: Any) -> None: ...


def test_a_thousand_running_jobs_cost_no_request_in_an_hour(capsys: pytest.CaptureFixture[str]) -> None:
    async def story() -> tuple[int, int, int, int]:
        scene = Scene({})
        scene.oracle = Blind(scene)
        scene.operator.start()
        for number in range(JOBS):
            scene.store.create(TRAININGJOBS, NAMESPACE, _named(f"job-{number}"))
        await asyncio.sleep(60)
        running, writes, requests = _running(scene), scene.writes, scene.request_faults.counts.total()
        await asyncio.sleep(HOUR)
        scene.operator.stop()
        return running, writes, scene.writes - writes, scene.request_faults.counts.total() - requests

    running, before, writes, requests = run_virtually(story())

    with capsys.disabled():
        print(f"\n{running} running jobs after {before} writes; in an hour {writes} writes, {requests} requests in all")
    assert (running, writes, requests) == (JOBS, 0, 0)


def _named(name: str) -> dict[str, Any]:
    return raw_job(name, NAMESPACE, numNodes=1) | {"metadata": {"name": name, "namespace": NAMESPACE}}


def _running(scene: Scene) -> int:
    jobs = [record.object for record in scene.store.list(TRAININGJOBS, NAMESPACE).records]
    return sum(job.get("status", {}).get("state") == "Running" for job in jobs)
