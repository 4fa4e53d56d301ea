"""The API server over HTTP.

Nothing is retried here: what an error means depends on who asked, so the work queue decides. With a fence, a write is
sent only while it is open, and not waited for, here or in the server's own queues, for longer than that.
"""

import math
from collections.abc import AsyncGenerator, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Any

import aiohttp
import orjson
from aiohttp.abc import AbstractStreamWriter

from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_operator.cluster.api import (
    APPLY_PATCH,
    MERGE_PATCH,
    ApiError,
    Credentials,
    Object,
    ObjectList,
    WatchEvent,
)
from trainingjob_operator.cluster.fence import DeposedError, Fence

PAGE = 250


@dataclass(slots=True)
class HttpApi:
    """The protocol over one keep-alive aiohttp session. The session belongs to the caller, who closes it."""

    session: aiohttp.ClientSession
    server: str
    credentials: Credentials | None = None
    request_timeout: float = 30.0
    fence: Fence | None = None

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        return await self._call("GET", resource.path(namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> ObjectList:
        items: list[Object] = []
        version = ""
        async for page in self.pages(resource, namespace, labels=labels, fields=fields):
            items += page.items
            version = page.resource_version
        return ObjectList(items, version)

    async def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> AsyncGenerator[ObjectList, None]:
        query = {"limit": str(PAGE)} | _selectors(labels, fields)
        while True:
            page = await self._call("GET", resource.path(namespace), query=query)
            meta = page["metadata"]
            yield ObjectList(page.get("items") or [], meta["resourceVersion"])
            if not meta.get("continue"):
                return
            query["continue"] = meta["continue"]

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        return await self._call("POST", resource.path(namespace), body=body)

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object:
        return await self._call("PUT", resource.path(namespace, name, subresource), body=body)

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Object:
        query = {"fieldManager": "trainingjob", "force": "true"} if content_type == APPLY_PATCH else {}
        path = resource.path(namespace, name, subresource)
        return await self._call("PATCH", path, body=body, query=query, content_type=content_type)

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        options: Object = {"apiVersion": "v1", "kind": "DeleteOptions", "propagationPolicy": "Background"}
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        return await self._call("DELETE", resource.path(namespace, name), body=options)

    async def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        timeout_seconds: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]:
        query = _selectors(labels, fields) | {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(timeout_seconds),
        }
        # Bookmarks come about once a minute: a stream that is silent for longer is half open (kopf #955).
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=90)
        async with self._request("GET", resource.path(namespace), query=query, timeout=timeout) as response:
            if response.status >= 400:
                raise _error(response, await response.read())
            async for line in _lines(response):
                if not line:
                    continue  # something between says that it is alive
                event = _decoded(line)
                if event["type"] == "ERROR":
                    raise _status_error(event["object"])
                yield WatchEvent(event["type"], event["object"])

    async def log(self, namespace: str, pod: str, *, container: str, follow: bool) -> AsyncGenerator[str, None]:
        """Lines of a container's log, without their line ends; with ``follow`` until the container has ended."""
        query = {"container": container} | ({"follow": "true"} if follow else {})
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
        async with self._request("GET", PODS.path(namespace, pod, "log"), query=query, timeout=timeout) as response:
            if response.status >= 400:
                raise _error(response, await response.read())
            async for line in _lines(response, and_the_last=True):
                yield line.decode(errors="replace")

    async def _call(
        self,
        method: str,
        path: str,
        *,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> Object:
        seconds = self.request_timeout
        if self.fence is not None and method != "GET":
            left = self.fence.check()
            seconds = min(seconds, left)
            if math.isfinite(left):
                query = {**(query or {}), "timeout": f"{max(int(seconds * 1000), 1)}ms"}
        timeout = aiohttp.ClientTimeout(total=seconds)
        try:
            async with self._request(
                method, path, body=body, query=query, content_type=content_type, timeout=timeout
            ) as response:
                return _answer(response, await response.read())
        except aiohttp.ClientError as error:
            if isinstance(error.__cause__, DeposedError):
                raise error.__cause__ from None
            raise

    def _request(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,
        body: Any = None,
        query: Mapping[str, str] | None = None,
        content_type: str = "application/json",
    ) -> AbstractAsyncContextManager[aiohttp.ClientResponse]:
        return _Request(self, method, path, timeout, body, query, content_type)


@dataclass(slots=True)
class _Request:
    """One request whose credentials are fetched when it starts."""

    api: HttpApi
    method: str
    path: str
    timeout: aiohttp.ClientTimeout
    body: Any
    query: Mapping[str, str] | None
    content_type: str
    response: aiohttp.ClientResponse | None = None

    async def __aenter__(self) -> aiohttp.ClientResponse:
        headers = {"Accept": "application/json"}
        if self.api.credentials is not None:
            headers |= await self.api.credentials.headers()
        data: aiohttp.Payload | bytes | None = None
        if self.body is not None:
            data = orjson.dumps(self.body)
            if self.api.fence is not None:
                data = _FencedBody(data, self.api.fence)
            headers["Content-Type"] = self.content_type
        self.response = await self.api.session.request(
            self.method,
            self.api.server + self.path,
            params=self.query,
            data=data,
            headers=headers,
            timeout=self.timeout,
        )
        return self.response

    async def __aexit__(self, *_: object) -> None:
        if self.response is not None:
            self.response.release()


class _FencedBody(aiohttp.BytesPayload):
    """A body that looks at the fence in the moment in which it, and the headers with it, go to the socket.

    Between the start of a request and that moment a connection is waited for, and the process may have been stopped.
    """

    def __init__(self, body: bytes, fence: Fence) -> None:
        super().__init__(body)
        self._fence = fence

    async def write_with_length(self, writer: AbstractStreamWriter, content_length: int | None) -> None:
        self._fence.check()
        await super().write_with_length(writer, content_length)


def _selectors(labels: str, fields: str) -> dict[str, str]:
    return {k: v for k, v in (("labelSelector", labels), ("fieldSelector", fields)) if v}


async def _lines(response: aiohttp.ClientResponse, *, and_the_last: bool = False) -> AsyncGenerator[bytes, None]:
    """Lines of any length without their ends; the last one only on demand if it has none: it may have been cut.

    aiohttp's own readline stops at its buffer's limit, a pod may be larger.
    """
    rest = b""
    async for chunk in response.content.iter_any():
        *whole, rest = (rest + chunk).split(b"\n")
        for line in whole:
            yield line
    if rest and and_the_last:
        yield rest


def _decoded(line: bytes) -> Object:
    """One event of a watch. A line that a proxy cut or made up is a broken connection, not a fact."""
    try:
        event: Object = orjson.loads(line)
    except orjson.JSONDecodeError as error:
        raise aiohttp.ClientPayloadError(f"a watch sent something that is not JSON: {line[:80]!r}") from error
    return event


def _answer(response: aiohttp.ClientResponse, payload: bytes) -> Object:
    if response.status >= 400:
        raise _error(response, payload)
    answer: Object = orjson.loads(payload)
    return answer


def _error(response: aiohttp.ClientResponse, payload: bytes) -> ApiError:
    try:
        body = orjson.loads(payload)
    except orjson.JSONDecodeError:
        body = None
    retry_after = response.headers.get("Retry-After")
    seconds = float(retry_after) if retry_after and retry_after.isdigit() else None
    if isinstance(body, dict) and body.get("kind") == "Status":
        return _status_error(body, status=response.status, retry_after=seconds)
    text = payload[:300].decode(errors="replace")
    return ApiError(response.status, response.reason or "Unknown", text, retry_after=seconds)


def _status_error(body: Object, status: int = 0, retry_after: float | None = None) -> ApiError:
    details = body.get("details") or {}
    if retry_after is None and details.get("retryAfterSeconds"):
        retry_after = float(details["retryAfterSeconds"])
    return ApiError(
        status or int(body.get("code", 500)),
        body.get("reason", ""),
        body.get("message", ""),
        retry_after=retry_after,
        details=details,
    )
