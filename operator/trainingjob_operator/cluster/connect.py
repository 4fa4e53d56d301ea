"""From a kubeconfig or a service account to an API: addresses, certificates and tokens that stay fresh.

`kubernetes` reads the configuration, runs exec plugins and refreshes tokens; requests are made by client.py.
"""

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import ClientMiddlewareType
from kubernetes import client, config

from trainingjob_operator.cluster.client import HttpApi

TOKEN_SECONDS = 30.0
CONNECTIONS = 100


@dataclass(slots=True)
class ConfiguredCredentials:
    """Headers from a kubernetes Configuration, asked for anew every half minute, off the event loop."""

    configuration: Any
    _headers: dict[str, str] = field(default_factory=dict)
    _until: float = 0.0

    async def headers(self) -> Mapping[str, str]:
        if time.monotonic() >= self._until:
            self._headers = await asyncio.to_thread(authorization_headers, self.configuration)
            self._until = time.monotonic() + TOKEN_SECONDS
        return self._headers


def authorization_headers(configuration: Any) -> dict[str, str]:
    """What authenticates a request now; may read a file or run an exec plugin."""
    settings = configuration.auth_settings().values()
    return {s["key"]: s["value"] for s in settings if s["in"] == "header" and s["value"]}


def load(kubeconfig: Path | None) -> Any:
    """The cluster's configuration: the given kubeconfig, else the pod's service account, else the user's default.

    Raises kubernetes.config.ConfigException with a sentence when there is none.
    """
    found = client.Configuration()
    if kubeconfig is not None:
        config.load_kube_config(str(kubeconfig), client_configuration=found)
        return found
    try:
        config.load_incluster_config(client_configuration=found)
    except config.ConfigException:
        config.load_kube_config(client_configuration=found)
    return found


@asynccontextmanager
async def connect(configuration: Any, *middlewares: ClientMiddlewareType) -> AsyncIterator[HttpApi]:
    """An API over one pool of kept-alive connections."""
    async with session(configuration, *middlewares) as opened:
        yield HttpApi(opened, configuration.host.rstrip("/"), ConfiguredCredentials(configuration))


def session(configuration: Any, *middlewares: ClientMiddlewareType) -> aiohttp.ClientSession:
    """A session with the configuration's certificates; the caller closes it. Needs a running event loop."""
    connector = aiohttp.TCPConnector(ssl=_tls(configuration), limit=CONNECTIONS)
    return aiohttp.ClientSession(connector=connector, middlewares=middlewares)


def _tls(configuration: Any) -> ssl.SSLContext | bool:
    if not configuration.host.startswith("https"):
        return True
    context = ssl.create_default_context(cafile=configuration.ssl_ca_cert)
    if not configuration.verify_ssl:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if configuration.cert_file:
        context.load_cert_chain(configuration.cert_file, configuration.key_file)
    return context
