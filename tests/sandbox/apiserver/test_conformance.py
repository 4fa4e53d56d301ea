"""The same requests to the sandbox and to a real kube-apiserver: the same answers.

Compared are the status, the reason and the message of refusals, and of objects and events all that no server makes up
by itself. Where the sandbox differs on purpose, the script says why, and so does docs/sandbox.md.
"""

import asyncio
import json
import re
from collections.abc import AsyncGenerator, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

import aiohttp
import pytest

from sandbox.apiserver.scripts import deleting, pods, reading, validating, watching, writing
from sandbox.apiserver.scripts.script import CORE, Ask, Script, post
from support.api_objects import new_store, widget_definition
from support.eventually import eventually
from support.kubernetes.cluster import open_api
from support.kubernetes.control_plane import ControlPlane
from support.sandbox_server import Answer, ask, served

TOPICS = {
    "validating": validating.SCRIPTS,
    "writing": writing.SCRIPTS,
    "pods": pods.SCRIPTS,
    "reading": reading.SCRIPTS,
    "watching": watching.SCRIPTS,
    "deleting": deleting.SCRIPTS,
}
SCRIPTS = [pytest.param(script, id=f"{topic}: {script.name}") for topic, found in TOPICS.items() for script in found]
DOCUMENT = Path(__file__).resolve().parents[3] / "docs" / "sandbox.md"
# What each server decides for itself: identities, versions, times; the texts that describe columns.
OWN = {"uid", "resourceVersion", "creationTimestamp", "deletionTimestamp", "lastTransitionTime", "time", "description"}
OWN |= {"managedFields"}
# What only a real one fills in (docs/sandbox.md).
OWN |= {"serviceAccountName", "serviceAccount", "priority", "preemptionPolicy", "tolerations"}
OWN |= {"ipFamilies", "ipFamilyPolicy"}


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


@pytest.mark.real_api
@pytest.mark.parametrize("script", SCRIPTS)
async def test_the_sandbox_answers_as_a_real_api_server(script: Script, real: Endpoint) -> None:
    store = new_store()
    async with served(store) as running:
        mine = Endpoint(running.session, running.server.url)
        namespace = await _namespace_for(script, mine, real)
        forget = store.forget_history if script.forgets else nothing
        told = [_comparable(answer) for answer in await _play(script, mine, namespace, forget)]
        expected = [_comparable(answer) for answer in await _play(script, real, namespace, nothing)]
    if script.differs:
        assert told != expected, f"no difference any more: {script.differs}"
        return
    for request, mine_, theirs in zip(script.asks, told, expected, strict=True):
        assert mine_ == theirs, f"{request}"


def test_every_known_difference_is_told_to_users() -> None:
    document = " ".join(DOCUMENT.read_text().split())
    differences = {script.differs for found in TOPICS.values() for script in found if script.differs}
    assert [reason for reason in sorted(differences) if reason not in document] == []


def nothing() -> None:
    """A real server forgets by itself."""


async def _play(script: Script, endpoint: Endpoint, namespace: str, forget: Callable[[], None]) -> list[Answer]:
    answers: list[Answer] = []
    for number, request in enumerate(script.asks, start=1):
        if number == len(script.asks):
            forget()
        answers.append(await _answer(endpoint, request, namespace, answers))
    return answers


async def _answer(endpoint: Endpoint, request: Ask, namespace: str, before: list[Answer]) -> Answer:
    """One answer; where another party must act first, the one that is waited for."""
    url = endpoint.url + str(_filled(request.path, namespace, before))
    body = _filled(request.body, namespace, before)
    headers = {"Content-Type": request.content_type, "Accept": request.accept}
    async with asyncio.timeout(120):
        if request.events:
            return await _events(endpoint, url, headers, request.events)
        while True:
            answer = await ask(endpoint.session, url, request.method, body, headers)
            if request.until in (0, answer.status):
                return answer


async def _events(endpoint: Endpoint, url: str, headers: dict[str, str], count: int) -> Answer:
    """The first lines of a watch, or its refusal."""
    async with endpoint.session.get(url, headers=headers) as response:
        if response.status != 200:
            return Answer(response.status, await response.json(), [], "")
        lines = [json.loads(await response.content.readline()) for _ in range(count)]
        if response.connection is not None and response.connection.transport is not None:
            # A TLS connection that is closed in mid-stream says goodbye in its own time, after the test.
            response.connection.transport.abort()
        return Answer(200, lines, [], "")


def _filled(value: Any, namespace: str, before: list[Answer]) -> Any:
    """The request with the namespace and with what earlier answers said."""
    if isinstance(value, dict):
        return {key: _filled(part, namespace, before) for key, part in value.items()}
    if isinstance(value, list):
        return [_filled(part, namespace, before) for part in value]
    if not isinstance(value, str):
        return value
    if whole := re.fullmatch(r"\$\{([^}]*)}", value):
        return _said(whole[1], before)
    text = re.sub(r"\bNS\b", namespace, value)
    return re.sub(r"\$\{([^}]*)}", lambda found: str(_said(found[1], before)), text)


def _said(path: str, before: list[Answer]) -> Any:
    number, *names = path.split(".")
    value = before[int(number)].body
    for name in names:
        value = value[name]
    return value


async def _namespace_for(script: Script, mine: Endpoint, real: Endpoint) -> str:
    if not script.stores:
        return "default"
    namespace = f"test-{uuid4().hex[:10]}"
    for endpoint in (mine, real):
        made = await _answer(endpoint, post({"metadata": {"name": namespace}}, "/api/v1/namespaces"), namespace, [])
        assert made.status == 201
    if script.makes_pods:
        # A real server admits no pod before the namespace has its service account.
        await _answer(real, Ask("GET", f"{CORE}/serviceaccounts/default", until=200), namespace, [])
    return namespace


def _comparable(answer: Answer) -> Any:
    """An answer without what differs from server to server."""
    body = answer.body
    if isinstance(body, list):
        return answer.status, [_event(event) for event in body]
    if not isinstance(body, dict):
        return answer.status, body
    if body.get("status") == "Failure":
        return answer.status, body.get("reason"), _message(body["message"]), sorted(answer.warnings)
    kind = body.get("kind")
    return answer.status, kind, _told(body) if kind != "Status" else None, sorted(answer.warnings)


def _event(event: Any) -> Any:
    if event["type"] == "ERROR":
        return "ERROR", event["object"]["code"], event["object"]["reason"], _message(event["object"]["message"])
    return event["type"], _told(event["object"])


def _message(message: str) -> Any:
    """Of a refusal the sentence; several causes in any order, and a pod's changed fields without their print-out."""
    message = re.sub(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}", "UID", message).split("\n")[0]
    message = re.sub(r"StorageError: .*, AdditionalErrorMsg: ", "", message)
    message = re.sub(r"(too old resource version: \d+ |in record )\(\d+\)", r"\1(N)", message)
    head, bracket, causes = message.partition(" is invalid: [")
    return (head, sorted(causes.removesuffix("]").split(", "))) if bracket else message


def _told(value: Any) -> Any:
    """What an object says. To clients a field that is empty is one that is not there, but for custom objects."""
    if isinstance(value, list):
        return [_told(part) for part in value]
    if not isinstance(value, dict):
        return "an age" if isinstance(value, str) and re.fullmatch(r"\d+s", value) else value
    custom = value.get("apiVersion") == "example.dev/v1" and "spec" in value
    told = {name: part if custom and name == "spec" else _told(part) for name, part in value.items() if name not in OWN}
    if "items" in told:
        # A list says what its items are; some servers leave it out of the items.
        told["items"] = [{k: v for k, v in item.items() if k not in ("kind", "apiVersion")} for item in told["items"]]
    if told.get("continue"):
        told["continue"] = "..."
    return {name: part for name, part in told.items() if part not in (None, {}, "", []) or (custom and name == "spec")}
