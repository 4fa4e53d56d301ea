"""What the API server refused is tried again until it is there, and no longer."""

import asyncio
from datetime import timedelta
from typing import Any

from support.builders import NOON, raw_job
from support.flaky_api import FlakyApi
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import PODS, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_operator.cluster.cache import Key
from trainingjob_operator.controller import Controller

QUOTA = ApiError(403, "Forbidden", "exceeded quota: team")
KEY = Key("ml", "digits")


class LosesAnswers(FlakyApi):
    """The first pod is created, but its creator never hears of it."""

    has_lost = False

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        answer = await super().create(resource, namespace, body)
        if resource is PODS and not self.has_lost:
            self.has_lost = True
            raise ConnectionResetError("the answer is lost")
        return answer


async def _passes_of_a_refused_job() -> tuple[list[str], int]:
    """The results of the first three passes, and how many follow within an hour."""
    api, results = LosesAnswers(), list[str]()
    body: dict[str, Any] = raw_job(numNodes=1)
    del body["metadata"]["uid"], body["metadata"]["resourceVersion"], body["status"]
    loop = asyncio.get_running_loop()
    controller = Controller(api, clock=lambda: NOON + timedelta(seconds=loop.time()))
    controller.passed = lambda result, _: results.append(result)
    controller.jobs.put(await api.create(TRAININGJOBS, "ml", body))
    api.fail("create", QUOTA)
    for _ in range(3):
        await controller.reconcile(KEY)
    worker = asyncio.create_task(controller.work(1))
    await asyncio.sleep(60)
    before = len(results)
    await asyncio.sleep(3600)
    worker.cancel()
    return results[:3], len(results) - before


def test_a_refusal_is_forgotten_when_what_was_refused_came_without_an_answer() -> None:
    results, passes = run_virtually(_passes_of_a_refused_job())

    assert results == ["done", "error", "done"]
    assert passes == 0
