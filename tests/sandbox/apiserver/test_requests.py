"""The store over HTTP, asked by the operator's own client and by hand."""

import asyncio
from contextlib import AsyncExitStack
from typing import Any

import aiohttp
import pytest

from support.api_objects import WIDGETS, configmap, labelled, new_store, owned, pod, widget
from support.sandbox_server import Served
from trainingjob_operator.api.resources import CONFIGMAPS, NAMESPACES, PODS
from trainingjob_operator.cluster import client
from trainingjob_operator.cluster.api import APPLY_PATCH, ApiError
from trainingjob_operator.cluster.client import HttpApi
from trainingjob_sandbox.apiserver import serve

PODS_PATH = "/api/v1/namespaces/default/pods"
WIDGETS_PATH = "/apis/example.dev/v1/namespaces/default/widgets"


async def test_an_object_lives_through_the_operators_client(sandbox: Served) -> None:
    api = sandbox.api

    created = await api.create(WIDGETS, "default", widget())
    assert created["spec"]["numNodes"] == 2
    await api.patch(WIDGETS, "default", "w", {"status": {"state": "Running"}}, subresource="status")
    found = await api.get(WIDGETS, "default", "w")
    found["spec"]["numNodes"] = 3
    replaced = await api.replace(WIDGETS, "default", "w", found)
    assert (replaced["metadata"]["generation"], replaced["status"]) == (2, {"state": "Running"})

    await api.delete(WIDGETS, "default", "w", uid=created["metadata"]["uid"])
    with pytest.raises(ApiError) as missing:
        await api.get(WIDGETS, "default", "w")
    assert (missing.value.status, missing.value.reason) == (404, "NotFound")
    assert missing.value.details == {"name": "w", "group": "example.dev", "kind": "widgets"}


async def test_lists_come_in_pages_and_whole(sandbox: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(client, "PAGE", 2)
    for name in "abcde":
        await sandbox.api.create(CONFIGMAPS, "default", labelled(configmap(name), on="yes"))

    found = await sandbox.api.list(CONFIGMAPS, "default", labels="on=yes")

    assert [one["metadata"]["name"] for one in found.items] == list("abcde")
    assert found.resource_version == str(sandbox.store.version)


async def test_a_watch_streams_what_happens(sandbox: Served) -> None:
    events = sandbox.api.watch(CONFIGMAPS, "default", resource_version=str(sandbox.store.version))
    first = asyncio.ensure_future(anext(events))
    await sandbox.api.create(CONFIGMAPS, "default", configmap())
    assert (await first).type == "ADDED"

    await sandbox.api.delete(CONFIGMAPS, "default", "c")
    assert (await anext(events)).type == "DELETED"
    await events.aclose()


async def test_a_watch_from_forgotten_history_says_expired(sandbox: Served) -> None:
    await sandbox.api.create(CONFIGMAPS, "default", configmap())
    sandbox.store.forget_history()

    with pytest.raises(ApiError) as expired:
        await anext(sandbox.api.watch(CONFIGMAPS, resource_version="1"))

    assert (expired.value.status, expired.value.reason) == (410, "Expired")


async def test_a_watch_whose_time_is_up_ends(sandbox: Served) -> None:
    events = sandbox.api.watch(CONFIGMAPS, resource_version=str(sandbox.store.version), timeout_seconds=1)

    assert [event async for event in events] == []


async def test_a_streamed_list_ends_with_a_bookmark_that_says_so(sandbox: Served) -> None:
    await sandbox.api.create(CONFIGMAPS, "default", configmap())
    query = "watch=1&sendInitialEvents=true&allowWatchBookmarks=true&resourceVersionMatch=NotOlderThan"
    url = f"{sandbox.server.url}/api/v1/configmaps?{query}&timeoutSeconds=1"

    async with sandbox.session.get(url) as response:
        lines = [client.orjson.loads(line) async for line in response.content]

    assert [line["type"] for line in lines] == ["ADDED", "BOOKMARK"]
    meta = lines[1]["object"]["metadata"]
    assert meta["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert meta["resourceVersion"] == str(sandbox.store.version)


async def test_a_watch_of_one_object_by_its_path_is_a_plain_read(sandbox: Served) -> None:
    await sandbox.api.create(CONFIGMAPS, "default", configmap("a"))

    answer = await sandbox.ask("GET", "/api/v1/namespaces/default/configmaps/a?watch=1")

    assert answer.body["metadata"]["name"] == "a"


async def test_dependents_of_a_deleted_owner_are_gone_after_the_answer(sandbox: Served) -> None:
    owner = await sandbox.api.create(WIDGETS, "default", widget())
    await sandbox.api.create(CONFIGMAPS, "default", owned(configmap(), owner))

    await sandbox.api.delete(WIDGETS, "default", "w")

    assert (await sandbox.api.list(CONFIGMAPS)).items == []


async def test_a_collection_can_be_deleted(sandbox: Served) -> None:
    for name, on in (("a", "yes"), ("b", "no")):
        await sandbox.api.create(CONFIGMAPS, "default", labelled(configmap(name), on=on))

    answer = await sandbox.ask("DELETE", "/api/v1/namespaces/default/configmaps?labelSelector=on%3Dyes")

    assert answer.status == 200
    assert [one["metadata"]["name"] for one in (await sandbox.api.list(CONFIGMAPS)).items] == ["b"]


async def test_apply_answers_created_and_then_ok(sandbox: Served) -> None:
    path = "/api/v1/namespaces/default/configmaps/c?fieldManager=m"
    yaml = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: c}\ndata: {a: b}\n"
    headers = {"Content-Type": APPLY_PATCH}

    first = await sandbox.ask("PATCH", path, yaml, headers=headers)
    second = await sandbox.ask("PATCH", path, yaml, headers=headers)

    assert (first.status, second.status) == (201, 200)


async def test_unknown_fields_are_warned_of_or_refused(sandbox: Served) -> None:
    warned = await sandbox.ask("POST", WIDGETS_PATH, widget(foo=1))
    assert (warned.status, warned.warnings) == (201, ['299 - "unknown field \\"spec.foo\\""'])

    refused = await sandbox.ask("POST", f"{WIDGETS_PATH}?fieldValidation=Strict", widget("other", foo=1))
    assert refused.status == 400
    assert 'strict decoding error: unknown field "spec.foo"' in refused.body["message"]


async def test_a_pod_is_bound_and_evicted_by_its_subresources(sandbox: Served) -> None:
    await sandbox.api.create(PODS, "default", pod())

    bound = await sandbox.ask("POST", f"{PODS_PATH}/p/binding", {"target": {"kind": "Node", "name": "n"}})
    evicted = await sandbox.ask("POST", f"{PODS_PATH}/p/eviction", {"deleteOptions": {"gracePeriodSeconds": 4}})

    assert (bound.status, evicted.status) == (201, 201)
    found = await sandbox.api.get(PODS, "default", "p")
    assert found["spec"]["nodeName"] == "n"
    assert found["metadata"]["deletionGracePeriodSeconds"] == 4


async def test_delete_options_may_stand_in_the_query(sandbox: Served) -> None:
    await sandbox.api.create(PODS, "default", pod(node="n"))

    await sandbox.ask("DELETE", f"{PODS_PATH}/p?gracePeriodSeconds=0")

    assert not sandbox.store.exists(PODS, "default", "p")


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "complaint"),
    [
        ("GET", "/apis/example.dev/v1/wodgets", None, 404, "could not find the requested resource"),
        ("GET", "/apis/example.dev/v2/widgets", None, 404, "could not find the requested resource"),
        ("GET", "/nothing", None, 404, "could not find the requested resource"),
        ("GET", f"{PODS_PATH}/p/nothing", None, 404, "could not find the requested resource"),
        ("PUT", PODS_PATH, {}, 405, "does not allow this method"),
        ("POST", "/api/v1/pods", {}, 405, "does not allow this method"),
        ("GET", f"{PODS_PATH}/p/binding", None, 405, "does not allow this method"),
        ("POST", WIDGETS_PATH, b'{"a"', 400, "json parse error"),
        ("POST", WIDGETS_PATH, [1], 400, "it is no JSON object"),
        ("GET", f"{WIDGETS_PATH}?labelSelector=a+in+b", None, 400, "unable to parse requirement"),
        ("GET", f"{WIDGETS_PATH}?limit=x", None, 400, "invalid syntax"),
        ("GET", f"{WIDGETS_PATH}?limit=1&continue=x", None, 400, "invalid continue token"),
        ("POST", f"{WIDGETS_PATH}?dryRun=Some", {}, 422, "dryRun: Unsupported value"),
        ("POST", f"{WIDGETS_PATH}?fieldValidation=Some", {}, 422, "fieldValidation: Unsupported value"),
        ("DELETE", f"{WIDGETS_PATH}/w?propagationPolicy=Some", None, 422, "propagationPolicy: Unsupported value"),
        ("POST", WIDGETS_PATH, b"x" * (4 * 1024 * 1024), 413, "larger than 3145728 bytes"),
    ],
)
async def test_requests_that_make_no_sense_are_refused_with_a_status(
    sandbox: Served, method: str, path: str, body: Any, status: int, complaint: str
) -> None:
    answer = await sandbox.ask(method, path, body)

    assert answer.status == status
    assert answer.body["kind"] == "Status"
    assert complaint in answer.body["message"]


async def test_namespaces_themselves_are_reached_by_name_and_by_status(sandbox: Served) -> None:
    await sandbox.api.create(NAMESPACES, None, {"metadata": {"name": "team"}})

    assert (await sandbox.api.get(NAMESPACES, None, "team"))["status"]["phase"] == "Active"
    assert (await sandbox.ask("GET", "/api/v1/namespaces/team/status")).status == 200
    assert (await sandbox.ask("GET", "/api/v1/namespaces/team/pods")).body["items"] == []


async def test_closing_the_server_ends_its_watches() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())
    async with AsyncExitStack() as life:
        server = await life.enter_async_context(serve(store))
        connector = aiohttp.TCPConnector(ssl=server.client_tls())
        async with aiohttp.ClientSession(connector=connector, headers=server.headers()) as session:
            events = HttpApi(session, server.url).watch(CONFIGMAPS, resource_version="0")
            assert (await anext(events)).type == "ADDED"

            await life.aclose()

            assert [event async for event in events] == []
    assert not any(table.watches for table in store.catalog.tables())
