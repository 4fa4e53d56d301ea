"""The protocol over HTTP: what goes over the wire, and what its answers become."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import orjson
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from trainingjob_operator.api.resources import NODES, PODS, TRAININGJOBS
from trainingjob_operator.cluster.api import APPLY_PATCH, JSON_PATCH, ApiError
from trainingjob_operator.cluster.client import HttpApi

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
JOB = "/apis/trainingjob.dev/v1alpha1/namespaces/ml/trainingjobs/digits"


class Server:
    """A server that notes requests and answers as a test says; an answer is JSON, or a handler."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[web.Request] = []
        self.bodies: list[Any] = []

    async def handle(self, request: web.Request) -> web.StreamResponse:
        self.requests.append(request)
        body = await request.read()
        self.bodies.append(orjson.loads(body) if body else None)
        answer = self.answers.pop(0)
        return await answer(request) if callable(answer) else web.json_response(answer)

    @property
    def last(self) -> web.Request:
        return self.requests[-1]

    @asynccontextmanager
    async def api(self, **options: Any) -> AsyncIterator[HttpApi]:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self.handle)
        async with TestServer(app) as server, aiohttp.ClientSession() as session:
            yield HttpApi(session, str(server.make_url("")).rstrip("/"), **options)


def status(code: int, reason: str, message: str, headers: dict[str, str] | None = None, **fields: Any) -> Handler:
    """An error as API servers tell it."""

    async def handler(_: web.Request) -> web.Response:
        body = {"kind": "Status", "code": code, "reason": reason, "message": message} | fields
        return web.json_response(body, status=code, headers=headers)

    return handler


def text(code: int, body: str, headers: dict[str, str] | None = None) -> Handler:
    """An error of something in between that is no API server."""

    async def handler(_: web.Request) -> web.Response:
        return web.Response(status=code, text=body, headers=headers)

    return handler


def chunks(*parts: bytes) -> Handler:
    """A stream that arrives in these parts."""

    async def handler(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse()
        await response.prepare(request)
        for part in parts:
            await response.write(part)
        await response.write_eof()
        return response

    return handler


async def test_a_read_is_a_quorum_read_of_one_path() -> None:
    server = Server({"kind": "TrainingJob"})
    async with server.api() as api:
        assert await api.get(TRAININGJOBS, "ml", "digits") == {"kind": "TrainingJob"}

    assert (server.last.method, server.last.path_qs) == ("GET", JOB)
    assert server.last.headers["Accept"] == "application/json"


async def test_a_list_follows_its_pages_to_the_end() -> None:
    server = Server(
        {"items": [{"n": 1}, {"n": 2}], "metadata": {"continue": "more", "resourceVersion": "7"}},
        {"items": None, "metadata": {"continue": "evenmore", "resourceVersion": "7"}},
        {"items": [{"n": 3}], "metadata": {"resourceVersion": "7"}},
    )
    async with server.api() as api:
        found = await api.list(PODS, "ml", labels="a=b", fields="spec.nodeName=x")

    assert ([item["n"] for item in found.items], found.resource_version) == ([1, 2, 3], "7")
    assert [request.query.get("continue") for request in server.requests] == [None, "more", "evenmore"]
    for request in server.requests:
        assert (request.query["limit"], request.query["labelSelector"]) == ("250", "a=b")
        assert request.query["fieldSelector"] == "spec.nodeName=x"
        assert "resourceVersion" not in request.query


async def test_a_list_without_selectors_sends_none() -> None:
    server = Server({"items": [], "metadata": {"resourceVersion": "1"}})
    async with server.api() as api:
        await api.list(NODES)

    assert server.last.path_qs == "/api/v1/nodes?limit=250"


async def test_writes_carry_their_bodies() -> None:
    server = Server({}, {}, {}, {}, {})
    async with server.api() as api:
        await api.create(PODS, "ml", {"a": 1})
        await api.replace(TRAININGJOBS, "ml", "digits", {"b": 2}, subresource="status")
        await api.patch(TRAININGJOBS, "ml", "digits", {"c": 3})
        await api.patch(TRAININGJOBS, "ml", "digits", [{"op": "test"}], content_type=JSON_PATCH, subresource="status")
        await api.patch(TRAININGJOBS, "ml", "digits", {"d": 4}, content_type=APPLY_PATCH)

    seen = [(request.method, request.path_qs, request.content_type) for request in server.requests]
    assert seen == [
        ("POST", "/api/v1/namespaces/ml/pods", "application/json"),
        ("PUT", f"{JOB}/status", "application/json"),
        ("PATCH", JOB, "application/merge-patch+json"),
        ("PATCH", f"{JOB}/status", "application/json-patch+json"),
        ("PATCH", f"{JOB}?fieldManager=trainingjob&force=true", "application/apply-patch+yaml"),
    ]
    assert server.bodies == [{"a": 1}, {"b": 2}, {"c": 3}, [{"op": "test"}], {"d": 4}]


async def test_a_delete_names_the_uid_and_the_grace_that_it_is_for() -> None:
    server = Server({}, {})
    async with server.api() as api:
        await api.delete(PODS, "ml", "digits-1-0", uid="u", grace_seconds=0)
        await api.delete(PODS, "ml", "digits-1-0")

    common = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
    assert server.bodies == [common | {"preconditions": {"uid": "u"}, "gracePeriodSeconds": 0}, common]


async def test_credentials_are_asked_for_each_request() -> None:
    class Counting:
        asked = 0

        async def headers(self) -> dict[str, str]:
            self.asked += 1
            return {"Authorization": f"Bearer {self.asked}"}

    server = Server({}, {})
    async with server.api(credentials=Counting()) as api:
        await api.get(PODS, "ml", "a")
        await api.get(PODS, "ml", "a")

    assert [request.headers["Authorization"] for request in server.requests] == ["Bearer 1", "Bearer 2"]


async def failure(answer: Handler) -> ApiError:
    server = Server(answer)
    async with server.api() as api:
        with pytest.raises(ApiError) as caught:
            await api.get(PODS, "ml", "a")
    return caught.value


async def test_a_status_answer_becomes_an_error_with_its_reason_and_details() -> None:
    error = await failure(status(409, "AlreadyExists", 'pods "a" already exists', details={"name": "a"}))

    assert (error.status, error.reason, error.message) == (409, "AlreadyExists", 'pods "a" already exists')
    assert (error.details, error.retry_after) == ({"name": "a"}, None)


async def test_a_status_without_words_is_still_an_error() -> None:
    async def bare(_: web.Request) -> web.Response:
        return web.json_response({"kind": "Status"}, status=500)

    error = await failure(bare)

    assert (error.status, error.reason, error.message, error.details) == (500, "", "", {})


@pytest.mark.parametrize(
    ("answer", "seconds"),
    [
        (status(429, "TooManyRequests", "slow down", {"Retry-After": "7"}), 7),
        (status(429, "TooManyRequests", "slow down", details={"retryAfterSeconds": 3}), 3),
        (status(429, "TooManyRequests", "slow down", {"Retry-After": "7"}, details={"retryAfterSeconds": 3}), 7),
        (text(503, "try later", {"Retry-After": "2"}), 2),
        (text(503, "try later", {"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}), None),
    ],
)
async def test_a_time_to_retry_is_read_where_the_server_names_it(answer: Handler, seconds: float | None) -> None:
    assert (await failure(answer)).retry_after == seconds


@pytest.mark.parametrize("body", ["<html>Bad Gateway</html>", '"text"', '{"kind": "Other"}', "[]"])
async def test_an_answer_that_is_no_status_is_quoted(body: str) -> None:
    error = await failure(text(502, body + " " * 1000))

    assert (error.status, error.reason) == (502, "Bad Gateway")
    assert error.message.startswith(body)
    assert len(error.message) == 300


async def watched(*parts: bytes) -> list[tuple[str, Any]]:
    server = Server(chunks(*parts))
    async with server.api() as api:
        return [(event.type, event.object) async for event in api.watch(PODS, resource_version="1")]


async def test_lines_of_a_watch_may_be_cut_and_joined_anywhere() -> None:
    line = orjson.dumps({"type": "ADDED", "object": {"name": "a" * 200_000}}) + b"\n"
    second = b'{"type":"BOOKMARK","object":{"name":"b"}}\n'
    whole = line + b"\n" + second + second

    events = await watched(*(whole[start : start + 7001] for start in range(0, len(whole), 7001)))

    assert [(kind, found["name"][0], len(found["name"])) for kind, found in events] == [
        ("ADDED", "a", 200_000),
        ("BOOKMARK", "b", 1),
        ("BOOKMARK", "b", 1),
    ]


async def test_a_line_that_the_server_did_not_finish_is_no_event() -> None:
    assert await watched(b'{"type":"ADDED","object":{}}\n{"type":"ADD') == [("ADDED", {})]


async def test_a_watch_says_where_it_goes_on_and_asks_for_bookmarks() -> None:
    server = Server(chunks(b""))
    async with server.api() as api:
        stream = api.watch(PODS, "ml", labels="a=b", resource_version="42", timeout_seconds=9)
        assert [event async for event in stream] == []

    assert dict(server.last.query) == {
        "labelSelector": "a=b",
        "watch": "1",
        "allowWatchBookmarks": "true",
        "resourceVersion": "42",
        "timeoutSeconds": "9",
    }


async def test_an_error_in_a_watch_is_raised_with_its_own_code() -> None:
    gone = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
    line = orjson.dumps({"type": "ERROR", "object": gone}) + b"\n"

    with pytest.raises(ApiError) as caught:
        await watched(line)

    assert (caught.value.status, caught.value.reason) == (410, "Expired")


async def test_a_refused_watch_is_an_error_at_once() -> None:
    server = Server(status(403, "Forbidden", "no"))
    async with server.api() as api:
        with pytest.raises(ApiError, match="403 Forbidden: no"):
            await anext(api.watch(PODS, resource_version="1"))


async def test_a_log_comes_line_by_line() -> None:
    server = Server(chunks(b"one\n\ntw", b"o \xff\n"), chunks(b""), status(404, "NotFound", "no such pod"))
    async with server.api() as api:
        assert [line async for line in api.log("ml", "digits-1-0", container="trainer", follow=True)] == [
            "one",
            "",
            "two \ufffd",
        ]
        assert [line async for line in api.log("ml", "digits-1-0", container="trainer", follow=False)] == []
        with pytest.raises(ApiError, match="no such pod"):
            await anext(api.log("ml", "digits-1-0", container="trainer", follow=False))

    assert [request.path_qs for request in server.requests[:2]] == [
        "/api/v1/namespaces/ml/pods/digits-1-0/log?container=trainer&follow=true",
        "/api/v1/namespaces/ml/pods/digits-1-0/log?container=trainer",
    ]


async def test_the_last_line_of_a_log_needs_no_end() -> None:
    server = Server(chunks(b"one\nlast words"))
    async with server.api() as api:
        assert [line async for line in api.log("ml", "a", container="trainer", follow=False)] == ["one", "last words"]
