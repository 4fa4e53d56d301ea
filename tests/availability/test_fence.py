"""The fence: open for a while, shut by itself, and looked at again in the moment in which the bytes go out."""

import asyncio
import math
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.client import HttpApi
from trainingjob_operator.cluster.fence import DeposedError, Fence, boot_clock

POD = {"metadata": {"name": "a"}}


@dataclass
class Clock:
    """A clock that a test sets."""

    now: float = 0.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Interrupted:
    """Credentials in whose fetching the process is stopped for a while."""

    clock: Clock
    seconds: float

    async def headers(self) -> Mapping[str, str]:
        self.clock.now += self.seconds
        return {}


@dataclass
class Recorder:
    """A server that notes the requests that reach it and answers when it is told to."""

    requests: list[web.BaseRequest] = field(default_factory=list)
    release: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.Response:
        self.requests.append(request)
        await self.release.wait()
        return web.json_response({})

    @asynccontextmanager
    async def api(self, fence: Fence, **options: object) -> AsyncIterator[HttpApi]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        async with TestServer(app) as server, aiohttp.ClientSession() as session:
            yield HttpApi(session, str(server.make_url("")).rstrip("/"), fence=fence, **options)  # type: ignore[arg-type]


WRITES: list[Callable[[HttpApi], object]] = [
    lambda api: api.create(PODS, "ml", POD),
    lambda api: api.replace(PODS, "ml", "a", POD, subresource="status"),
    lambda api: api.patch(PODS, "ml", "a", POD),
    lambda api: api.delete(PODS, "ml", "a"),
]


def test_it_is_shut_at_first_and_again_when_its_time_is_over() -> None:
    clock = Clock()
    fence = Fence(clock)
    with pytest.raises(DeposedError):
        fence.check()

    fence.open_until(10)
    clock.now = 4
    assert fence.check() == 6
    clock.now = 10
    with pytest.raises(DeposedError):
        fence.check()


def test_once_closed_it_never_opens_again() -> None:
    fence = Fence(Clock())
    fence.close()
    fence.open_until(math.inf)

    assert fence.left() == 0


def test_the_clock_goes_forward() -> None:
    assert boot_clock() <= boot_clock()


@pytest.mark.parametrize("write", WRITES)
async def test_no_write_is_sent_through_a_shut_fence(write: Callable[[HttpApi], object]) -> None:
    server = Recorder()
    async with server.api(Fence(Clock())) as api:
        with pytest.raises(DeposedError):
            await write(api)  # type: ignore[misc]

    assert server.requests == []


@pytest.mark.parametrize("write", WRITES)
async def test_a_process_that_was_stopped_between_its_decision_and_the_socket_sends_nothing(
    write: Callable[[HttpApi], object],
) -> None:
    server, clock = Recorder(), Clock()
    fence = Fence(clock)
    fence.open_until(10)
    async with server.api(fence, credentials=Interrupted(clock, seconds=60)) as api:
        with pytest.raises(DeposedError):
            await write(api)  # type: ignore[misc]

    assert server.requests == []


async def test_reads_pass_a_shut_fence() -> None:
    server = Recorder()
    server.release.set()
    async with server.api(Fence(Clock())) as api:
        assert await api.get(PODS, "ml", "a") == {}


async def test_a_write_is_waited_for_only_while_the_fence_is_open_and_the_server_is_told_so() -> None:
    server, clock = Recorder(), Clock()
    fence = Fence(clock)
    fence.open_until(0.2)
    async with server.api(fence) as api:
        with pytest.raises(TimeoutError):
            await api.create(PODS, "ml", POD)
        server.release.set()

    assert [request.query["timeout"] for request in server.requests] == ["200ms"]


async def test_without_a_lease_nothing_is_said_of_timeouts() -> None:
    server = Recorder()
    server.release.set()
    fence = Fence(Clock())
    fence.open_until(math.inf)
    async with server.api(fence) as api:
        await api.create(PODS, "ml", POD)

    assert "timeout" not in server.requests[0].query
