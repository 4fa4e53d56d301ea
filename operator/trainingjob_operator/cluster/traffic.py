"""Sees every request to the API server, kopf's and ours: what was asked, how it was answered, which watches open.

Decides nothing; the only thing that it changes in a request are its credentials.
"""

from collections.abc import Awaitable, Callable, Mapping
from typing import NamedTuple, Protocol
from urllib.parse import unquote

from aiohttp.client_reqrep import ClientRequest, ClientResponse

from trainingjob_operator.cluster.api import Credentials
from trainingjob_operator.cluster.health import Watched, Watches

Handler = Callable[[ClientRequest], Awaitable[ClientResponse]]

_VERBS: Mapping[str, str] = {"POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}

KNOWN = frozenset(
    {"trainingjobs", "pods", "services", "configmaps", "networkpolicies", "events", "nodes", "leases", "namespaces"}
)
"""Resources that are counted under their own names; everything else (discovery, for one) is ``other``."""

_SUBRESOURCES = frozenset({"status"})


class Request(NamedTuple):
    """What a request is about. ``resource`` names the subresource, too: ``trainingjobs/status``."""

    verb: str
    resource: str
    watched: Watched


class Counter(Protocol):
    """Who counts. ``code`` is the HTTP status, or ``none`` if there was no answer."""

    def requested(self, verb: str, resource: str, code: str) -> None: ...

    def watch_restarted(self, resource: str) -> None: ...


class Traffic:
    """A middleware for aiohttp client sessions."""

    def __init__(self, watches: Watches, counter: Counter) -> None:
        self._watches = watches
        self._counter = counter

    async def __call__(self, request: ClientRequest, handler: Handler) -> ClientResponse:
        what = parse(request.method, request.url.raw_path, is_watch=_is_watch(request.url.query))
        if what.verb in ("list", "watch"):
            self._watches.tried(what.watched)
        code = "none"
        try:
            response = await handler(request)
            code = str(response.status)
        finally:
            self._counter.requested(what.verb, what.resource, code)
        if what.verb == "watch" and response.status == 200 and self._watches.opened(what.watched, response):
            self._counter.watch_restarted(what.resource)
        return response


class Authorization:
    """A middleware that gives each request of a session fresh credentials."""

    def __init__(self, credentials: Credentials) -> None:
        self._credentials = credentials

    async def __call__(self, request: ClientRequest, handler: Handler) -> ClientResponse:
        request.headers.update(await self._credentials.headers())
        return await handler(request)


def parse(method: str, path: str, *, is_watch: bool = False) -> Request:
    """What a request to an API server is about, by its path (/api/v1/..., /apis/GROUP/VERSION/...)."""
    parts = [unquote(part) for part in path.split("/") if part]
    parts = parts[2:] if parts[:1] == ["api"] else parts[3:] if parts[:1] == ["apis"] else []
    namespace = None
    if parts[:1] == ["namespaces"] and len(parts) > 2:
        namespace, parts = parts[1], parts[2:]
    plural = parts[0] if parts and parts[0] in KNOWN else "other"
    resource = f"{plural}/{parts[2]}" if plural != "other" and len(parts) > 2 and parts[2] in _SUBRESOURCES else plural
    read = "watch" if is_watch else "get" if len(parts) > 1 or plural == "other" else "list"
    return Request(_VERBS.get(method, read), resource, Watched(plural, namespace))


def _is_watch(query: Mapping[str, str]) -> bool:
    return query.get("watch", "") in ("1", "true")
