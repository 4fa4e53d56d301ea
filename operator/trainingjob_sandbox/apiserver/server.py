"""The API server's life: listen on loopback, ask every request for the token, answer, and end.

Decides who may ask (whoever has the token) and what goes to which handler. Never listens anywhere but where it is told.
"""

import asyncio
import base64
import hmac
import secrets
import ssl
import tempfile
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import aiohttp
from aiohttp import web

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.apiserver.answers import refusal
from trainingjob_sandbox.apiserver.documents import Documents
from trainingjob_sandbox.apiserver.resources import Resources
from trainingjob_sandbox.certificates import self_signed
from trainingjob_sandbox.store import Store

Handler: TypeAlias = Callable[[web.Request], Awaitable[web.StreamResponse]]

# As on a cluster, these tell nothing and are asked by probes that have no token.
OPEN_PATHS = frozenset({"/healthz", "/livez", "/readyz", "/version"})
LARGEST_BODY = 3 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Server:
    """A running API server: where it is and what a client needs to be let in."""

    url: str
    token: str
    certificate: bytes

    def kubeconfig(self, namespace: str = "default") -> Object:
        """A kubeconfig document with everything inside; write it as JSON or YAML."""
        authority = base64.b64encode(self.certificate).decode()
        return {
            "apiVersion": "v1",
            "kind": "Config",
            "current-context": "sandbox",
            "clusters": [{"name": "sandbox", "cluster": {"server": self.url, "certificate-authority-data": authority}}],
            "users": [{"name": "sandbox", "user": {"token": self.token}}],
            "contexts": [
                {"name": "sandbox", "context": {"cluster": "sandbox", "user": "sandbox", "namespace": namespace}}
            ],
        }

    def headers(self) -> dict[str, str]:
        """What lets a client in."""
        return {"Authorization": f"Bearer {self.token}"}

    def client_tls(self) -> ssl.SSLContext:
        """A TLS context that trusts this server and no other."""
        return ssl.create_default_context(cadata=self.certificate.decode())


@asynccontextmanager
async def serve(store: Store, host: str = "127.0.0.1", port: int = 0, *, token: str = "") -> AsyncGenerator[Server]:
    """Serve a store over HTTPS until the block ends; port 0 takes a free one, no token makes a random one."""
    token = token or secrets.token_urlsafe(32)
    certificate, key = self_signed("trainingjob-sandbox", [host, "localhost"])
    closing = asyncio.Event()
    # Logs are followed for as long as anybody looks: no total timeout.
    timeout = aiohttp.ClientTimeout(total=None, sock_connect=10)
    async with aiohttp.ClientSession(timeout=timeout, auto_decompress=False) as session:
        resources = Resources(store, session, closing)
        runner = web.AppRunner(_application(store, resources, token), access_log=None, shutdown_timeout=1.0)
        await runner.setup()
        try:
            site = web.TCPSite(runner, host, port, ssl_context=server_tls(certificate, key))
            await site.start()
            yield Server(f"https://{_address(runner, host)}", token, certificate)
        finally:
            closing.set()
            resources.end_streams()
            await runner.cleanup()


def server_tls(certificate: bytes, key: bytes) -> ssl.SSLContext:
    """A serving TLS context. The ssl module reads keys from files only; the file is gone before anything listens."""
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "serving.pem")
        path.touch(mode=0o600)
        path.write_bytes(key + certificate)
        context.load_cert_chain(path)
    return context


def _application(store: Store, resources: Resources, token: str) -> web.Application:
    application = web.Application(middlewares=[_refusals, _authentication(token)], client_max_size=LARGEST_BODY)
    documents = Documents(store)
    application.router.add_routes(documents.routes())
    application.router.add_route("*", "/api/{rest:.*}", resources.handle)
    application.router.add_route("*", "/apis/{rest:.*}", resources.handle)
    return application


def _authentication(token: str) -> Any:
    """Middleware: processes of other users reach loopback too, and pods are started by what is written here."""
    wanted = f"Bearer {token}".encode()

    @web.middleware
    async def authenticate(request: web.Request, handler: Handler) -> web.StreamResponse:
        given = request.headers.get("Authorization", "").encode()
        if request.path not in OPEN_PATHS and not hmac.compare_digest(given, wanted):
            raise ApiError(401, "Unauthorized", "Unauthorized")
        return await handler(request)

    return authenticate


@web.middleware
async def _refusals(request: web.Request, handler: Handler) -> web.StreamResponse:
    try:
        return await handler(request)
    except ApiError as error:
        return refusal(error)
    except web.HTTPRequestEntityTooLarge:
        message = f"the request is larger than {LARGEST_BODY} bytes"
        return refusal(ApiError(413, "RequestEntityTooLarge", message))
    except web.HTTPNotFound:
        return refusal(ApiError(404, "NotFound", "the server could not find the requested resource"))


def _address(runner: web.AppRunner, host: str) -> str:
    port = runner.addresses[0][1]
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
