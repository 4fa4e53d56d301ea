"""Six lives of a job: what users and nodes do, and how it must end however often the operator dies."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any

from support.kubernetes.fake_kubelet import ended
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, TRAININGJOBS
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_operator.cluster.client import HttpApi

NODES = 6
PATIENCE = 120.0
JOB = "digits"


@dataclass(frozen=True, slots=True)
class Stage:
    """One namespace of a cluster with one job."""

    api: HttpApi
    namespace: str

    async def submit(self, **spec: Any) -> None:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {"name": JOB},
            "spec": {"numNodes": NODES, "image": "image:1", "run": {"command": ["train"]}, **spec},
        }
        await self.api.create(TRAININGJOBS, self.namespace, body)

    async def change(self, **spec: Any) -> None:
        await self.api.patch(TRAININGJOBS, self.namespace, JOB, {"spec": spec})

    async def status(self) -> Object:
        found: Object = (await self.api.get(TRAININGJOBS, self.namespace, JOB)).get("status") or {}
        return found

    async def until(self, state: str, attempt: int = 1) -> None:
        """Wait until the job says so."""
        status: Object = {}
        try:
            async with asyncio.timeout(PATIENCE):
                while (status.get("state"), status.get("attempt")) != (state, attempt):
                    await asyncio.sleep(0.05)
                    status = await self.status()
        except TimeoutError as error:
            raise AssertionError(f"{self.namespace}: not {state} in attempt {attempt}: {status}") from error

    async def exit(self, rank: int, code: int, attempt: int = 1) -> None:
        """A container ends."""
        pod = f"{JOB}-{attempt}-{rank}"
        await self.api.patch(PODS, self.namespace, pod, {"status": ended(code)}, subresource="status")

    async def finish(self, attempt: int = 1) -> None:
        """All ranks of an attempt that runs are done."""
        await self.until("Running", attempt)
        for rank in range(NODES):
            await self.exit(rank, 0, attempt)
        await self.until("Succeeded", attempt)


async def succeeds(on: Stage) -> None:
    await on.submit(files={"train.py": "pass"})
    await on.finish()


async def fails_once(on: Stage) -> None:
    await on.submit(startPolicy="Parallel")
    await on.until("Running")
    await on.exit(2, 1)
    await on.finish(attempt=2)


async def loses_a_pod(on: Stage) -> None:
    await on.submit()
    await on.until("Running")
    await on.api.delete(PODS, on.namespace, f"{JOB}-1-1")
    await on.finish(attempt=2)


async def spends_its_budget(on: Stage) -> None:
    await on.submit(failurePolicy={"maxRestarts": 0})
    await on.until("Running")
    await on.exit(0, 1)
    await on.until("Failed")


async def is_suspended(on: Stage) -> None:
    await on.submit(startPolicy="Parallel")
    await on.until("Running")
    await on.change(suspend=True)
    await on.until("Suspended")
    await on.change(suspend=False)
    await on.finish(attempt=2)


async def is_made_anew(on: Stage) -> None:
    await on.submit()
    await on.until("Running")
    await on.api.delete(TRAININGJOBS, on.namespace, JOB)
    await _gone(on)
    await on.submit()
    await on.finish()


async def _gone(on: Stage) -> None:
    try:
        while True:
            await on.api.get(TRAININGJOBS, on.namespace, JOB)
            await asyncio.sleep(0.05)
    except ApiError as error:
        if error.status != 404:
            raise


Ending = tuple[str, int, int]
"""State, attempt, counted restarts."""

STORIES: dict[str, tuple[Callable[[Stage], Awaitable[None]], Ending]] = {
    "succeeds": (succeeds, ("Succeeded", 1, 0)),
    "fails once": (fails_once, ("Succeeded", 2, 1)),
    "loses a pod": (loses_a_pod, ("Succeeded", 2, 0)),
    "spends its budget": (spends_its_budget, ("Failed", 1, 0)),
    "is suspended and resumed": (is_suspended, ("Succeeded", 2, 0)),
    "is deleted and made anew": (is_made_anew, ("Succeeded", 1, 0)),
}
