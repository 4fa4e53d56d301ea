"""Requests that build on each other, as data: what the conformance test plays to two API servers.

Decides how a request is written down. Never sends one.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from support.api_objects import Object

CORE = "/api/v1/namespaces/NS"
PODS = f"{CORE}/pods"
SERVICES = f"{CORE}/services"
CONFIGMAPS = f"{CORE}/configmaps"
WIDGETS = "/apis/example.dev/v1/namespaces/NS/widgets"
WIDGET = f"{WIDGETS}/w"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/NS/networkpolicies"
LEASES = "/apis/coordination.k8s.io/v1/namespaces/NS/leases"

PLAIN = "application/json"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
METADATA = "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"
METADATA_LIST = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a script.

    In its path and body ``NS`` is the namespace of the test, and ``${N.path.to.field}`` what the N-th answer said.
    ``events`` reads so many lines of a watch; ``until`` repeats the request until it is answered with that status, for
    what a cluster's controllers do in their own time.
    """

    method: str
    path: str
    body: Any = None
    content_type: str = PLAIN
    accept: str = PLAIN
    events: int = 0
    until: int = 0


@dataclass(frozen=True, slots=True)
class Script:
    """Requests that build on each other.

    ``forgets`` makes the sandbox drop its history before the last request, as time does on a cluster. ``differs`` is
    why the answers are not the same (a sentence of docs/sandbox.md).
    """

    name: str
    asks: Sequence[Ask]
    forgets: bool = False
    differs: str = ""

    @property
    def stores(self) -> bool:
        """Whether it needs a namespace of its own."""
        return any("dryRun" not in request.path for request in self.asks)

    @property
    def makes_pods(self) -> bool:
        return any("/pods" in request.path and request.method in ("POST", "PATCH") for request in self.asks)


def script(name: str, *asks: Ask, **more: Any) -> Script:
    return Script(name, asks, **more)


def post(body: Any, path: str = WIDGETS, query: str = "") -> Ask:
    return Ask("POST", path + query, body)


def get(path: str = WIDGET, accept: str = PLAIN) -> Ask:
    return Ask("GET", path, accept=accept)


def put(body: Any, path: str = WIDGET) -> Ask:
    return Ask("PUT", path, body)


def patch(body: Any, content_type: str = MERGE, path: str = WIDGET) -> Ask:
    return Ask("PATCH", path, body, content_type)


def apply(body: Any, path: str, manager: str, *, force: bool = False) -> Ask:
    return patch(body, APPLY, f"{path}?fieldManager={manager}{'&force=true' if force else ''}")


def delete(path: str = WIDGET, **options: Any) -> Ask:
    return Ask("DELETE", path, options or None)


def watch(path: str, events: int, query: str = "") -> Ask:
    return Ask("GET", f"{path}?watch=1&timeoutSeconds=60{query}", events=events)


def eventually(request: Ask, status: int) -> Ask:
    return replace(request, until=status)


def bare(found: Object) -> Object:
    """The object in no particular namespace: it goes where it is sent."""
    return found | {"metadata": {key: value for key, value in found["metadata"].items() if key != "namespace"}}


def named(found: Object, **metadata: Any) -> Object:
    """The object with more metadata."""
    return found | {"metadata": found["metadata"] | metadata}
