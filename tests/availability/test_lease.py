"""Electors on the sandbox's store in virtual time: never two who may write, and never none for long."""

import asyncio
import logging
from collections.abc import AsyncGenerator, Callable, Coroutine
from dataclasses import dataclass, field
from random import Random
from typing import Any

import aiohttp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.flaky_api import store
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import LEASES
from trainingjob_operator.cluster.api import ApiError, Object, WatchEvent
from trainingjob_operator.cluster.election import Timing
from trainingjob_operator.cluster.fence import Fence
from trainingjob_operator.cluster.lease import Candidate, Elector
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store_api import StoreApi

TIMING = Timing(duration=15, renew_deadline=10, retry=2)
REQUEST_TIMEOUT = TIMING.renew_deadline / 2


@dataclass
class Wire:
    """The way to the API server: slow, cut for a while, or losing what it carries. ``draw`` decides."""

    draw: Random
    latency: float = 0.01
    lossy: float = 0.0
    cut: bool = False


class LeaseApi(StoreApi):
    """Requests over a wire; one whose reply is lost may have been carried out."""

    def __init__(self, store: Store, wire: Wire) -> None:
        super().__init__(store, collects=False)
        self.wire = wire
        self.writes = 0

    async def get(self, *what: Any) -> Object:
        return await self._sent(lambda: super(LeaseApi, self).get(*what))

    async def create(self, *what: Any) -> Object:
        self.writes += 1
        return await self._sent(lambda: super(LeaseApi, self).create(*what))

    async def replace(self, *what: Any, **options: Any) -> Object:
        self.writes += 1
        return await self._sent(lambda: super(LeaseApi, self).replace(*what, **options))

    async def watch(self, *what: Any, **options: Any) -> AsyncGenerator[WatchEvent, None]:
        async for event in super().watch(*what, **options):
            if self.wire.cut:
                raise aiohttp.ClientPayloadError("connection reset")
            yield event

    async def _sent(self, call: Callable[[], Coroutine[Any, Any, Object]]) -> Object:
        async def way() -> None:
            await asyncio.sleep(self.wire.latency * self.wire.draw.random())
            if self.wire.cut or self.wire.draw.random() < self.wire.lossy:
                await asyncio.Future()

        async with asyncio.timeout(REQUEST_TIMEOUT):
            await way()
            answer = await call()
            await way()
        return answer


@dataclass
class Operator:
    """One candidate; ``drift`` is by how much its clock runs fast."""

    name: str
    api: LeaseApi
    drift: float = 0.0
    terms: int = 0
    works: bool = False
    fence: Fence = field(init=False)
    elector: Elector = field(init=False)
    task: asyncio.Task[None] | None = None

    def __post_init__(self) -> None:
        loop = asyncio.get_running_loop()
        clock: Callable[[], float] = lambda: loop.time() * (1 + self.drift)  # noqa: E731
        self.fence = Fence(clock)
        candidate = Candidate("ml", "operator", self.name)
        self.elector = Elector(self.api, candidate, self.fence, self._lead, timing=TIMING, clock=clock)

    def start(self) -> None:
        self.task = asyncio.create_task(self.elector.run())

    async def stop(self) -> None:
        """SIGTERM."""
        assert self.task is not None
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)

    async def _lead(self) -> None:
        self.terms += 1
        self.works = True
        try:
            await asyncio.Future()
        finally:
            self.works = False

    @property
    def may_write(self) -> bool:
        return self.fence.left() > 0


class World:
    """Operators of one cluster, watched at every tenth of a second."""

    def __init__(self, *names: str, seed: int = 1, drift: float = 0.0) -> None:
        self.store = store()
        self.operators = [
            Operator(name, LeaseApi(self.store, Wire(Random(f"{seed}{name}"))), drift if n % 2 else -drift)
            for n, name in enumerate(names)
        ]
        self.longest_gap = 0.0
        for each in self.operators:
            each.start()

    @property
    def writers(self) -> list[str]:
        return [each.name for each in self.operators if each.may_write]

    async def pass_by(self, seconds: float) -> None:
        """Let time pass; at no moment may two write."""
        gap = 0.0
        for _ in range(round(seconds * 10)):
            await asyncio.sleep(0.1)
            assert len(self.writers) <= 1, self.writers
            gap = 0.0 if self.writers else gap + 0.1
            self.longest_gap = max(self.longest_gap, gap)

    async def until(self, is_so: Callable[[], bool]) -> float:
        """Seconds until a condition holds; a minute at the most."""
        for tenth in range(600):
            if is_so():
                return tenth / 10
            await self.pass_by(0.1)
        raise AssertionError("not within a minute")

    async def end(self) -> None:
        for each in self.operators:
            if each.task is not None:
                await each.stop()

    @property
    def lease(self) -> Object:
        return self.store.get(LEASES, "ml", "operator").object["spec"]


def told(story: Callable[[World], Coroutine[Any, Any, None]], *names: str, **options: Any) -> World:
    async def play() -> World:
        world = World(*(names or ("a", "b")), **options)
        await story(world)
        await world.end()
        return world

    return run_virtually(play())


def test_one_of_three_leads_and_goes_on_leading() -> None:
    async def story(world: World) -> None:
        await world.pass_by(600)
        assert len(world.writers) == 1
        assert sorted(each.terms for each in world.operators) == [0, 0, 1]
        assert world.lease["leaseTransitions"] == 0

    assert told(story, "a", "b", "c").longest_gap < 1


def test_a_leader_that_is_told_to_stop_hands_over_within_moments() -> None:
    async def story(world: World) -> None:
        await world.pass_by(30)
        leader = next(each for each in world.operators if each.works)
        await leader.stop()
        assert await world.until(lambda: bool(world.writers)) <= 0.3
        assert world.lease["leaseTransitions"] == 1

    told(story)


def test_a_leader_that_dies_is_followed_when_its_lease_is_over() -> None:
    async def story(world: World) -> None:
        await world.pass_by(30)
        leader = next(each for each in world.operators if each.works)
        leader.api.wire.cut = True
        follower = next(each for each in world.operators if each is not leader)
        assert await world.until(lambda: follower.works) <= TIMING.duration + 1
        assert not leader.works

    told(story)


def test_a_leader_that_is_cut_off_stops_before_the_other_starts_and_stands_by_afterwards() -> None:
    async def story(world: World) -> None:
        await world.pass_by(30)
        leader = next(each for each in world.operators if each.works)
        leader.api.wire.cut = True
        assert await world.until(lambda: not leader.may_write) <= TIMING.renew_deadline
        await world.pass_by(30)
        leader.api.wire.cut = False
        await world.pass_by(60)
        assert not leader.works
        assert leader.elector.standing
        assert not leader.elector.leads

    told(story)


def test_an_outage_of_the_api_server_ends_with_a_leader() -> None:
    async def story(world: World) -> None:
        await world.pass_by(30)
        for each in world.operators:
            each.api.wire.cut = True
        await world.pass_by(120)
        assert world.writers == []
        for each in world.operators:
            each.api.wire.cut = False
        assert await world.until(lambda: bool(world.writers)) <= 2 * REQUEST_TIMEOUT + TIMING.retry

    told(story)


def test_a_deleted_lease_is_made_again_by_its_leader() -> None:
    async def story(world: World) -> None:
        await world.pass_by(30)
        (writer,) = world.writers
        world.store.delete(LEASES, "ml", "operator")
        await world.pass_by(60)
        assert world.writers == [writer]
        assert world.lease["holderIdentity"] == writer

    told(story)


def test_a_standby_waits_for_a_leader_whose_lease_was_deleted_and_who_does_not_know() -> None:
    async def story(world: World) -> None:
        await world.pass_by(30)
        leader = next(each for each in world.operators if each.works)
        leader.api.wire.cut = True
        world.store.delete(LEASES, "ml", "operator")
        await world.pass_by(TIMING.duration + 5)
        assert leader.name not in world.writers
        assert len(world.writers) == 1

    told(story)


def test_a_candidate_alone_leads_again_after_it_was_cut_off() -> None:
    async def story(world: World) -> None:
        await world.pass_by(10)
        world.operators[0].api.wire.cut = True
        await world.pass_by(30)
        assert not world.operators[0].works
        world.operators[0].api.wire.cut = False
        await world.until(lambda: world.operators[0].works)

    assert told(story, "a").operators[0].terms == 2


def test_a_leader_writes_its_lease_every_retry_period_and_a_standby_never() -> None:
    async def story(world: World) -> None:
        await world.pass_by(5)
        before = {each.name: each.api.writes for each in world.operators}
        await world.pass_by(100)
        grown = {each.name: each.api.writes - before[each.name] for each in world.operators}
        (writer,) = world.writers
        assert 45 <= grown.pop(writer) <= 50
        assert set(grown.values()) == {0}

    told(story)


def test_work_that_ends_by_itself_ends_the_elector() -> None:
    async def play() -> None:
        async def lead() -> None:
            raise LookupError("a bug")

        api = LeaseApi(store(), Wire(Random(1)))
        elector = Elector(api, Candidate("ml", "operator", "a"), Fence(lambda: 0.0), lead, timing=TIMING)
        with pytest.raises(LookupError):
            await elector.run()

    run_virtually(play())


def test_a_refusal_is_said_and_tried_again(caplog: pytest.LogCaptureFixture) -> None:
    class Forbidden(LeaseApi):
        async def create(self, *_: Any) -> Object:
            raise ApiError(403, "Forbidden", "no leases for you")

    async def play() -> None:
        operator = Operator("a", Forbidden(store(), Wire(Random(1))))
        operator.start()
        await asyncio.sleep(30)
        assert not operator.works
        await operator.stop()

    with caplog.at_level(logging.WARNING):
        run_virtually(play())

    assert caplog.text.count("no leases for you") in range(10, 40)


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 10**6),
    drift=st.sampled_from([0.0, 0.05, 0.15]),
    latency=st.sampled_from([0.01, 0.5, 2.0]),
    lossy=st.sampled_from([0.0, 0.2, 0.5]),
    cuts=st.lists(st.tuples(st.integers(0, 2), st.floats(1, 40), st.floats(1, 40)), max_size=6),
)
def test_at_no_moment_may_two_write_whatever_the_wires_and_clocks_do(
    seed: int, drift: float, latency: float, lossy: float, cuts: list[tuple[int, float, float]]
) -> None:
    async def story(world: World) -> None:
        for each in world.operators:
            each.api.wire.latency, each.api.wire.lossy = latency, lossy
        for number, off, on in cuts:
            world.operators[number].api.wire.cut = True
            await world.pass_by(off)
            world.operators[number].api.wire.cut = False
            await world.pass_by(on)
        for each in world.operators:
            each.api.wire.latency, each.api.wire.lossy = 0.01, 0.0
        await world.pass_by(30)
        assert len(world.writers) == 1

    told(story, "a", "b", "c", seed=seed, drift=drift)
