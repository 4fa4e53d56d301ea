"""Whose request goes next, and how many at once: jobs take turns within a window that the API server sets."""

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.flaky_api import FlakyApi
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_operator.cluster.gate import FLOW, Gate, GatedApi
from trainingjob_operator.cluster.window import MOST, START, Window

TOO_MANY = ApiError(429, "TooManyRequests", "slow down", retry_after=1.0)
LATE = ApiError(504, "Timeout", "etcd is late")


def test_a_full_window_that_is_served_grows_by_one_in_all_of_itself() -> None:
    window = Window(size=10)
    for _ in range(10):
        window = window.answered(busy=int(window.size))

    assert 10.9 < window.size <= 11


def test_a_window_that_is_not_used_does_not_grow() -> None:
    assert Window(size=10).answered(busy=9).size == 10


def test_a_refusal_halves_it_and_holds_everything_back_as_long_as_the_server_says() -> None:
    window = Window(size=10).refused(sent_at=5, now=6, retry_after=2)

    assert (window.size, window.room(0, 7.9), window.room(0, 8)) == (5, 0, 5)


def test_requests_that_were_sent_before_the_cut_tell_nothing_new() -> None:
    window = Window(size=16).refused(sent_at=5, now=6)

    assert window.refused(sent_at=5.5, now=7).size == 8
    assert window.refused(sent_at=6, now=7).size == 4


@given(st.lists(st.tuples(st.booleans(), st.floats(0, 10)), max_size=200))
def test_it_stays_between_one_and_the_most(answers: list[tuple[bool, float]]) -> None:
    window, now = Window(), 0.0
    for served, seconds in answers:
        now += seconds
        window = window.answered(int(window.size)) if served else window.refused(now, now)

    assert 1 <= window.size <= MOST


@dataclass
class ModelServer:
    """An API server that serves so many requests at once, each in the same time, and refuses beyond a queue."""

    slots: int = 8
    seconds: float = 0.02
    queue: int = 1000
    busy: int = 0
    waiting: int = 0
    most: int = 0
    refused: int = 0
    _free: asyncio.Condition = field(default_factory=asyncio.Condition)

    async def serve(self) -> None:
        if self.waiting >= self.queue:
            self.refused += 1
            raise TOO_MANY
        self.waiting += 1
        self.most = max(self.most, self.waiting + self.busy)
        async with self._free:
            await self._free.wait_for(lambda: self.busy < self.slots)
            self.waiting -= 1
            self.busy += 1
        await asyncio.sleep(self.seconds)
        async with self._free:
            self.busy -= 1
            self._free.notify()


async def make(gate: Gate, server: ModelServer, job: str, pods: int) -> float:
    """Create all pods of a job, again where they are refused; seconds until the last is there."""
    began = asyncio.get_running_loop().time()

    async def create() -> None:
        while True:
            try:
                async with gate.turn(job):
                    return await server.serve()
            except ApiError as error:
                await asyncio.sleep(error.retry_after or 0)

    await asyncio.gather(*(create() for _ in range(pods)))
    return asyncio.get_running_loop().time() - began


def p95(times: list[float]) -> float:
    return sorted(times)[int(len(times) * 0.95)]


def small_ones(*, beside: int, server: Callable[[], ModelServer] = ModelServer) -> list[float]:
    """How long each of 50 jobs of 4 pods takes beside a job of so many, submitted together and first in line."""

    async def play() -> list[float]:
        gate, one = Gate(), server()
        big = asyncio.create_task(make(gate, one, "big", beside))
        await asyncio.sleep(0)
        times = await asyncio.gather(*(make(gate, one, f"small-{n}", 4) for n in range(50)))
        await big
        return list(times)

    return run_virtually(play())


def test_a_job_of_512_pods_does_not_hold_up_fifty_small_ones() -> None:
    alone, beside = p95(small_ones(beside=0)), p95(small_ones(beside=512))

    assert beside <= 2 * alone, (alone, beside)


def test_one_small_job_beside_a_large_one_waits_for_a_few_pods_only() -> None:
    async def play(pods: int) -> float:
        gate, server = Gate(Window(size=8)), ModelServer()
        big = asyncio.create_task(make(gate, server, "big", pods))
        await asyncio.sleep(0.1)
        seconds = await make(gate, server, "small", 2)
        await big
        return seconds

    assert run_virtually(play(512)) <= run_virtually(play(0)) + 2 * ModelServer.seconds


def test_flows_take_turns_and_each_keeps_its_order() -> None:
    async def play() -> list[str]:
        gate, seen = Gate(Window(size=1)), []

        async def one(flow: str, number: int) -> None:
            async with gate.turn(flow):
                seen.append(f"{flow}{number}")
                await asyncio.sleep(1)

        await asyncio.gather(*(one("a", n) for n in range(4)), *(one("b", n) for n in range(2)))
        return seen

    assert run_virtually(play()) == ["a0", "a1", "b0", "a2", "b1", "a3"]


def test_the_window_finds_what_a_small_server_can_take() -> None:
    async def play() -> tuple[ModelServer, Gate]:
        server, gate = ModelServer(slots=2, queue=6), Gate()
        await asyncio.gather(*(make(gate, server, f"job-{n}", 16) for n in range(40)))
        return server, gate

    server, gate = run_virtually(play())

    assert gate.window.size < START
    assert server.refused < 0.2 * 640
    assert gate.busy == gate.waiting == 0


def test_the_window_opens_for_a_server_that_takes_more() -> None:
    async def play() -> Gate:
        gate = Gate()
        await make(gate, ModelServer(slots=500), "job", 4000)
        return gate

    assert run_virtually(play()).window.size > 2 * START


@pytest.mark.parametrize(("error", "size"), [(TOO_MANY, 16), (LATE, 16), (TimeoutError(), 16), (KeyError(), 32)])
def test_what_overload_is(error: Exception, size: int) -> None:
    async def play() -> Gate:
        gate = Gate()
        with pytest.raises(type(error)):
            async with gate.turn("a"):
                raise error
        return gate

    assert int(run_virtually(play()).window.size) == size


def test_nothing_starts_before_the_server_wants_it() -> None:
    async def play() -> float:
        gate = Gate()
        with pytest.raises(ApiError):
            async with gate.turn("a"):
                raise TOO_MANY
        async with gate.turn("a"):
            return asyncio.get_running_loop().time()

    assert run_virtually(play()) == pytest.approx(1.0)


@given(st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 5), st.floats(0, 5)), max_size=30), st.integers(1, 4))
def test_a_turn_is_never_lost_however_many_give_up(requests: list[tuple[str, float, float]], size: int) -> None:
    """Each request is given up after some time, waiting or under way; afterwards everything is free again."""

    async def play() -> Gate:
        gate = Gate(Window(size=size))

        async def one(flow: str, work: float, patience: float) -> None:
            try:
                async with asyncio.timeout(patience), gate.turn(flow):
                    assert gate.busy <= int(gate.window.size) + size
                    await asyncio.sleep(work)
            except TimeoutError:
                return

        await asyncio.gather(*(one(*each) for each in requests))
        async with gate.turn("last"):
            assert gate.busy == 1
        return gate

    assert run_virtually(play()).busy == 0


def test_every_request_of_a_pass_has_its_jobs_turns() -> None:
    """The flow is inherited by the tasks that a pass starts; watches pass without a turn."""
    seen: list[object] = []

    class Noting(Gate):
        def turn(self, flow: Any, **options: Any) -> Any:
            seen.append(flow)
            return super().turn(flow, **options)

    async def play() -> None:
        api = GatedApi(FlakyApi(), Noting())

        async def passed(job: str) -> None:
            FLOW.set(job)
            calls: list[Coroutine[Any, Any, Any]] = [api.list(PODS, "ml"), api.list(PODS, "ml")]
            await asyncio.gather(*calls)

        await asyncio.gather(asyncio.create_task(passed("a")), asyncio.create_task(passed("b")))

    run_virtually(play())

    assert sorted(map(str, seen)) == ["a", "a", "b", "b"]
