"""The table "What happens when" of docs/protocol.md on a real API server, for the rows that it can produce.

All lives are lived side by side, each in a namespace of its own, under one operator and a kubelet that runs nothing.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from kills.stories import JOB, Stage
from support.kubernetes.cluster import open_api
from support.kubernetes.control_plane import ControlPlane
from support.kubernetes.fake_kubelet import NODE, Kubelet, make_node
from support.kubernetes.operator_process import start_operator
from trainingjob_operator.api.resources import NAMESPACES, NODES, PODS, SERVICES, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.cluster.client import HttpApi

pytestmark = pytest.mark.real_api
PATIENCE = 120.0
ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
QUOTAS = Resource("", "v1", "resourcequotas", "ResourceQuota")
CONFIG = {"trainer": {"config": {"model": {"class_path": "tests.Model"}}}}
RULES = [{"onExitCodes": [3], "action": "RestartUncounted"}, {"onExitCodes": [139], "action": "Fail"}]
Story = Callable[[Stage], Awaitable[None]]
End = tuple[Any, ...]
"""State, restarts, attempt, reason of the first attempt's end (None: it has not ended)."""


async def reason(on: Stage, word: str) -> None:
    """Wait until the job says why."""
    async with asyncio.timeout(PATIENCE):
        while (await on.status()).get("reason") != word:  # noqa: ASYNC110 - another process changes it
            await asyncio.sleep(0.05)


def submitted(then: Story, **spec: Any) -> Story:
    """A job of two nodes runs, then something happens."""

    async def story(on: Stage) -> None:
        await on.submit(numNodes=2, **spec)
        await on.until("Running")
        await then(on)

    return story


def exits(code: int, state: str = "Running", attempt: int = 2) -> Story:
    """Rank 1 exits, and the job comes to this."""

    async def story(on: Stage) -> None:
        await on.exit(1, code)
        await on.until(state, attempt)

    return story


async def ends_well(on: Stage) -> None:
    for rank in (1, 0):
        await on.exit(rank, 0)
    await on.until("Succeeded")


async def pod_deleted(on: Stage) -> None:
    await on.api.delete(PODS, on.namespace, f"{JOB}-1-1")
    await on.until("Running", 2)


async def done_pod_deleted(on: Stage) -> None:
    await on.exit(1, 0)
    await pod_deleted(on)


async def drained(on: Stage) -> None:
    """By the API that `kubectl drain` uses."""
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": f"{JOB}-1-1"}}
    url = f"{on.api.server}{PODS.path(on.namespace, f'{JOB}-1-1', 'eviction')}"
    async with on.api.session.post(url, json=eviction) as answer:
        assert answer.status == 201, await answer.text()
    await on.until("Running", 2)


def ended_by_the_node(word: str) -> Story:
    """The kubelet ends rank 1's pod without its container having failed."""

    async def story(on: Stage) -> None:
        status = {"phase": "Failed", "reason": word, "message": "by the node", "containerStatuses": None}
        await on.api.patch(PODS, on.namespace, f"{JOB}-1-1", {"status": status}, subresource="status")
        await on.until("Running", 2)

    return story


async def quota(on: Stage) -> None:
    body = {"metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    await on.api.create(QUOTAS, on.namespace, body)
    async with asyncio.timeout(PATIENCE):
        while not (await on.api.get(QUOTAS, on.namespace, "none")).get("status", {}).get("hard"):  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    await on.submit(numNodes=2)
    await reason(on, "QuotaExceeded")
    await on.api.delete(QUOTAS, on.namespace, "none")
    await on.until("Running")


async def name_conflict(on: Stage) -> None:
    await on.api.create(SERVICES, on.namespace, {"metadata": {"name": JOB}, "spec": {"ports": [{"port": 80}]}})
    await on.submit(numNodes=2)
    await reason(on, "NameConflict")
    await on.api.delete(SERVICES, on.namespace, JOB)
    await on.until("Running")


async def suspended(on: Stage) -> None:
    await on.change(suspend=True)
    await on.until("Suspended")
    await on.change(suspend=False)
    await on.until("Running", 2)


async def status_lost(on: Stage) -> None:
    job = await on.api.get(TRAININGJOBS, on.namespace, JOB)
    job["status"] = {}
    await on.api.replace(TRAININGJOBS, on.namespace, JOB, job, subresource="status")
    await on.until("Running", 2)


async def deadline(on: Stage) -> None:
    await on.until("Failed")


ROWS: dict[str, tuple[Story, End]] = {
    "a process exits non-zero": (submitted(exits(1)), ("Running", 1, 2, "Error")),
    "the budget is spent": (
        submitted(exits(1, "Failed", 1), failurePolicy={"maxRestarts": 0}),
        ("Failed", 0, 1, "Error"),
    ),
    "the trainer exits with 2": (submitted(exits(2, "Failed", 1), run=CONFIG), ("Failed", 0, 1, "Error")),
    "another script exits with 2": (submitted(exits(2)), ("Running", 1, 2, "Error")),
    "a pod is deleted": (submitted(pod_deleted), ("Running", 0, 2, "PodDeleted")),
    "a pod is drained": (submitted(drained), ("Running", 0, 2, "EvictionByEvictionAPI")),
    "a pod is evicted": (submitted(ended_by_the_node("Evicted")), ("Running", 0, 2, "Evicted")),
    "the kubelet refuses a pod": (submitted(ended_by_the_node("OutOfcpu")), ("Running", 0, 2, "OutOfcpu")),
    "every rank exits with 0": (submitted(ends_well), ("Succeeded", 0, 1, "Completed")),
    "a done pod is deleted": (submitted(done_pod_deleted), ("Running", 0, 2, "PodDeleted")),
    "quota": (quota, ("Running", 0, 1, None)),
    "a name is taken": (name_conflict, ("Running", 0, 1, None)),
    "suspend": (submitted(suspended), ("Running", 0, 2, "Suspended")),
    "a rule says RestartUncounted": (submitted(exits(3), failurePolicy={"rules": RULES}), ("Running", 0, 2, "Error")),
    "a rule says Fail": (
        submitted(exits(139, "Failed", 1), failurePolicy={"rules": RULES}),
        ("Failed", 0, 1, "Error"),
    ),
    "activeDeadlineSeconds": (submitted(deadline, activeDeadlineSeconds=5), ("Failed", 0, 1, "DeadlineExceeded")),
    "the status is lost": (submitted(status_lost), ("Running", 0, 2, None)),
}


@pytest.fixture(scope="module")
def ends(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> dict[str, End | str]:
    """How each life ended, or what went wrong in it."""
    return asyncio.run(_all(control_plane, tmp_path_factory.mktemp("events")))


async def _all(control_plane: ControlPlane, folder: Path) -> dict[str, End | str]:
    with start_operator(control_plane.kubeconfig, folder):
        async with _kubelet(control_plane) as api:
            told = await asyncio.gather(*(_life(api, story) for story, _ in ROWS.values()))
    return dict(zip(ROWS, told, strict=True))


@asynccontextmanager
async def _kubelet(control_plane: ControlPlane) -> AsyncIterator[HttpApi]:
    async with open_api(control_plane.kubeconfig) as api:
        await make_node(api)
        kubelet = asyncio.create_task(Kubelet(api).run())
        try:
            yield api
            assert not kubelet.done(), kubelet.exception()
        finally:
            kubelet.cancel()
            await asyncio.gather(kubelet, return_exceptions=True)
            await api.delete(NODES, None, NODE)


async def _life(api: HttpApi, story: Story) -> End | str:
    namespace = f"events-{uuid4().hex[:10]}"
    await api.create(NAMESPACES, None, {"metadata": {"name": namespace}})
    on = Stage(api, namespace)
    try:
        await _until_pods_can_be_made(api, namespace)
        await story(on)
        return _end(await on.status())
    except (AssertionError, ApiError, TimeoutError) as error:
        return f"{type(error).__name__}: {error}"
    finally:
        await api.delete(NAMESPACES, None, namespace)


async def _until_pods_can_be_made(api: HttpApi, namespace: str) -> None:
    """Admission refuses pods until the namespace's service account exists."""
    async with asyncio.timeout(PATIENCE):
        while True:
            try:
                await api.get(ACCOUNTS, namespace, "default")
            except ApiError:
                await asyncio.sleep(0.05)
            else:
                return


def _end(status: dict[str, Any]) -> End:
    attempts = status.get("attempts") or [{}]
    return status["state"], status.get("restarts", 0), status["attempt"], attempts[0].get("reason")


@pytest.mark.parametrize("row", ROWS)
def test_the_row_holds_on_a_real_api_server(row: str, ends: dict[str, End | str]) -> None:
    assert ends[row] == ROWS[row][1]
