"""A sandbox API server for tests, and clients of it."""

import asyncio
import io
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp

from trainingjob_operator.cluster.client import HttpApi
from trainingjob_sandbox.apiserver import Server, serve
from trainingjob_sandbox.store import Store


@dataclass(frozen=True, slots=True)
class Answer:
    """An HTTP answer, read to its end."""

    status: int
    body: Any
    warnings: list[str]
    content_type: str


@dataclass(frozen=True, slots=True)
class Served:
    """A store, its server, and a session that is let in."""

    store: Store
    server: Server
    session: aiohttp.ClientSession

    @property
    def api(self) -> HttpApi:
        """The operator's own client."""
        return HttpApi(self.session, self.server.url)

    async def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None
    ) -> Answer:
        return await ask(self.session, self.server.url + path, method, body, headers)


@asynccontextmanager
async def served(store: Store) -> AsyncGenerator[Served]:
    async with serve(store) as server:
        connector = aiohttp.TCPConnector(ssl=server.client_tls())
        async with aiohttp.ClientSession(connector=connector, headers=server.headers()) as session:
            yield Served(store, server, session)


async def ask(
    session: aiohttp.ClientSession, url: str, method: str, body: Any, headers: Mapping[str, str] | None
) -> Answer:
    """One request; a body that is not bytes yet is sent as JSON."""
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    data = None if body is None else io.BytesIO(raw)
    sent = {"Content-Type": "application/json", "Accept": "application/json", **(headers or {})}
    async with session.request(method, url, data=data, headers=sent) as response:
        raw = await response.read()
        content_type = response.headers.get("Content-Type", "")
        decoded = json.loads(raw) if "json" in content_type else raw.decode()
        return Answer(response.status, decoded, response.headers.getall("Warning", []), content_type)


@dataclass(frozen=True, slots=True)
class Said:
    """What a program printed, and how it ended."""

    code: int
    out: str
    err: str


@dataclass(frozen=True, slots=True)
class Kubectl:
    """kubectl against one server. ``folder`` holds its kubeconfig and caches."""

    binary: Path
    folder: Path

    @classmethod
    def of(cls, binary: Path, folder: Path, server: Server) -> "Kubectl":
        (folder / "kubeconfig").write_text(json.dumps(server.kubeconfig()))
        return cls(binary, folder)

    async def start(self, *argv: str) -> asyncio.subprocess.Process:
        return await asyncio.create_subprocess_exec(
            str(self.binary),
            *argv,
            env={"KUBECONFIG": str(self.folder / "kubeconfig"), "HOME": str(self.folder), "PATH": "/usr/bin:/bin"},
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )

    async def run(self, *argv: str, stdin: str = "") -> Said:
        process = await self.start(*argv)
        out, err = await process.communicate(stdin.encode())
        return Said(process.returncode or 0, out.decode(), err.decode())

    async def __call__(self, *argv: str, stdin: str = "") -> str:
        """What kubectl prints; AssertionError with its complaint if it fails."""
        said = await self.run(*argv, stdin=stdin)
        assert said.code == 0, f"kubectl {' '.join(argv)}: {said.err}"
        return said.out
