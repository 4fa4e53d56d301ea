"""Watches over HTTP: one JSON object per line, until the client or the time is up.

Decides when a line is written: at every change, and a bookmark about once a minute so that a silent stream can be told
from a dead one. Never blocks the store: it is only woken by it.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from aiohttp import web

from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.apiserver.answers import JSON
from trainingjob_sandbox.store import Record, Watch
from trainingjob_sandbox.store.errors import status_document

BOOKMARK_SECONDS = 60.0
LONGEST_SECONDS = 1800.0


@dataclass(slots=True)
class Stream:
    """One watch being answered. ``encode`` gives an object's line; ``bookmark`` the object of a bookmark."""

    watch: Watch
    encode: Callable[[Record], bytes]
    bookmark: Callable[[bool], Any] | None
    seconds: float
    closing: asyncio.Event
    news: asyncio.Event
    initial: bool = False

    async def answer(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": JSON})
        self.watch.notify = self.news.set
        try:
            await response.prepare(request)
            await self._write(response)
            await response.write_eof()
        except ConnectionError:
            # The client is gone: the usual end of a watch, and nobody is left to tell.
            return response
        finally:
            self.watch.close()
        return response

    async def _write(self, response: web.StreamResponse) -> None:
        loop = asyncio.get_running_loop()
        end = loop.time() + self.seconds
        marked = loop.time()
        while not self.closing.is_set() and loop.time() < end:
            self.news.clear()
            try:
                lines = [_line(seen.type, self.encode(seen.record)) for seen in self.watch.take()]
            except ApiError as expired:
                await response.write(_line("ERROR", orjson.dumps(status_document(expired))))
                return
            if self.initial or (self.bookmark and loop.time() - marked >= BOOKMARK_SECONDS):
                lines += self._bookmarks()
                marked = loop.time()
            if lines:
                await response.write(b"".join(lines))
            await _until_set(self.news, min(end, marked + BOOKMARK_SECONDS) - loop.time())

    def _bookmarks(self) -> list[bytes]:
        ends_initial, self.initial = self.initial, False
        return [_line("BOOKMARK", orjson.dumps(self.bookmark(ends_initial)))] if self.bookmark else []


async def failed(request: web.Request, error: ApiError) -> web.StreamResponse:
    """A watch that cannot begin: as on a cluster, the stream starts and its only line says why."""
    response = web.StreamResponse(headers={"Content-Type": JSON})
    await response.prepare(request)
    await response.write(_line("ERROR", orjson.dumps(status_document(error))))
    await response.write_eof()
    return response


def _line(kind: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"], encoded: bytes) -> bytes:
    return b'{"type":"%s","object":%s}\n' % (kind.encode(), encoded)


async def _until_set(event: asyncio.Event, seconds: float) -> None:
    try:
        async with asyncio.timeout(max(seconds, 0)):
            await event.wait()
    except TimeoutError:
        return
