"""Which request goes next: jobs take turns, and together they stay within the window (window.py).

Stands before the client. A job with 512 pods to make has no more turns than one with two. Nothing is repeated here:
what the API server refuses is the caller's to retry.
"""

import asyncio
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import MERGE_PATCH, Api, ApiError, Object, ObjectList
from trainingjob_operator.cluster.errors import is_overload
from trainingjob_operator.cluster.window import Window

T = TypeVar("T")

FLOW: ContextVar[Hashable] = ContextVar("flow", default=None)
"""On whose behalf the running task makes requests: a job's key. Tasks that a pass starts inherit it."""


class Gate:
    """Turns for requests, by the running event loop's clock."""

    def __init__(self, window: Window | None = None) -> None:
        self.window = window or Window()
        self.busy = 0
        self._line: OrderedDict[Hashable, deque[asyncio.Future[None]]] = OrderedDict()  # the flow in front is next
        self._timer: asyncio.TimerHandle | None = None

    @property
    def waiting(self) -> int:
        """Requests that wait for their turn."""
        return sum(map(len, self._line.values()))

    @asynccontextmanager
    async def turn(self, flow: Hashable) -> AsyncIterator[None]:
        """A turn for one request of a flow, and what its end tells about the server."""
        await self._enter(flow)
        sent, loop = asyncio.get_running_loop().time(), asyncio.get_running_loop()
        try:
            yield
        except ApiError as error:
            self._told(error, sent, loop.time())
            raise
        except TimeoutError:
            self.window = self.window.refused(sent, loop.time())
            raise
        else:
            self.window = self.window.answered(self.busy)
        finally:
            self.busy -= 1
            self._admit()

    def _told(self, error: ApiError, sent: float, now: float) -> None:
        if is_overload(error):
            self.window = self.window.refused(sent, now, error.retry_after or 0.0)
        else:
            self.window = self.window.answered(self.busy)

    async def _enter(self, flow: Hashable) -> None:
        ticket: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._line.setdefault(flow, deque()).append(ticket)
        self._admit()
        try:
            await ticket
        except asyncio.CancelledError:
            self._withdraw(flow, ticket)
            raise

    def _withdraw(self, flow: Hashable, ticket: "asyncio.Future[None]") -> None:
        """The task that waited is gone; a turn that it was given in the same moment goes to the next."""
        if ticket.done() and not ticket.cancelled():
            self.busy -= 1
            self._admit()
        elif ticket in (queue := self._line.get(flow, deque())):
            queue.remove(ticket)
            if not queue:
                del self._line[flow]

    def _admit(self) -> None:
        """Give turns while there is room: the flow that waits longest, one request, then the next flow."""
        loop = asyncio.get_running_loop()
        while self._line and self.window.room(self.busy, loop.time()):
            flow, queue = self._line.popitem(last=False)
            ticket = queue.popleft()
            if queue:
                self._line[flow] = queue
            if not ticket.done():
                self.busy += 1
                ticket.set_result(None)
        if self._line and self.window.hold_until > loop.time() and self._timer is None:
            self._timer = loop.call_at(self.window.hold_until, self._resume)

    def _resume(self) -> None:
        self._timer = None
        self._admit()


@dataclass(frozen=True, slots=True)
class GatedApi:
    """An API whose requests take turns."""

    api: Api
    gate: Gate

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        return await self._in_turn(lambda: self.api.get(resource, namespace, name))

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> ObjectList:
        return await self._in_turn(lambda: self.api.list(resource, namespace, labels=labels, fields=fields))

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        return await self._in_turn(lambda: self.api.create(resource, namespace, body))

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object:
        return await self._in_turn(lambda: self.api.replace(resource, namespace, name, body, subresource=subresource))

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
        return await self._in_turn(
            lambda: self.api.patch(resource, namespace, name, body, subresource=subresource, content_type=content_type)
        )

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        return await self._in_turn(
            lambda: self.api.delete(resource, namespace, name, uid=uid, grace_seconds=grace_seconds)
        )

    async def _in_turn(self, call: Callable[[], Awaitable[T]]) -> T:
        async with self.gate.turn(FLOW.get()):
            return await call()
