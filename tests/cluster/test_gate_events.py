"""Events wait behind the requests that make something happen, but not for ever."""

import asyncio

from trainingjob_operator.cluster.gate import EVENTS_SHARE, Gate
from trainingjob_operator.cluster.window import Window


async def order(*waiting: str, repeat: int = 1) -> list[str]:
    """The order in which requests get their turns that all came while one was under way; events are called "event"."""
    gate, served = Gate(Window(size=1)), list[str]()
    freed = asyncio.Event()

    async def holder() -> None:
        async with gate.turn("first"):
            await freed.wait()

    async def one(name: str, number: int) -> None:
        async with gate.turn(number, is_news=name == "event"):
            served.append(name)

    holding = asyncio.create_task(holder())
    await asyncio.sleep(0)
    tasks = [asyncio.create_task(one(name, number)) for number, name in enumerate(waiting * repeat)]
    await asyncio.sleep(0)
    gate.window = Window(size=1)
    freed.set()
    await asyncio.gather(holding, *tasks)
    return served


async def test_an_event_waits_while_there_is_work() -> None:
    assert await order("event", "pod", "pod", "pod") == ["pod", "pod", "pod", "event"]


async def test_an_event_has_its_share_while_there_is_work() -> None:
    served = await order(*["event"] * 2, *["pod"] * 20)

    assert served.index("event") < EVENTS_SHARE
    assert served[-1] == "pod"


async def test_without_work_events_wait_for_nothing() -> None:
    assert await order("event", "event") == ["event", "event"]
