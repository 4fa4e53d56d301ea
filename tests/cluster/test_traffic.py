"""Every request is seen: what it was about, how it was answered, and whether a watch is open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from trainingjob_operator.cluster.health import DEAD_AFTER, OLD_AFTER, Watched, Watches
from trainingjob_operator.cluster.traffic import Traffic, parse

PODS = Watched("pods", None)
JOBS = Watched("trainingjobs", "ml")
Served = tuple[aiohttp.ClientSession, str, Callable[[], None]]
CORE, OURS = "/api/v1", "/apis/trainingjob.dev/v1alpha1"


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


class Stream:
    """A watch's answer."""

    closed = False


class Tally:
    """What was counted."""

    def __init__(self) -> None:
        self.requests: list[tuple[str, str, str]] = []
        self.restarts: list[str] = []

    def requested(self, verb: str, resource: str, code: str) -> None:
        self.requests.append((verb, resource, code))

    def watch_restarted(self, resource: str) -> None:
        self.restarts.append(resource)


@pytest.mark.parametrize(
    ("method", "path", "verb", "resource", "watched"),
    [
        ("GET", f"{CORE}/pods", "list", "pods", PODS),
        ("GET", f"{CORE}/namespaces/ml/pods", "list", "pods", Watched("pods", "ml")),
        ("GET", f"{CORE}/namespaces/ml/pods/a", "get", "pods", Watched("pods", "ml")),
        ("POST", f"{CORE}/namespaces/ml/pods", "create", "pods", Watched("pods", "ml")),
        ("DELETE", f"{CORE}/namespaces/ml/pods/a", "delete", "pods", Watched("pods", "ml")),
        ("PATCH", f"{CORE}/namespaces/ml/pods/a", "patch", "pods", Watched("pods", "ml")),
        ("PUT", f"{OURS}/namespaces/ml/trainingjobs/a/status", "update", "trainingjobs/status", JOBS),
        ("GET", f"{CORE}/namespaces/ml", "get", "namespaces", Watched("namespaces", None)),
        ("GET", f"{CORE}/nodes/n1", "get", "nodes", Watched("nodes", None)),
        ("GET", "/apis/apps/v1/namespaces/ml/deployments", "get", "other", Watched("other", "ml")),
        ("GET", f"{CORE}/namespaces/ml/pods/a/anything-else", "get", "pods", Watched("pods", "ml")),
        ("GET", "/version", "get", "other", Watched("other", None)),
        ("GET", "/apis", "get", "other", Watched("other", None)),
    ],
)
def test_a_request_is_told_by_its_path(method: str, path: str, verb: str, resource: str, watched: Watched) -> None:
    assert parse(method, path) == (verb, resource, watched)


def test_a_watch_is_told_by_its_query() -> None:
    assert parse("GET", f"{CORE}/pods", is_watch=True).verb == "watch"


@asynccontextmanager
async def served(
    watches: Watches, tally: Tally
) -> AsyncIterator[tuple[aiohttp.ClientSession, str, Callable[[], None]]]:
    """A session whose requests are seen, the address of a server that streams watches, and what ends one."""

    async def pods(request: web.Request) -> web.StreamResponse:
        if "watch" not in request.query:
            return web.json_response({"items": []})
        response = web.StreamResponse()
        await response.prepare(request)
        await response.write(b"{}\n")
        await end.wait()
        end.clear()
        return response

    end, app = asyncio.Event(), web.Application()
    app.router.add_get(f"{CORE}/pods", pods)
    async with TestServer(app) as server, aiohttp.ClientSession(middlewares=[Traffic(watches, tally)]) as session:
        yield session, str(server.make_url("")).rstrip("/"), end.set


async def test_a_watch_is_live_from_its_answer_to_its_end_and_the_second_is_a_restart() -> None:
    watches, tally = Watches([PODS], Clock()), Tally()
    async with served(watches, tally) as (session, server, end):
        assert watches.down() == ["pods of all namespaces"]
        for _ in range(2):
            async with session.get(f"{server}{CORE}/pods?watch=1") as response:
                assert watches.down() == []
                end()
                await response.read()
            assert watches.down() == ["pods of all namespaces"]

    assert tally.requests == [("watch", "pods", "200")] * 2
    assert tally.restarts == ["pods"]


async def test_errors_and_silence_are_counted_too() -> None:
    watches, tally = Watches([PODS], Clock()), Tally()
    async with served(watches, tally) as (session, server, _):
        await session.get(f"{server}{CORE}/namespaces/ml/pods/none")
        with pytest.raises(aiohttp.ClientConnectionError):
            await session.post(f"http://127.0.0.1:1{CORE}/namespaces/ml/pods")

    assert tally.requests == [("get", "pods", "404"), ("create", "pods", "none")]


def test_a_watch_that_goes_on_trying_is_down_and_not_dead() -> None:
    clock = Clock()
    watches = Watches([PODS], clock)
    for _ in range(20):
        clock.now += DEAD_AFTER / 2
        watches.tried(PODS)

    assert (watches.down(), watches.dead()) == (["pods of all namespaces"], [])


def test_a_watch_that_nobody_opens_again_is_dead() -> None:
    clock, stream = Clock(), Stream()
    watches = Watches([PODS], clock)
    watches.opened(PODS, stream)
    stream.closed = True
    clock.now = DEAD_AFTER + 1

    assert watches.dead() == ["pods of all namespaces"]


def test_a_watch_that_is_open_for_longer_than_any_server_keeps_it_is_dead() -> None:
    clock = Clock()
    watches = Watches([JOBS], clock)
    watches.opened(JOBS, Stream())
    clock.now = OLD_AFTER
    assert watches.dead() == []

    clock.now += 1
    assert (watches.down(), watches.dead()) == ([], ["trainingjobs of ml"])


def test_what_is_not_expected_is_nobodys_concern() -> None:
    watches = Watches([PODS], Clock())
    watches.tried(JOBS)

    assert not watches.opened(JOBS, Stream())
    assert watches.down() == ["pods of all namespaces"]
