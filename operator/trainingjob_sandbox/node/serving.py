"""The node's kubelet endpoint: HTTPS on loopback, where an API server fetches the logs of containers.

Decides only what a query means. It serves logs and nothing else; nobody is asked who he is, as on a kubelet whose
callers are not authenticated, so it listens on 127.0.0.1 alone.
"""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakSet

from aiohttp import web

from trainingjob_sandbox.certificates import self_signed
from trainingjob_sandbox.node.logs import Wanted, read


@dataclass(frozen=True, slots=True)
class Log:
    """A log that exists, and whether something may still be added to it."""

    path: Path
    is_over: Callable[[], bool]


class NoLog(Exception):  # noqa: N818 - an answer, not a fault
    """There is no such log; ``status`` is the HTTP status to answer."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


# namespace, pod, container, previous -> the log, or NoLog is raised
Find = Callable[[str, str, str, bool], Log]


def wanted(query: Mapping[str, str], now: datetime) -> Wanted:
    """The query of the kubelet's containerLogs endpoint.

    Raises:
        ValueError: a number or time is none.
    """
    since = now - timedelta(seconds=int(query["sinceSeconds"])) if "sinceSeconds" in query else None
    return Wanted(
        follow=query.get("follow") == "true",
        tail=int(query["tailLines"]) if "tailLines" in query else None,
        since=datetime.fromisoformat(query["sinceTime"]) if "sinceTime" in query else since,
        limit=int(query["limitBytes"]) if "limitBytes" in query else None,
        timestamps=query.get("timestamps") == "true",
    )


@asynccontextmanager
async def serving(find: Find, name: str, folder: Path, port: int) -> AsyncIterator[int]:
    """Serves while it is entered; gives the port (0 chose a free one)."""
    app = web.Application()
    callers: WeakSet[asyncio.Transport] = WeakSet()
    app.router.add_get("/containerLogs/{namespace}/{pod}/{container}", _handler(find, callers))
    runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=0.5)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", port, ssl_context=_tls(name, folder))
        await site.start()
        yield int(runner.addresses[0][1])
    finally:
        await runner.cleanup()
        # Closing TLS politely waits for the other side, which may take its time; nobody is left here to wait for it.
        for caller in callers:
            caller.abort()


def _handler(
    find: Find, callers: "WeakSet[asyncio.Transport]"
) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        where = request.match_info
        if request.transport is not None:
            callers.add(request.transport)
        try:
            previous = request.query.get("previous") == "true"
            log = find(where["namespace"], where["pod"], where["container"], previous)
            query = wanted(request.query, datetime.now(UTC))
        except NoLog as error:
            return web.Response(status=error.status, text=str(error))
        except ValueError as error:
            return web.Response(status=400, text=f"{error}; the query's numbers are whole, its times RFC 3339")
        return await _stream(request, log, query)

    return answer


async def _stream(request: web.Request, log: Log, query: Wanted) -> web.StreamResponse:
    response = web.StreamResponse(headers={"Content-Type": "text/plain"})
    await response.prepare(request)
    with suppress(ConnectionError):  # whoever followed the log has seen enough
        async for piece in read(log.path, query, log.is_over):
            await response.write(piece)
        await response.write_eof()
    return response


def _tls(name: str, folder: Path) -> ssl.SSLContext:
    certificate, key = self_signed(name, [name, "localhost", "127.0.0.1"])
    path = folder / "kubelet.pem"
    path.touch(mode=0o600)
    path.write_bytes(key + certificate)
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    context.load_cert_chain(path)
    return context
