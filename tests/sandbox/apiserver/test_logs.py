"""`pods/log`: passed on from the kubelet of the pod's node."""

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import ClientPayloadError, web

from support.api_objects import pod
from support.sandbox_server import Served
from trainingjob_operator.api.resources import NODES, PODS
from trainingjob_sandbox.apiserver.server import server_tls
from trainingjob_sandbox.certificates import self_signed

LOG = "/api/v1/namespaces/default/pods/p/log"
Handler = Callable[[web.Request], Any]


async def test_a_log_comes_from_the_kubelet_with_the_questions_parameters(sandbox: Served) -> None:
    async def logs(request: web.Request) -> web.Response:
        return web.Response(text=f"{request.path} {dict(request.query)}")

    async with _kubelet(sandbox, logs):
        sandbox.store.create(PODS, "default", pod(node="n"))

        answer = await sandbox.ask("GET", f"{LOG}?tailLines=5&timestamps=true&pretty=true")

    assert answer.status == 200
    assert answer.body == "/containerLogs/default/p/main {'timestamps': 'true', 'tailLines': '5'}"


async def test_a_followed_log_arrives_as_it_is_written(sandbox: Served) -> None:
    more = asyncio.Event()

    async def logs(request: web.Request) -> web.StreamResponse:
        response = await _first_line(request)
        await more.wait()
        await response.write(b"second\n")
        return response

    async with _kubelet(sandbox, logs):
        sandbox.store.create(PODS, "default", pod(node="n"))
        async with sandbox.session.get(f"{sandbox.server.url}{LOG}?follow=true") as response:
            assert await response.content.readline() == b"first\n"
            more.set()
            assert await response.content.read() == b"second\n"


async def test_a_log_whose_kubelet_leaves_is_cut_short_without_a_word(
    sandbox: Served, caplog: pytest.LogCaptureFixture
) -> None:
    leaves = asyncio.Event()

    async def logs(request: web.Request) -> web.StreamResponse:
        response = await _first_line(request)
        await leaves.wait()
        assert request.transport is not None
        request.transport.abort()
        return response

    async with _kubelet(sandbox, logs):
        sandbox.store.create(PODS, "default", pod(node="n"))
        async with sandbox.session.get(f"{sandbox.server.url}{LOG}?follow=true") as response:
            assert await response.content.readline() == b"first\n"
            leaves.set()
            with pytest.raises(ClientPayloadError):
                await response.content.read()

    assert not caplog.records


async def test_what_the_kubelet_refuses_is_told(sandbox: Served) -> None:
    async def logs(_: web.Request) -> web.Response:
        return web.Response(status=400, text='container "main" in pod "p" is waiting to start: ContainerCreating')

    async with _kubelet(sandbox, logs):
        sandbox.store.create(PODS, "default", pod(node="n"))
        answer = await sandbox.ask("GET", LOG)

    assert (answer.status, answer.body["reason"]) == (400, "BadRequest")
    assert "is waiting to start" in answer.body["message"]


async def test_a_pod_without_a_node_has_an_empty_log(sandbox: Served) -> None:
    sandbox.store.create(PODS, "default", pod())

    answer = await sandbox.ask("GET", LOG)

    assert (answer.status, answer.body) == (204, "")


async def test_of_several_containers_one_must_be_named(sandbox: Served) -> None:
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    sandbox.store.create(PODS, "default", pod(containers=containers))

    unnamed = await sandbox.ask("GET", LOG)
    wrong = await sandbox.ask("GET", f"{LOG}?container=c")

    assert "choose one of: [a b]" in unnamed.body["message"]
    assert wrong.body["message"] == "container c is not valid for pod p"
    assert (await sandbox.ask("GET", f"{LOG}?container=b")).status == 204


@pytest.mark.parametrize(
    ("status", "complaint"),
    [
        (None, 'nodes "n" not found'),
        ({}, "node n tells no kubelet address"),
        (
            {
                "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                "daemonEndpoints": {"kubeletEndpoint": {"Port": 1}},
            },
            "the kubelet of node n does not answer",
        ),
    ],
)
async def test_a_log_that_cannot_be_had_says_why(sandbox: Served, status: Any, complaint: str) -> None:
    sandbox.store.create(PODS, "default", pod(node="n"))
    if status is not None:
        sandbox.store.create(NODES, None, {"metadata": {"name": "n"}, "status": status})

    answer = await sandbox.ask("GET", LOG)

    assert answer.status >= 400
    assert complaint in answer.body["message"]


async def _first_line(request: web.Request) -> web.StreamResponse:
    """An answer that has begun."""
    response = web.StreamResponse()
    await response.prepare(request)
    await response.write(b"first\n")
    return response


@asynccontextmanager
async def _kubelet(sandbox: Served, logs: Handler) -> AsyncGenerator[None]:
    """A kubelet with a certificate of its own that nobody trusts, and the node that it belongs to."""
    application = web.Application()
    application.router.add_get("/containerLogs/{namespace}/{pod}/{container}", logs)
    runner = web.AppRunner(application)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=_tls()).start()
        status = {
            "addresses": [{"type": "Hostname", "address": "n"}, {"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": runner.addresses[0][1]}},
        }
        sandbox.store.create(NODES, None, {"metadata": {"name": "n"}, "status": status})
        yield
    finally:
        await runner.cleanup()


def _tls() -> ssl.SSLContext:
    return server_tls(*self_signed("n", ["127.0.0.1"]))
