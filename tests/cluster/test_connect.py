"""From a kubeconfig to an API: addresses, certificates and tokens."""

import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes.config import ConfigException

from support.kubernetes.authority import Authority, write_kubeconfig
from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster import connect as module
from trainingjob_operator.cluster.connect import ConfiguredCredentials, authorization_headers, connect, load

AUTHORITY = Authority()
ADMIN = AUTHORITY.issue("admin", ["system:masters"])


@pytest.fixture(autouse=True)
def no_cluster_of_this_machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "KUBERNETES_SERVICE_PORT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(tmp_path / "absent"))


@asynccontextmanager
async def serving(folder: Path, *, tls: bool = True) -> AsyncIterator[str]:
    """A server that answers with who asked: the client certificate's name and the Authorization header."""

    async def who(request: web.Request) -> web.Response:
        assert request.transport is not None
        certificate = request.transport.get_extra_info("peercert") or {}
        subject = dict(pair[0] for pair in certificate.get("subject", ()))
        found = {"certificate": subject.get("commonName"), "token": request.headers.get("Authorization")}
        return web.json_response(found)

    app = web.Application()
    app.router.add_get("/{path:.*}", who)
    context = None
    if tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=AUTHORITY.pem.decode())
        context.verify_mode = ssl.CERT_OPTIONAL
        context.load_cert_chain(*AUTHORITY.issue("server", addresses=["127.0.0.1"]).write(folder, "server"))
    server = TestServer(app, scheme="https" if tls else "http")
    await server.start_server(ssl=context)
    try:
        yield f"{server.scheme}://127.0.0.1:{server.port}"
    finally:
        await server.close()


async def asked(kubeconfig: Path) -> dict[str, str | None]:
    """Who a server takes us for."""
    async with connect(load(kubeconfig)) as api:
        return await api.get(PODS, "ml", "x")


async def test_a_token_is_sent_as_a_bearer(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        kubeconfig = write_kubeconfig(tmp_path / "config", server, AUTHORITY.pem, token="secret")

        assert await asked(kubeconfig) == {"certificate": None, "token": "Bearer secret"}


async def test_a_certificate_is_shown(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        kubeconfig = write_kubeconfig(tmp_path / "config", server, AUTHORITY.pem, certificate=ADMIN)

        assert await asked(kubeconfig) == {"certificate": "admin", "token": None}


async def test_a_server_that_the_configuration_does_not_trust_is_not_spoken_to(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        kubeconfig = write_kubeconfig(tmp_path / "config", server, Authority().pem, token="secret")

        with pytest.raises(aiohttp.ClientConnectorCertificateError):
            await asked(kubeconfig)


async def test_verification_can_be_turned_off_by_whoever_wrote_the_configuration(tmp_path: Path) -> None:
    async with serving(tmp_path) as server:
        configuration = load(write_kubeconfig(tmp_path / "config", server, Authority().pem, token="secret"))
        configuration.verify_ssl = False

        async with connect(configuration) as api:
            assert await api.get(PODS, "ml", "x") == {"certificate": None, "token": "Bearer secret"}


async def test_a_server_without_tls_is_spoken_to_plainly(tmp_path: Path) -> None:
    async with serving(tmp_path, tls=False) as server:
        kubeconfig = write_kubeconfig(tmp_path / "config", f"{server}/", AUTHORITY.pem)

        assert await asked(kubeconfig) == {"certificate": None, "token": None}


async def test_tokens_are_fetched_anew_every_half_minute(monkeypatch: pytest.MonkeyPatch) -> None:
    now, tokens = [100.0], iter("ab")

    class Rotating:
        def auth_settings(self) -> dict[str, dict[str, str]]:
            return {"BearerToken": {"in": "header", "key": "authorization", "value": next(tokens)}}

    monkeypatch.setattr(module.time, "monotonic", lambda: now[0])
    credentials = ConfiguredCredentials(Rotating())
    seen = []
    for moment in (100.0, 129.0, 130.0):
        now[0] = moment
        seen.append((await credentials.headers())["authorization"])

    assert seen == ["a", "a", "b"]


def test_what_is_no_header_or_empty_is_not_sent() -> None:
    class Other:
        def auth_settings(self) -> dict[str, dict[str, str]]:
            return {"A": {"in": "query", "key": "a", "value": "x"}, "B": {"in": "header", "key": "b", "value": ""}}

    assert authorization_headers(Other()) == {}


def test_a_users_default_configuration_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    default = write_kubeconfig(tmp_path / "default", "https://10.0.0.1:6443", AUTHORITY.pem, token="secret")
    monkeypatch.setattr("kubernetes.config.kube_config.KUBE_CONFIG_DEFAULT_LOCATION", str(default))

    assert load(None).host == "https://10.0.0.1:6443"


def test_a_pods_service_account_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, content in (("token", b"secret"), ("ca.crt", AUTHORITY.pem)):
        (tmp_path / name).write_bytes(content)
    monkeypatch.setenv("KUBERNETES_SERVICE_HOST", "10.96.0.1")
    monkeypatch.setenv("KUBERNETES_SERVICE_PORT", "443")
    where = "kubernetes.config.incluster_config."
    monkeypatch.setattr(f"{where}SERVICE_TOKEN_FILENAME", str(tmp_path / "token"))
    monkeypatch.setattr(f"{where}SERVICE_CERT_FILENAME", str(tmp_path / "ca.crt"))

    found = load(None)

    assert found.host == "https://10.96.0.1:443"
    assert authorization_headers(found) == {"authorization": "bearer secret"}


def test_without_any_configuration_there_is_a_sentence() -> None:
    with pytest.raises(ConfigException):
        load(None)
