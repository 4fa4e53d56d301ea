"""What the kubelet and Prometheus ask this process over HTTP: is it alive, is it ready, what did it count.

`/healthz` fails when something has ended that does not come back by itself: a watch that nobody opens again, a pass
that never ends. `/readyz` fails while a watch is down or the election is not known. An API server that is away makes
the operator unready, never dead: to start it again would not help.
"""

import logging
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

logger = logging.getLogger(__name__)
logger.addFilter(lambda record: not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError)))
"""Whoever sends what is not HTTP is answered with 400; that is his concern, and no news for a log."""

Check = Callable[[], list[str]]
"""What is wrong, in words; empty if nothing is."""

ANY_ADDRESS = "0.0.0.0"  # noqa: S104 - the kubelet and Prometheus come from outside the pod


class PortError(Exception):
    """A port cannot be listened on."""


@asynccontextmanager
async def serve(port: int | None, *routes: web.RouteDef) -> AsyncIterator[None]:
    """Answer on a port while the block runs; without a port, nothing. Raises PortError if it is taken."""
    if port is None:
        yield
        return
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app, handle_signals=False, access_log=None, logger=logger, shutdown_timeout=1.0)
    await runner.setup()
    try:
        await _listen(runner, port)
        yield
    finally:
        await runner.cleanup()


async def _listen(runner: web.AppRunner, port: int) -> None:
    try:
        await web.TCPSite(runner, ANY_ADDRESS, port).start()
    except OSError as error:
        reason = error.strerror or str(error)
        raise PortError(f"port {port}: {reason}; give another one (--liveness-port, --metrics-port)") from error


def probe(path: str, check: Check) -> web.RouteDef:
    """200 and `ok`, or 503 and what is wrong, a line each."""

    async def answer(_: web.Request) -> web.Response:
        wrong = check()
        return web.Response(status=503 if wrong else 200, text="\n".join(wrong or ["ok"]) + "\n")

    return web.get(path, answer)


def page(path: str, text: Callable[[], bytes], content_type: str) -> web.RouteDef:
    """A page that is made when it is asked for."""

    async def answer(_: web.Request) -> web.Response:
        return web.Response(body=text(), headers={"Content-Type": content_type})

    return web.get(path, answer)
