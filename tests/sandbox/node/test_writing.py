"""What the node writes, and what it must not."""

import asyncio
from typing import Any

import pytest

from support.node_world import NodeApi, Object, World, eventually, pod
from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_sandbox.node.kinds import PodBinding
from trainingjob_sandbox.node.machineports import MachinePorts
from trainingjob_sandbox.node.placement import Offer
from trainingjob_sandbox.node.report import Gone, delete, write_status
from trainingjob_sandbox.node.scheduling import Scheduler


async def namesakes(world: World) -> tuple[Object, Object]:
    """A pod that is gone, and another one of its name."""
    first = await world.apply(pod("true"))
    await world.api.delete(PODS, "default", "p", grace_seconds=0)
    return first, await world.apply(pod("true"))


async def test_the_status_of_a_pod_is_never_written_to_its_namesake(world: World) -> None:
    first, second = await namesakes(world)
    with pytest.raises(Gone):
        await write_status(world.api, first, {"phase": "Failed"})

    assert (await world.api.get(PODS, "default", "p"))["status"] == second["status"]


async def test_a_namesake_is_never_deleted(world: World) -> None:
    first, second = await namesakes(world)
    await delete(world.api, first)

    assert (await world.api.get(PODS, "default", "p"))["metadata"]["uid"] == second["metadata"]["uid"]


class Counting(NodeApi):
    """Remembers which pods were to be bound."""

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.bound: list[str] = []

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        if isinstance(resource, PodBinding):
            self.bound.append(resource.pod)
        return await super().create(resource, namespace, body)


async def test_gpus_are_granted_before_the_watch_tells_of_the_binding(world: World) -> None:
    api = Counting(world.api.store)
    world.api = api
    one = {"resources": {"limits": {"nvidia.com/gpu": "1"}}}
    # As a watch that lags: the first pod is never seen with its node.
    seen = [await world.apply(pod("true", name="first", container=one))]
    scheduler = Scheduler(api, "sandbox", Offer({}, "nvidia.com/gpu", ("0",)), lambda: seen, MachinePorts())
    task = asyncio.create_task(scheduler.run())
    scheduler.wake()

    async def bound() -> bool:
        return api.bound == ["first"]

    await eventually(bound)
    seen.append(await world.apply(pod("true", name="second", container=one)))
    scheduler.wake()
    refused = await world.until("second", lambda found: found["status"].get("conditions"))
    task.cancel()
    await asyncio.wait([task])

    assert refused["status"]["conditions"][0]["reason"] == "Unschedulable"
    assert api.bound == ["first"]
