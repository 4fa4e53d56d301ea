"""What `kubectl get` prints: rows, ages, paths, and a pod's state in one word."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from support.api_objects import WIDGETS, Clock, configmap, pod, widget
from support.sandbox_server import Served
from trainingjob_operator.api.resources import CLAIMS, CONFIGMAPS, EVENTS, NODES, SERVICES, Resource
from trainingjob_operator.cluster.api import MERGE_PATCH
from trainingjob_sandbox.apiserver.ages import age, duration
from trainingjob_sandbox.apiserver.jsonpath import compiled, first
from trainingjob_sandbox.apiserver.pod_state import ready, restarts, state

TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io,application/json"}
NOW = datetime(2026, 1, 1, tzinfo=UTC)
Object = dict[str, Any]


async def test_a_custom_kind_has_the_columns_of_its_definition(sandbox: Served, clock: Clock) -> None:
    sandbox.store.create(WIDGETS, "default", widget())
    status = {"state": "Done", "conditions": [{"type": "Other"}, {"type": "Complete", "reason": "Finished"}]}
    sandbox.store.patch(WIDGETS, "default", "w", {"status": status}, content_type=MERGE_PATCH, subresource="status")
    clock.advance(200)

    table = await _table(sandbox, WIDGETS)

    named = {column["name"]: cell for column, cell in zip(table["columnDefinitions"], _cells(table)[0], strict=True)}
    assert named == {"Name": "w", "State": "Done", "Nodes": 2, "Done": "Finished", "Image": "abc", "Age": "3m20s"}
    assert [one["priority"] for one in table["columnDefinitions"]] == [0, 0, 0, 0, 1, 0]
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_a_column_that_finds_nothing_is_empty(sandbox: Served) -> None:
    sandbox.store.create(WIDGETS, "default", widget())

    assert _cells(await _table(sandbox, WIDGETS)) == [["w", None, 2, None, "abc", "0s"]]


@pytest.mark.parametrize(("include", "kind"), [("Object", "Widget"), ("Metadata", "PartialObjectMetadata")])
async def test_rows_bring_as_much_of_the_object_as_is_asked_for(sandbox: Served, include: str, kind: str) -> None:
    sandbox.store.create(WIDGETS, "default", widget())

    table = (await sandbox.ask("GET", f"/apis/example.dev/v1/widgets?includeObject={include}", headers=TABLE)).body

    assert table["rows"][0]["object"]["kind"] == kind


async def test_only_the_metadata_can_be_asked_for(sandbox: Served) -> None:
    sandbox.store.create(CONFIGMAPS, "default", configmap(k="v"))
    accept = {"Accept": "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1"}

    listed = (await sandbox.ask("GET", "/api/v1/configmaps", headers=accept)).body

    assert listed["kind"] == "PartialObjectMetadataList"
    assert set(listed["items"][0]) == {"kind", "apiVersion", "metadata"}


@pytest.mark.parametrize(
    ("resource", "body", "cells"),
    [
        (
            SERVICES,
            {"spec": {"clusterIP": "None", "ports": [{"port": 80}], "selector": {"b": "2", "a": "1"}}},
            ["x", "ClusterIP", "None", "<none>", "80/TCP", "0s", "a=1,b=2"],
        ),
        (CONFIGMAPS, {"data": {"a": "b"}}, ["x", 1, "0s"]),
        (
            CLAIMS,
            {"spec": {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}},
            ["x", "Pending", "", "", "", "", "<unset>", "0s", "Filesystem"],
        ),
        (
            CLAIMS,
            {
                "spec": {
                    "accessModes": ["ReadWriteMany"],
                    "volumeName": "v",
                    "resources": {"requests": {"storage": "1Gi"}},
                },
                "status": {"phase": "Bound", "accessModes": ["ReadWriteMany"], "capacity": {"storage": "1Gi"}},
            },
            ["x", "Bound", "v", "1Gi", "RWX", "", "<unset>", "0s", "Filesystem"],
        ),
        (
            EVENTS,
            {
                "type": "Warning",
                "reason": "Failed",
                "message": "no",
                "involvedObject": {"kind": "Pod", "name": "p", "namespace": "default"},
                "source": {"component": "kubelet", "host": "n"},
                "lastTimestamp": "2026-01-02T03:04:00Z",
                "count": 3,
            },
            ["5s", "Warning", "Failed", "pod/p", "", "kubelet, n", "no", "0s", 3, "x"],
        ),
        (
            NODES,
            {
                "metadata": {"labels": {"node-role.kubernetes.io/worker": ""}},
                "spec": {"unschedulable": True},
                "status": {
                    "conditions": [{"type": "Ready", "status": "True"}],
                    "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
                    "nodeInfo": {"kubeletVersion": "v1"},
                },
            },
            ["x", "Ready,SchedulingDisabled", "worker", "0s", "v1", "127.0.0.1", "<none>"] + ["<unknown>"] * 3,
        ),
    ],
)
async def test_built_in_kinds_have_the_columns_that_people_know(
    sandbox: Served, resource: Resource, body: Object, cells: list[Any]
) -> None:
    named = body | {"metadata": {"name": "x", **body.get("metadata", {})}}
    sandbox.store.create(resource, "default" if resource.namespaced else None, named)

    table = await _table(sandbox, resource)

    assert _cells(table) == [cells]
    assert len(table["columnDefinitions"]) == len(cells)


async def test_every_kind_has_as_many_cells_as_columns(sandbox: Served) -> None:
    for kind, _ in list(sandbox.store.catalog):
        table = await _table(sandbox, kind.resource)
        for cells in _cells(table):
            assert len(cells) == len(table["columnDefinitions"])


async def test_a_watch_can_be_of_rows(sandbox: Served) -> None:
    sandbox.store.create(WIDGETS, "default", widget())
    url = f"{sandbox.server.url}/apis/example.dev/v1/widgets?watch=1&timeoutSeconds=1"

    async with sandbox.session.get(url, headers=TABLE) as response:
        line = await response.content.readline()

    assert b'"kind":"Table"' in line
    assert b'"cells":["w",' in line


PHASE_RUNNING = {"phase": "Running"}


@pytest.mark.parametrize(
    ("status", "deleted", "word"),
    [
        ({"phase": "Pending"}, False, "Pending"),
        (PHASE_RUNNING, False, "Running"),
        (PHASE_RUNNING, True, "Terminating"),
        ({"phase": "Failed", "reason": "Evicted"}, False, "Evicted"),
        ({"phase": "Succeeded"}, True, "Succeeded"),
        (PHASE_RUNNING | {"reason": "NodeLost"}, True, "Unknown"),
        (
            {"phase": "Pending", "containerStatuses": [{"state": {"waiting": {"reason": "ErrImagePull"}}}]},
            False,
            "ErrImagePull",
        ),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"reason": "Error"}}}]}, False, "Error"),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"exitCode": 3}}}]}, False, "ExitCode:3"),
        ({"phase": "Failed", "containerStatuses": [{"state": {"terminated": {"signal": 9}}}]}, False, "Signal:9"),
        ({"phase": "Pending", "initContainerStatuses": [{"state": {"running": {}}}]}, False, "Init:0/1"),
        (
            {"phase": "Pending", "initContainerStatuses": [{"state": {"terminated": {"exitCode": 1}}}]},
            False,
            "Init:ExitCode:1",
        ),
        (
            PHASE_RUNNING
            | {
                "initContainerStatuses": [{"state": {"terminated": {"exitCode": 0}}}],
                "containerStatuses": [{"ready": True, "state": {"running": {}}}],
            },
            False,
            "Running",
        ),
        (
            {
                "phase": "Pending",
                "conditions": [{"type": "PodScheduled", "status": "False", "reason": "SchedulingGated"}],
            },
            False,
            "SchedulingGated",
        ),
    ],
)
def test_a_pods_state_is_one_word(status: Object, deleted: bool, word: str) -> None:
    found = pod(initContainers=[{"name": "i", "image": "i"}]) | {"status": status}
    if deleted:
        found["metadata"]["deletionTimestamp"] = "2026-01-01T00:00:00Z"

    assert state(found) == word


def test_a_pod_tells_its_ready_containers_and_its_restarts() -> None:
    ended = {"terminated": {"finishedAt": "2025-12-31T23:55:00Z"}}
    statuses = [
        {"ready": True, "state": {"running": {}}, "restartCount": 2, "lastState": ended},
        {"ready": False, "state": {"waiting": {}}, "restartCount": 1},
    ]
    containers = [{"name": "a", "image": "i"}, {"name": "b", "image": "i"}]
    found = pod(containers=containers) | {"status": {"containerStatuses": statuses}}

    assert ready(found) == "1/2"
    assert restarts(found, NOW) == "3 (5m ago)"
    assert restarts(pod(), NOW) == "0"


@pytest.mark.parametrize(
    ("seconds", "told"),
    [
        (-5, "<invalid>"),
        (-1, "0s"),
        (0, "0s"),
        (119, "119s"),
        (120, "2m"),
        (200, "3m20s"),
        (599, "9m59s"),
        (600, "10m"),
        (3 * 3600 - 1, "179m"),
        (3 * 3600, "3h"),
        (5 * 3600 + 120, "5h2m"),
        (8 * 3600 + 120, "8h"),
        (47 * 3600, "47h"),
        (2 * 86400, "2d"),
        (2 * 86400 + 4 * 3600, "2d4h"),
        (8 * 86400 + 3600, "8d"),
        (800 * 86400, "2y70d"),
        (9 * 365 * 86400, "9y"),
    ],
)
def test_ages_are_told_as_kubectl_tells_them(seconds: int, told: str) -> None:
    assert duration(seconds) == told


def test_an_age_needs_a_time() -> None:
    assert age((NOW - timedelta(seconds=3)).isoformat(), NOW) == "3s"
    assert age(None, NOW) == "<unknown>"
    assert age("soon", NOW) == "<invalid>"


FOUND = {
    "a": {"b": [{"type": "X", "n": 1}, {"type": "Y", "n": 2}]},
    "labels": {"example.dev/name": "z"},
    "list": [1, 2, 3],
}


@pytest.mark.parametrize(
    ("path", "values"),
    [
        (".a.b[0].type", ["X"]),
        ("{.a.b[1].type}", ["Y"]),
        ("$.a.b[-1].n", [2]),
        (".a.b[*].type", ["X", "Y"]),
        ('.a.b[?(@.type=="Y")].n', [2]),
        (".a.b[?(@.type!='Y')].n", [1]),
        (".a.b[?(@.n>1)].type", ["Y"]),
        (".a.b[?(@.n<=1)].type", ["X"]),
        ('.a.b[?(@.type=="Z")].n', []),
        (".list[0:2]", [1, 2]),
        (".list[7]", []),
        (r".labels.example\.dev/name", ["z"]),
        (".labels['example.dev/name']", ["z"]),
        (".missing.deeper", []),
        (".a.*", [FOUND["a"]["b"]]),
    ],
)
def test_a_path_finds_what_kubectl_would(path: str, values: list[Any]) -> None:
    assert compiled(path)(FOUND) == values


def test_the_first_value_of_a_path_is_none_if_there_is_none() -> None:
    assert first(".list[1]", FOUND) == 2
    assert first(".nothing", FOUND) is None


@pytest.mark.parametrize("path", ["a", ".a[", ".a[?(@.b)]"])
def test_a_path_that_is_not_understood_is_refused(path: str) -> None:
    with pytest.raises(ValueError, match="is not understood"):
        compiled(path)


async def _table(sandbox: Served, resource: Resource) -> Object:
    answer = await sandbox.ask("GET", resource.path(), headers=TABLE)
    assert answer.body["kind"] == "Table"
    found: Object = answer.body
    return found


def _cells(table: Object) -> list[list[Any]]:
    return [row["cells"] for row in table["rows"]]
