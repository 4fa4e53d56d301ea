"""Between the operator and the API server: passes everything on, counts writes, and kills at the one it was told.

Writes are counted by namespace, so that many jobs can be played at once, each with its own deadly write. A write that
kills never gets an answer: it was not passed on ("before"), or it was and the answer is lost ("after").
"""

import asyncio
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Literal

import aiohttp
from aiohttp import web

from trainingjob_operator.cluster.client import HttpApi

Moment = Literal["before", "after"]
READING = ("GET", "HEAD")


@dataclass(frozen=True, slots=True)
class Kill:
    """At the n-th write (from 1) in a namespace, before or after it is passed on."""

    write: int
    moment: Moment


@dataclass(slots=True)
class Proxy:
    """``victim`` gives up the operator's process id, 0 while there is none. ``fired``: whose kill has come, at what."""

    api: HttpApi
    victim: Callable[[], int]
    armed: dict[str, Kill] = field(default_factory=dict)
    fired: dict[str, str] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    killed: asyncio.Event = field(default_factory=asyncio.Event)

    async def handle(self, request: web.Request) -> web.StreamResponse:
        kill = self._kill_for(request) if request.method not in READING else None
        if kill is None:
            async with self._forwarded(request) as answer:
                return await _passed_on(request, answer)
        moment, victim = kill
        try:
            if moment == "after":
                async with self._forwarded(request) as answer:
                    await answer.read()
        finally:
            # Whoever sent this may be dead already and the handler cancelled: the victim was promised a death.
            os.kill(victim, signal.SIGKILL)
            self.killed.set()
        if request.transport is not None:
            request.transport.abort()  # nobody is left to be answered
        return web.Response()

    @asynccontextmanager
    async def _forwarded(self, request: web.Request) -> AsyncIterator[aiohttp.ClientResponse]:
        body = await request.read()
        headers = {name: value for name, value in request.headers.items() if name in ("Accept", "Content-Type")}
        timeout = aiohttp.ClientTimeout(total=None)
        url = self.api.server + request.raw_path
        async with self.api.session.request(
            request.method, url, data=body or None, headers=headers, timeout=timeout
        ) as answer:
            yield answer

    def _kill_for(self, request: web.Request) -> tuple[Moment, int] | None:
        """When to kill at this write, and whom; None to let it pass."""
        namespace = _namespace(request.path)
        self.writes[namespace] += 1
        kill = self.armed.get(namespace)
        if kill is None or self.writes[namespace] < kill.write or not (victim := self.victim()):
            return None  # where another job's write was the operator's last, the next one of this job kills
        del self.armed[namespace]
        self.fired[namespace] = f"{request.method} {request.path}"
        return kill.moment, victim


async def _passed_on(request: web.Request, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    told = web.StreamResponse(status=answer.status, headers={"Content-Type": answer.headers["Content-Type"]})
    try:
        await told.prepare(request)
        async for chunk in answer.content.iter_any():
            await told.write(chunk)
        await told.write_eof()
    except (ConnectionError, asyncio.CancelledError):
        return told  # the operator is dead, or has heard enough
    return told


def _namespace(path: str) -> str:
    """The namespace in a request's path, empty for what belongs to none."""
    _, found, rest = path.partition("/namespaces/")
    return rest.split("/")[0] if found else ""


@asynccontextmanager
async def serving(proxy: Proxy, port: int) -> AsyncIterator[None]:
    """Serve on loopback until the block ends."""
    application = web.Application(client_max_size=2**24)
    application.router.add_route("*", "/{rest:.*}", proxy.handle)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", port).start()
        yield
    finally:
        await runner.cleanup()
