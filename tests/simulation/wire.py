"""The network between one operator process and the store: latency, faults, and watches that lag or break.

A request, once sent, arrives whether or not its sender still lives; only then does the store see it. The operator above
and the store below are the product's own and unmodified.
"""

import asyncio
from collections.abc import AsyncGenerator, Callable
from typing import TYPE_CHECKING, Any

import aiohttp

from simulation.faults import REFUSALS, lost, refusal
from simulation.schedule import RequestFault
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import EVENTS, PODS, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import MERGE_PATCH, ApiError, Object, ObjectList, WatchEvent
from trainingjob_sandbox.store import DeleteOptions

if TYPE_CHECKING:
    from simulation.process import Process

Answer = tuple[Any, Exception | None]
TIMEOUT = 30.0
SILENCE = 90.0
"""Seconds after which the client gives up a silent watch, as HttpApi does."""


class Stream:
    """One open watch; ``broken`` ends it, and nothing comes out before ``silent_until``."""

    def __init__(self) -> None:
        self.news = asyncio.Event()
        self.broken: Exception | None = None
        self.silent_until = 0.0

    def end(self, error: Exception) -> None:
        self.broken = error
        self.news.set()


class Wire:
    """``FullApi`` for one operator process. Objects are the store's own: who changes one, changes the store's."""

    def __init__(self, process: "Process") -> None:
        self._process = process
        self._world = process.world
        self._store = process.world.store
        self._loop = asyncio.get_running_loop()
        self.streams: dict[str, Stream] = {}
        self._job_read_at = 0.0

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object:
        def read() -> Object:
            if resource is TRAININGJOBS:
                self._job_read_at = self._loop.time()
            return self._store.get(resource, namespace, name).object

        return await self._ask("job" if resource is TRAININGJOBS else "read", read)

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> ObjectList:
        if names.LABEL_JOB in labels:
            self._world.quorum_reads += 1

        def read() -> ObjectList:
            page = self._store.list(resource, namespace, labels=labels, fields=fields)
            return ObjectList([record.object for record in page.records], str(page.version))

        return await self._ask("read", read)

    async def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = ""
    ) -> AsyncGenerator[ObjectList, None]:
        yield await self.list(resource, namespace, labels=labels)

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object:
        def write() -> Object:
            if resource is EVENTS:
                return body  # Nobody reads them, and to store them would cost a tenth of the time.
            if resource is PODS and self._world.quota_until > self._loop.time():
                raise ApiError(*REFUSALS["403 quota"])
            made = self._store.create(resource, namespace, body)
            self._world.oracle.created(resource, made.object, self._job_read_at)
            self._world.collect_orphan(made.object)
            return made.object

        return await self._ask("create", write, f"create {resource.kind} {body['metadata'].get('name', '')}")

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object:
        def write() -> Object:
            before = self._store.get(resource, namespace, name)
            after = self._store.replace(resource, namespace, name, body, subresource=subresource)
            self._world.oracle.replaced(resource, subresource, before.object, after.object)
            return after.object

        return await self._ask("status", write, f"status {name} {_shown(body.get('status', {}))}")

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
        def write() -> Object:
            before = self._store.get(resource, namespace, name)
            after = self._store.patch(
                resource, namespace, name, body, content_type=content_type, subresource=subresource
            )
            self._world.oracle.replaced(resource, subresource, before.object, after.object)
            return after.object

        return await self._ask("status", write, f"patch {resource.kind} {name}")

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object:
        def write() -> Object:
            options = DeleteOptions(uid=uid, grace_seconds=grace_seconds, propagation="Background")
            before = self._store.get(resource, namespace, name)
            answer = self._store.deleted(resource, namespace, name, options)
            self._world.oracle.deleted(resource, before.object, uid)
            self._store.collect_garbage()
            return answer

        return await self._ask("delete", write, f"delete {resource.kind} {name}")

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
        kind = resource.plural.removeprefix("training")
        watch = await self._ask(
            "read", lambda: self._store.watch(resource, namespace, labels=labels, version=resource_version)
        )
        stream = self.streams[kind] = Stream()
        watch.notify = stream.news.set
        try:
            while True:
                stream.news.clear()
                await self._held_back(stream, kind)
                if stream.broken:
                    raise stream.broken
                for seen in watch.take():
                    yield WatchEvent(seen.type, seen.record.object)
                await stream.news.wait()
        finally:
            watch.close()

    async def _held_back(self, stream: Stream, kind: str) -> None:
        """News take their time; a silent stream is given up in the end, and what it withheld is asked for again."""
        if lag := self._world.lag(kind):
            await asyncio.sleep(lag)
        await self._process.awake()
        if (silence := stream.silent_until - self._loop.time()) > 0:
            await asyncio.sleep(silence)
            stream.broken = stream.broken or TimeoutError("silent for 90 s")

    async def _ask(self, target: str, carry_out: Callable[[], Any], text: str = "") -> Any:
        world = self._world
        await self._process.awake()
        world.count_request(self._process)
        fault = world.request_faults.next(target)
        if text:
            world.note(text if fault is None else f"{text} [{fault.kind}]", of=self._process)
        if world.outage_until > self._loop.time():
            await asyncio.sleep(0.01)
            raise aiohttp.ClientConnectionError("connection refused")
        reply: asyncio.Future[Answer] = self._loop.create_future()
        self._send(fault, carry_out, reply)
        value, error = await reply
        if error is not None:
            raise error
        return value

    def _send(self, fault: RequestFault | None, carry_out: Callable[[], Any], reply: "asyncio.Future[Answer]") -> None:
        kind = fault.kind if fault else ""
        if fault is None or kind == "crash after":
            self._after(self._arrive, carry_out, reply, kind)
        elif (refused := refusal(fault)) is not None:
            self._after(_answer, reply, None, refused)
        elif kind == "crash before":
            self._process.crash()
        else:
            self._loop.call_later(TIMEOUT if fault.seconds > 1 else 0.05, _answer, reply, None, lost(fault))
            if kind != "lost":
                delay = fault.seconds if kind == "late" else 0.0
                self._loop.call_later(delay, self._arrive, carry_out, self._loop.create_future(), kind)

    def _arrive(self, carry_out: Callable[[], Any], reply: "asyncio.Future[Answer]", kind: str) -> None:
        """The request reaches the API server."""
        self._world.oracle.is_late = kind == "late"
        try:
            value, error = carry_out(), None
        except ApiError as refused:
            value, error = None, refused
        if kind == "crash after":
            self._process.crash()
        else:
            self._after(_answer, reply, value, error)

    def _after(self, call: Callable[..., None], *args: Any) -> None:
        latency = self._world.latency()
        if latency:
            self._loop.call_later(latency, call, *args)
        else:
            self._loop.call_soon(call, *args)


def _answer(reply: "asyncio.Future[Answer]", value: Any, error: Exception | None) -> None:
    if not reply.done():
        reply.set_result((value, error))


def _shown(status: Object) -> str:
    text = f"{status.get('state')} attempt={status.get('attempt')} restarts={status.get('restarts')}"
    return f"{text} nodes={status.get('nodes')} {status.get('reason')}"
