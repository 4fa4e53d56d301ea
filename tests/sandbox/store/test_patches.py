"""What each patch format makes of an object."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.api_objects import WIDGETS, configmap, new_store, pod, widget
from trainingjob_operator.api.resources import CONFIGMAPS, PODS, SERVICES
from trainingjob_operator.cluster.api import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, ApiError
from trainingjob_sandbox.store import Store, WriteOptions
from trainingjob_sandbox.store.builtin.shapes import POD
from trainingjob_sandbox.store.patches.json_patch import json_patch
from trainingjob_sandbox.store.patches.merge import merge_patch
from trainingjob_sandbox.store.patches.patch import STRATEGIC_PATCH
from trainingjob_sandbox.store.patches.strategic import strategic_merge

Object = dict[str, Any]
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)
OBJECTS = st.dictionaries(st.sampled_from("abc"), JSON, max_size=3)


@pytest.mark.parametrize(
    ("target", "patch", "merged"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
        ({"a": "b"}, ["c"], ["c"]),
    ],
)
def test_a_merge_patch_follows_its_standard(target: Any, patch: Any, merged: Any) -> None:
    assert merge_patch(target, patch) == merged


@given(target=OBJECTS, patch=OBJECTS)
def test_a_merge_patch_twice_is_a_merge_patch_once(target: Object, patch: Object) -> None:
    once = merge_patch(target, patch)

    assert merge_patch(once, patch) == once


@pytest.mark.parametrize(
    ("operations", "changed"),
    [
        ([{"op": "add", "path": "/b", "value": 1}], {"a": [1, 2], "b": 1}),
        ([{"op": "add", "path": "/a/1", "value": 9}], {"a": [1, 9, 2]}),
        ([{"op": "add", "path": "/a/-", "value": 3}], {"a": [1, 2, 3]}),
        ([{"op": "remove", "path": "/a/0"}], {"a": [2]}),
        ([{"op": "replace", "path": "/a", "value": 0}], {"a": 0}),
        ([{"op": "copy", "from": "/a/0", "path": "/b"}], {"a": [1, 2], "b": 1}),
        ([{"op": "move", "from": "/a", "path": "/b"}], {"b": [1, 2]}),
        ([{"op": "test", "path": "/a/0", "value": 1}, {"op": "remove", "path": "/a"}], {}),
        ([{"op": "add", "path": "/x~1y~0z", "value": 1}], {"a": [1, 2], "x/y~z": 1}),
    ],
)
def test_a_json_patch_follows_its_standard(operations: list[Object], changed: Object) -> None:
    target = {"a": [1, 2]}

    assert json_patch(target, operations) == changed
    assert target == {"a": [1, 2]}


@pytest.mark.parametrize(
    "operation",
    [
        {"op": "test", "path": "/a/0", "value": 2},
        {"op": "remove", "path": "/b"},
        {"op": "replace", "path": "/b/c", "value": 1},
        {"op": "add", "path": "/a/5", "value": 1},
        {"op": "add", "path": "/a/0/x", "value": 1},
        {"op": "jump", "path": "/a"},
    ],
)
def test_a_json_patch_that_does_not_apply_is_invalid(operation: Object) -> None:
    with pytest.raises(ApiError, match="the server rejected our request") as refused:
        json_patch({"a": [1, 2]}, [operation])

    assert (refused.value.status, refused.value.reason) == (422, "Invalid")


@pytest.mark.parametrize("operations", [{"op": "add"}, [{"op": "add"}], ["add"]])
def test_what_is_no_json_patch_is_a_bad_request(operations: Any) -> None:
    with pytest.raises(ApiError, match="error decoding patch") as refused:
        json_patch({}, operations)

    assert refused.value.status == 400


def test_a_strategic_patch_changes_the_container_and_variable_it_names() -> None:
    env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
    stored = {"spec": {"containers": [{"name": "x", "image": "i", "env": env}, {"name": "y", "image": "j"}]}}
    patch = {"spec": {"containers": [{"name": "x", "env": [{"name": "B", "value": "3"}, {"name": "C", "value": "4"}]}]}}

    merged = strategic_merge(stored, patch, POD)

    first, second = merged["spec"]["containers"]
    assert [(one["name"], one["value"]) for one in first["env"]] == [("A", "1"), ("B", "3"), ("C", "4")]
    assert first["image"] == "i"
    assert second == {"name": "y", "image": "j"}


def test_a_strategic_patch_obeys_its_directives() -> None:
    stored = {
        "metadata": {"finalizers": ["a", "b"]},
        "spec": {
            "containers": [{"name": "x"}, {"name": "y"}],
            "volumes": [{"name": "v", "emptyDir": {}}],
            "securityContext": {"runAsUser": 1, "fsGroup": 2},
        },
    }
    patch = {
        "metadata": {"$deleteFromPrimitiveList/finalizers": ["a"], "finalizers": ["c"]},
        "spec": {
            "$setElementOrder/containers": [{"name": "z"}, {"name": "y"}],
            "containers": [{"name": "x", "$patch": "delete"}, {"name": "z"}],
            "volumes": [{"name": "v", "$retainKeys": ["name", "hostPath"], "hostPath": {"path": "/x"}}],
            "securityContext": {"$patch": "replace", "fsGroup": 3},
        },
    }

    merged = strategic_merge(stored, patch, POD)

    assert merged["metadata"]["finalizers"] == ["b", "c"]
    assert [one["name"] for one in merged["spec"]["containers"]] == ["z", "y"]
    assert merged["spec"]["volumes"] == [{"name": "v", "hostPath": {"path": "/x"}}]
    assert merged["spec"]["securityContext"] == {"fsGroup": 3}


def test_a_strategic_patch_replaces_lists_without_keys_and_removes_with_null() -> None:
    stored = {"spec": {"containers": [{"name": "x", "args": ["a", "b"], "image": "i"}], "tolerations": [{"key": "k"}]}}
    patch = {"spec": {"containers": [{"name": "x", "args": ["c"], "image": None}], "tolerations": [{"key": "l"}]}}

    merged = strategic_merge(stored, patch, POD)

    assert merged["spec"] == {"containers": [{"name": "x", "args": ["c"]}], "tolerations": [{"key": "l"}]}


def test_conditions_are_merged_by_type() -> None:
    store = new_store()
    store.create(PODS, "default", pod())

    def condition(kind: str, status: str) -> None:
        body = {"status": {"conditions": [{"type": kind, "status": status}]}}
        store.patch(PODS, "default", "p", body, content_type=STRATEGIC_PATCH, subresource="status")

    condition("Ready", "False")
    condition("Initialized", "True")
    condition("Ready", "True")

    conditions = store.get(PODS, "default", "p").object["status"]["conditions"]
    assert {one["type"]: one["status"] for one in conditions} == {"Ready": "True", "Initialized": "True"}


def test_custom_objects_take_no_strategic_patch() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())

    with pytest.raises(ApiError, match="accepted media types include: application/json-patch") as refused:
        store.patch(WIDGETS, "default", "w", {}, content_type=STRATEGIC_PATCH)

    assert refused.value.status == 415


@pytest.mark.parametrize("content_type", [MERGE_PATCH, STRATEGIC_PATCH, APPLY_PATCH])
def test_a_patch_that_is_no_object_is_a_bad_request(content_type: str) -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())

    with pytest.raises(ApiError, match="error decoding patch"):
        store.patch(CONFIGMAPS, "default", "c", [1], content_type=content_type)


def test_the_name_of_an_object_cannot_be_patched() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())
    operation = {"op": "replace", "path": "/metadata/name", "value": "d"}

    with pytest.raises(ApiError, match="does not match the name on the URL"):
        store.patch(CONFIGMAPS, "default", "c", [operation], content_type=JSON_PATCH)


def test_apply_creates_and_then_changes() -> None:
    store = new_store()

    _apply(store, "me", a="1", b="2")
    assert _data(store) == {"a": "1", "b": "2"}

    _apply(store, "me", a="1", c="3")
    assert _data(store) == {"a": "1", "c": "3"}


def test_applying_the_same_again_writes_nothing() -> None:
    store = new_store()
    _apply(store, "me", a="1")
    version = store.version

    _apply(store, "me", a="1")

    assert store.version == version


def test_apply_leaves_what_others_set() -> None:
    store = new_store()
    _apply(store, "me", a="1")
    store.patch(CONFIGMAPS, "default", "c", {"data": {"theirs": "x"}}, content_type=MERGE_PATCH)

    _apply(store, "me", b="2")

    assert _data(store) == {"b": "2", "theirs": "x"}


def test_a_value_that_another_manager_applied_is_a_conflict_unless_forced() -> None:
    store = new_store()
    _apply(store, "first", a="1", b="2")

    with pytest.raises(ApiError, match=r'Apply failed with 1 conflict: conflict with "first": \.data\.a') as refused:
        _apply(store, "second", a="9", b="2")
    assert (refused.value.status, refused.value.reason) == (409, "Conflict")

    _apply(store, "second", force=True, a="9")
    assert _data(store) == {"a": "9", "b": "2"}
    _apply(store, "first", b="2")
    assert _data(store) == {"a": "9", "b": "2"}


def test_a_field_that_two_managers_applied_goes_with_the_second_of_them() -> None:
    store = new_store()
    _apply(store, "first", a="1")
    _apply(store, "second", a="1")

    _apply(store, "first")
    assert _data(store) == {"a": "1"}

    _apply(store, "second")
    assert _data(store) == {}


def test_apply_knows_the_items_of_keyed_lists() -> None:
    store = new_store()

    def apply(manager: str, *ports: Object) -> list[Object]:
        body = widget() | {"spec": {"image": "abc", "ports": list(ports)}}
        options = WriteOptions(manager=manager, force=True)
        record = store.patch(WIDGETS, "default", "w", body, content_type=APPLY_PATCH, options=options)
        return list(record.object["spec"]["ports"])

    apply("first", {"name": "a", "n": 1}, {"name": "b", "n": 2})
    assert apply("second", {"name": "c", "n": 5}) == [
        {"name": "a", "n": 1},
        {"name": "b", "n": 2},
        {"name": "c", "n": 5},
    ]
    assert apply("first", {"name": "b", "n": 4}) == [{"name": "b", "n": 4}, {"name": "c", "n": 5}]


def test_apply_tells_ports_of_services_apart_by_number_and_protocol() -> None:
    store = new_store()
    ports = [{"port": 53, "protocol": "UDP", "name": "u"}, {"port": 53, "name": "t"}]
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": ports}}

    for _ in range(2):
        store.patch(
            SERVICES, "default", "s", body, content_type=APPLY_PATCH, options=WriteOptions(manager="m", force=True)
        )

    assert len(store.get(SERVICES, "default", "s").object["spec"]["ports"]) == 2


def test_apply_of_status_owns_status_only() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())
    body = {"apiVersion": "example.dev/v1", "kind": "Widget", "status": {"state": "Running"}}

    changed = store.patch(
        WIDGETS,
        "default",
        "w",
        body,
        content_type=APPLY_PATCH,
        subresource="status",
        options=WriteOptions(manager="operator"),
    ).object

    assert changed["status"] == {"state": "Running"}
    (entry,) = changed["metadata"]["managedFields"]
    assert (entry["subresource"], entry["fieldsV1"]) == ("status", {"f:status": {"f:state": {}}})


def test_apply_needs_a_manager() -> None:
    with pytest.raises(ApiError, match="fieldManager: Required value"):
        _apply(new_store(), "")


def _apply(store: Store, manager: str, *, force: bool = False, **data: str) -> None:
    options = WriteOptions(manager=manager, force=force)
    store.patch(CONFIGMAPS, "default", "c", configmap(**data), content_type=APPLY_PATCH, options=options)


def _data(store: Store) -> Object:
    found: Object = store.get(CONFIGMAPS, "default", "c").object.get("data") or {}
    return found
