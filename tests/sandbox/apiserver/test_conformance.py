"""The same requests to the sandbox and to a real kube-apiserver: the same answers.

Compared are the status, the reason and the message of refusals, and of objects all that no server makes up by itself.
"""

import asyncio
import re
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from support.api_objects import configmap, labelled, new_store, pod, widget, widget_definition
from support.eventually import eventually
from support.kubernetes.cluster import open_api
from support.kubernetes.control_plane import ControlPlane
from support.sandbox_server import Answer, ask, served

pytestmark = pytest.mark.real_api

CORE = "/api/v1/namespaces/NS"
WIDGET = "/apis/example.dev/v1/namespaces/NS/widgets"
DEFINITION = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions/widgets.example.dev"
MERGE = "application/merge-patch+json"
JSON = "application/json-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
APPLY = "application/apply-patch+yaml"
CONTAINER = {"name": "main", "image": "image:1"}
# What each server decides for itself, or only a real one has.
OWN = {"uid", "resourceVersion", "creationTimestamp", "managedFields", "selfLink", "time", "serviceAccountName"}
OWN |= {
    "serviceAccount",
    "deletionTimestamp",
    "priority",
    "preemptionPolicy",
    "tolerations",
    "ipFamilies",
    "ipFamilyPolicy",
    "serviceLinks",
}


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of a script. ``NS`` in its path and body is the namespace of the test."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Script:
    """Requests that build on each other. One that stores nothing needs no namespace of its own."""

    name: str
    asks: list[Ask] = field(default_factory=list)

    @property
    def stores(self) -> bool:
        return any("dryRun" not in request.path for request in self.asks)

    @property
    def makes_pods(self) -> bool:
        return any("/pods" in request.path for request in self.asks)


def post(body: Any, query: str = "", path: str = WIDGET) -> Ask:
    return Ask("POST", path + query, body)


def patch(body: Any, content_type: str = MERGE, path: str = f"{WIDGET}/w") -> Ask:
    return Ask("PATCH", path, body, content_type)


def bare(found: dict[str, Any]) -> dict[str, Any]:
    """The object in no particular namespace: it goes where it is sent."""
    return found | {"metadata": {key: value for key, value in found["metadata"].items() if key != "namespace"}}


REFUSED_SPECS = [
    {"numNodes": 0},
    {"numNodes": 11},
    {"ratio": 0},
    {"numNodes": "a"},
    {"image": 5},
    {"flag": "x"},
    {"tags": "x"},
    {"tags": [None]},
    {"image": None},
    {"policy": "Z"},
    {"image": "A B"},
    {"image": "abc\n"},
    {"image": "abcdefghijkl"},
    {"image": "a"},
    {"image": "A"},
    {"tags": ["a", "b", "c"]},
    {"tags": []},
    {"marks": ["a", "a"]},
    {"ports": [{"name": "a"}, {"name": "a"}]},
    {"ports": [{}]},
    {"counts": {"a": 1, "b": 2}},
    {"counts": {"a": "x"}},
    {"size": True},
    {"when": "yesterday"},
    {"either": {"a": "x", "b": "y"}},
    {"either": {}},
    {"choice": {"a": "x", "b": "y"}},
    {"choice": {}},
    {"image": "bad"},
    {"numNodes": 6},
    {"numNodes": 7},
    {"import": "forbidden"},
    {"image": "bad", "numNodes": 70, "choice": {}},
]
ACCEPTED_SPECS = [
    {},
    {"size": 5},
    {"size": "50%"},
    {"nullable": None, "numNodes": None, "policy": None, "when": None},
    {"foo": 1, "choice": {"a": "x", "zz": 1}, "free": {"any": {"thing": [1]}}},
    {"ports": [{"name": "a"}, {"name": "b", "n": 1}]},
    {"either": {"a": "x"}, "import": "allowed", "when": "2026-01-02T03:04:05Z"},
]
# Without the token volume that only a real server mounts.
POD = pod(automountServiceAccountToken=False)
PODS = [
    POD,
    pod(containers=[]),
    pod(containers=[{"image": "i"}]),
    pod(containers=[{"name": "c"}]),
    pod(containers=[CONTAINER, CONTAINER]),
    pod(containers=[{"name": "C_", "image": "i"}]),
    pod(restartPolicy="Sometimes"),
    pod(containers=[CONTAINER | {"volumeMounts": [{"name": "v", "mountPath": "/x"}]}]),
    pod(containers=[CONTAINER | {"ports": [{"containerPort": 99999}]}]),
    pod(containers=[CONTAINER | {"env": [{"name": "a=b", "value": "x"}]}]),
    pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
    pod("x" * 254),
    pod("Upper"),
]
SERVICES: list[dict[str, Any]] = [
    {"clusterIP": "None", "selector": {"a": "b"}},
    {"ports": [{"port": 99999}]},
    {},
    {"ports": [{"port": 1}, {"port": 2}]},
]

SCRIPTS = [
    *(Script(f"{spec}", [post(bare(widget(**spec)), "?dryRun=All")]) for spec in (*REFUSED_SPECS, *ACCEPTED_SPECS)),
    *(Script(f"pod {number}", [post(bare(found), "?dryRun=All", f"{CORE}/pods")]) for number, found in enumerate(PODS)),
    *(
        Script(f"service {spec}", [post({"metadata": {"name": "s"}, "spec": spec}, "?dryRun=All", f"{CORE}/services")])
        for spec in SERVICES
    ),
    Script("strict", [post(bare(widget(foo=1, choice={"a": "x", "zz": 1})), "?fieldValidation=Strict")]),
    Script("twice", [post(bare(widget())), post(bare(widget()))]),
    Script("bad name", [post(bare(widget("X_y")))]),
    Script("bad labels", [post(bare(labelled(widget(), **{"a b": "c"}))), post(bare(labelled(widget(), a="b c")))]),
    Script("wrong namespace", [post(widget(namespace="other"))]),
    Script("no namespace", [Ask("POST", WIDGET.replace("NS", "nowhere"), bare(widget()))]),
    Script("missing", [Ask(method, f"{WIDGET}/none") for method in ("GET", "DELETE")]),
    Script("put of a missing one", [Ask("PUT", f"{WIDGET}/none", bare(widget("none")))]),
    Script("put without a version", [post(bare(widget())), Ask("PUT", f"{WIDGET}/w", bare(widget(numNodes=3)))]),
    Script(
        "put of an old version",
        [
            post(bare(widget())),
            Ask("PUT", f"{WIDGET}/w", widget() | {"metadata": {"name": "w", "resourceVersion": "1"}}),
        ],
    ),
    Script("put under another name", [post(bare(widget())), Ask("PUT", f"{WIDGET}/w", bare(widget("x")))]),
    Script(
        "generations",
        [
            post(bare(widget()) | {"status": {"state": "early"}}),
            patch({"spec": {"numNodes": 3}}),
            patch({"metadata": {"labels": {"a": "b"}}}),
            patch({"status": {"state": "no"}}),
            patch({"status": {"state": "yes"}, "spec": {"numNodes": 9}}, path=f"{WIDGET}/w/status"),
            Ask("GET", f"{WIDGET}/w"),
        ],
    ),
    Script("immutable", [post(bare(widget())), patch({"spec": {"image": "abd"}}), patch({"spec": {"policy": "B"}})]),
    Script("patch of an old version", [post(bare(widget())), patch({"metadata": {"resourceVersion": "1"}})]),
    Script("strategic patch of a custom object", [post(bare(widget())), patch({}, STRATEGIC)]),
    Script(
        "json patch",
        [
            post(bare(widget(tags=["a"]))),
            patch([{"op": "add", "path": "/spec/tags/-", "value": "b"}], JSON),
            patch([{"op": "remove", "path": "/spec/tags/0"}], JSON),
        ],
    ),
    Script(
        "strategic patch of a pod",
        [
            post(bare(POD), path=f"{CORE}/pods"),
            patch({"spec": {"containers": [{"name": "main", "image": "j"}]}}, STRATEGIC, f"{CORE}/pods/p"),
            patch({"spec": {"activeDeadlineSeconds": 5}}, STRATEGIC, f"{CORE}/pods/p"),
            Ask("DELETE", f"{CORE}/pods/p", {"gracePeriodSeconds": 0}),
            Ask("GET", f"{CORE}/pods/p"),
        ],
    ),
    Script(
        "apply",
        [
            patch(bare(configmap(a="1", b="2")), APPLY, f"{CORE}/configmaps/c?fieldManager=first"),
            patch(bare(configmap(a="3", c="2")), APPLY, f"{CORE}/configmaps/c?fieldManager=second"),
            patch(bare(configmap(a="3", c="2")), APPLY, f"{CORE}/configmaps/c?fieldManager=second&force=true"),
            patch(bare(configmap()), APPLY, f"{CORE}/configmaps/c?fieldManager=first"),
            patch(bare(configmap()), APPLY, f"{CORE}/configmaps/c"),
        ],
    ),
    Script(
        "apply with keyed lists",
        [
            patch(bare(widget(ports=[{"name": "a", "n": 1}, {"name": "b"}])), APPLY, f"{WIDGET}/w?fieldManager=first"),
            patch(bare(widget(ports=[{"name": "c", "n": 1}])), APPLY, f"{WIDGET}/w?fieldManager=second"),
            patch(bare(widget(ports=[{"name": "b", "n": 7}])), APPLY, f"{WIDGET}/w?fieldManager=first"),
        ],
    ),
    Script(
        "immutable configmap",
        [
            post(bare(configmap(a="b")) | {"immutable": True}, path=f"{CORE}/configmaps"),
            patch({"data": {"a": "c"}}, path=f"{CORE}/configmaps/c"),
            patch({"immutable": False}, path=f"{CORE}/configmaps/c"),
        ],
    ),
    Script("bad key", [post(bare(configmap(**{"a b": "x"})), path=f"{CORE}/configmaps")]),
    Script(
        "binding",
        [
            post(bare(POD), path=f"{CORE}/pods"),
            post({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}, path=f"{CORE}/pods/p/binding"),
            post({"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}, path=f"{CORE}/pods/p/binding"),
        ],
    ),
    Script("preconditions", [post(bare(widget())), Ask("DELETE", f"{WIDGET}/w", {"preconditions": {"uid": "x"}})]),
    Script(
        "selectors", [Ask("GET", f"{WIDGET}?labelSelector=a+in+b"), Ask("GET", f"{WIDGET}?fieldSelector=spec.a%3Db")]
    ),
    Script("methods", [Ask("PUT", f"{CORE}/pods", {}), Ask("GET", f"{CORE}/pods?fieldSelector=spec.a%3Db")]),
    Script(
        "events",
        [post({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "x"}}, path=f"{CORE}/events")],
    ),
    Script("namespaces", [post({"metadata": {"name": "a.b"}}, path="/api/v1/namespaces")]),
]


@dataclass(frozen=True, slots=True)
class Endpoint:
    session: aiohttp.ClientSession
    url: str


@pytest.fixture(scope="session")
def widgets(control_plane: ControlPlane) -> ControlPlane:
    """The control plane, knowing widgets."""
    control_plane.apply(widget_definition())
    control_plane.kubectl("wait", "--for=condition=Established", "crd/widgets.example.dev", "--timeout=60s")
    # A definition is served a moment after it is established.
    eventually("widgets are served", lambda: control_plane.try_kubectl("get", "widgets").returncode == 0)
    return control_plane


@pytest.fixture
async def real(widgets: ControlPlane) -> AsyncGenerator[Endpoint]:
    async with open_api(widgets.kubeconfig) as api:
        yield Endpoint(api.session, api.server)


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.name)
async def test_the_sandbox_answers_as_a_real_api_server(script: Script, real: Endpoint) -> None:
    async with served(new_store()) as running:
        mine = Endpoint(running.session, running.server.url)
        namespace = await _namespace_for(script, mine, real)
        for number, request in enumerate(script.asks):
            told = _comparable(await _send(mine, request, namespace))
            expected = _comparable(await _send(real, request, namespace))
            assert told == expected, f"request {number}: {request}"


async def _namespace_for(script: Script, mine: Endpoint, real: Endpoint) -> str:
    if not script.stores:
        return "default"
    namespace = f"test-{uuid4().hex[:10]}"
    for endpoint in (mine, real):
        await _make_namespace(endpoint, namespace)
    if script.makes_pods:
        await _until_pods_are_let_in(real, namespace)
    return namespace


async def _make_namespace(endpoint: Endpoint, name: str) -> None:
    made = await _send(endpoint, post({"metadata": {"name": name}}, path="/api/v1/namespaces"), name)
    assert made.status == 201


async def _until_pods_are_let_in(real: Endpoint, namespace: str) -> None:
    """A real server admits no pod before the namespace has its service account."""
    account = Ask("GET", f"{CORE}/serviceaccounts/default")
    async with asyncio.timeout(60):
        while (await _send(real, account, namespace)).status != 200:
            pass


async def _send(endpoint: Endpoint, request: Ask, namespace: str) -> Answer:
    path = request.path.replace("NS", namespace)
    headers = {"Content-Type": request.content_type}
    return await ask(endpoint.session, endpoint.url + path, request.method, request.body, headers)


def _comparable(answer: Answer) -> Any:
    """An answer without what differs from server to server."""
    if not isinstance(answer.body, dict):
        return answer.status, answer.body
    if answer.body.get("status") == "Failure":
        return answer.status, answer.body.get("reason"), _message(answer.body["message"]), sorted(answer.warnings)
    kind = answer.body.get("kind")
    return answer.status, kind, _told(answer.body) if kind != "Status" else None, sorted(answer.warnings)


def _message(message: str) -> Any:
    """Of a refusal the sentence; several causes in any order, and a pod's changed fields without their print-out."""
    message = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", message).split("\n")[0]
    head, bracket, causes = message.partition(" is invalid: [")
    return (head, sorted(causes.removesuffix("]").split(", "))) if bracket else message


def _told(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _told(part) for name, part in value.items() if name not in OWN}
    if isinstance(value, list):
        return [_told(part) for part in value]
    return value
