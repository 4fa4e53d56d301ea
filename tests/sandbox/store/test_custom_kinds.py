"""What a CRD's schema keeps, fills in and refuses, in an API server's words."""

from typing import Any

import pytest

from support.api_objects import UNCHECKED, WIDGETS, new_store, widget, widget_definition
from trainingjob_operator.api.resources import CRDS, Resource
from trainingjob_operator.cluster.api import MERGE_PATCH, ApiError
from trainingjob_sandbox.store import WriteOptions

Object = dict[str, Any]
INVALID = 'Widget.example.dev "w" is invalid: '


def test_a_definition_is_established_and_its_kind_served() -> None:
    store = new_store()

    definition = store.get(CRDS, None, "widgets.example.dev").object

    conditions = {one["type"]: one["status"] for one in definition["status"]["conditions"]}
    assert conditions == {"NamesAccepted": "True", "Established": "True"}
    assert store.list(WIDGETS).records == []


def test_a_changed_definition_is_served_at_once_and_keeps_the_objects() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())
    definition = widget_definition()
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["added"] = {"type": "string"}

    store.patch(CRDS, None, "widgets.example.dev", definition, content_type=MERGE_PATCH)

    store.patch(WIDGETS, "default", "w", {"spec": {"added": "x"}}, content_type=MERGE_PATCH)
    assert store.get(WIDGETS, "default", "w").object["spec"]["added"] == "x"


def test_a_kind_can_be_without_namespaces() -> None:
    store = new_store()
    definition = widget_definition()
    definition["metadata"]["name"] = "gadgets.example.dev"
    definition["spec"] |= {"scope": "Cluster", "names": {"plural": "gadgets", "kind": "Gadget"}}
    store.create(CRDS, None, definition)
    gadgets = Resource("example.dev", "v1", "gadgets", "Gadget", namespaced=False)

    store.create(gadgets, None, {"metadata": {"name": "g"}, "spec": {"image": "abc"}})

    assert "namespace" not in store.get(gadgets, None, "g").object["metadata"]


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"metadata": {"name": "other"}}, "metadata.name: Invalid value"),
        ({"spec": {"names": {"plural": "", "kind": "Widget"}}}, "spec.names.plural: Required value"),
        ({"spec": {"versions": []}}, "exactly one version marked as storage version"),
    ],
)
def test_a_definition_that_cannot_be_served_is_refused(change: Object, complaint: str) -> None:
    definition = widget_definition()
    for field, values in change.items():
        definition[field] |= values

    with pytest.raises(ApiError, match=complaint):
        _bare().create(CRDS, None, definition)


@pytest.mark.parametrize(
    "broken", [{"pattern": "("}, {"x-kubernetes-validations": [{"rule": "self ==", "message": "m"}]}]
)
def test_a_schema_that_does_not_compile_is_refused(broken: Object) -> None:
    definition = widget_definition()
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["properties"]["spec"]["properties"]["image"] |= broken

    with pytest.raises(ApiError, match="openAPIV3Schema: Invalid value"):
        _bare().create(CRDS, None, definition)


def test_defaults_are_filled_in_and_unknown_fields_dropped_with_a_warning() -> None:
    warnings: list[str] = []
    body = widget(foo=1, choice={"a": "x", "zz": 1}, ports=[{"name": "a", "yy": 1}], free={"any": 1})
    body["metadata"]["strange"] = 1

    created = new_store().create(WIDGETS, "default", body, WriteOptions(warn=warnings.append)).object

    assert created["spec"] == {
        "image": "abc",
        "choice": {"a": "x"},
        "ports": [{"name": "a", "n": 3}],
        "free": {"any": 1},
        "numNodes": 2,
        "policy": "A",
    }
    assert warnings == [
        'unknown field "metadata.strange"',
        'unknown field "spec.choice.zz"',
        'unknown field "spec.foo"',
        'unknown field "spec.ports[0].yy"',
    ]


def test_strict_requests_with_unknown_fields_are_refused() -> None:
    body = widget(foo=1, choice={"a": "x", "zz": 1})

    with pytest.raises(ApiError) as refused:
        new_store().create(WIDGETS, "default", body, WriteOptions(fields="Strict"))

    assert refused.value.status == 400
    assert refused.value.message == (
        'Widget in version "v1" cannot be handled as a Widget: strict decoding error: '
        'unknown field "spec.choice.zz", unknown field "spec.foo"'
    )


def test_null_is_dropped_or_replaced_by_the_default_unless_the_field_may_be_null() -> None:
    body = widget(nullable=None, numNodes=None, policy=None, when=None)

    spec = new_store().create(WIDGETS, "default", body).object["spec"]

    assert spec == {"image": "abc", "nullable": None, "numNodes": 2, "policy": "A"}


@pytest.mark.parametrize(
    ("spec", "complaints"),
    [
        (
            {"numNodes": 0},
            ["spec.numNodes: Invalid value: 0: spec.numNodes in body should be greater than or equal to 1"],
        ),
        (
            {"numNodes": 11},
            ["spec.numNodes: Invalid value: 11: spec.numNodes in body should be less than or equal to 10"],
        ),
        ({"ratio": 0}, ["spec.ratio: Invalid value: 0: spec.ratio in body should be greater than 0"]),
        (
            {"numNodes": "a"},
            [
                'spec.numNodes: Invalid value: "string": spec.numNodes in body must be of type integer: "string"',
                UNCHECKED,
            ],
        ),
        (
            {"image": 5},
            ['spec.image: Invalid value: "integer": spec.image in body must be of type string: "integer"', UNCHECKED],
        ),
        (
            {"flag": 1},
            ['spec.flag: Invalid value: "integer": spec.flag in body must be of type boolean: "integer"', UNCHECKED],
        ),
        (
            {"tags": "x"},
            ['spec.tags: Invalid value: "string": spec.tags in body must be of type array: "string"', UNCHECKED],
        ),
        (
            {"tags": [None]},
            ['spec.tags[0]: Invalid value: "null": spec.tags[0] in body must be of type string: "null"', UNCHECKED],
        ),
        ({"image": None}, ["spec.image: Required value", UNCHECKED]),
        ({"policy": "Z"}, ['spec.policy: Unsupported value: "Z": supported values: "A", "B"', UNCHECKED]),
        ({"image": "A B"}, ["spec.image: Invalid value: \"A B\": spec.image in body should match '^[a-z]+$'"]),
        ({"image": "abc\n"}, ["spec.image: Invalid value: \"abc\\n\": spec.image in body should match '^[a-z]+$'"]),
        ({"image": "abcdefghijkl"}, ["spec.image: Too long: may not be more than 10 bytes", UNCHECKED]),
        ({"image": "a"}, ['spec.image: Invalid value: "a": spec.image in body should be at least 2 chars long']),
        ({"image": "A"}, ['spec.image: Invalid value: "A": spec.image in body should be at least 2 chars long']),
        ({"tags": ["a", "b", "c"]}, ["spec.tags: Too many: 3: must have at most 2 items", UNCHECKED]),
        ({"tags": []}, ["spec.tags: Invalid value: 0: spec.tags in body should have at least 1 items"]),
        ({"marks": ["a", "a"]}, ['spec.marks[1]: Duplicate value: "a"']),
        ({"ports": [{"name": "a"}, {"name": "a"}]}, ['spec.ports[1]: Duplicate value: {"name":"a"}']),
        ({"ports": [{}]}, ["spec.ports[0].name: Required value", UNCHECKED]),
        ({"counts": {"a": 1, "b": 2}}, ["spec.counts: Too many: 2: must have at most 1 item", UNCHECKED]),
        (
            {"counts": {"a": "x"}},
            [
                'spec.counts.a: Invalid value: "string": spec.counts.a in body must be of type integer: "string"',
                UNCHECKED,
            ],
        ),
        (
            {"size": True},
            [
                'spec.size: Invalid value: "boolean": spec.size in body must be of type integer,string: "boolean"',
                UNCHECKED,
            ],
        ),
        (
            {"when": "yesterday"},
            [
                'spec.when: Invalid value: "yesterday": spec.when in body must be of type date-time: "yesterday"',
                UNCHECKED,
            ],
        ),
        (
            {"either": {"a": "x", "b": "y"}},
            [
                (
                    '<nil>: Invalid value: "": "spec.either" must validate one and only one schema (oneOf). '
                    "Found 2 valid alternatives"
                )
            ],
        ),
        ({"choice": {"a": "x", "b": "y"}}, ["spec.choice: Invalid value: exactly one of a, b"]),
        ({"image": "bad"}, ["spec: Forbidden: image bad is bad"]),
        ({"numNodes": 6}, ["spec.numNodes: Invalid value: 6: six"]),
        ({"numNodes": 7}, ["spec: Invalid value: failed rule: self.numNodes != 7"]),
        ({"import": "forbidden"}, ["spec: Invalid value: not there"]),
        (
            {"image": "bad", "numNodes": 70, "choice": {}},
            [
                "spec.numNodes: Invalid value: 70: spec.numNodes in body should be less than or equal to 10",
                "spec.choice: Invalid value: exactly one of a, b",
                "spec: Forbidden: image bad is bad",
            ],
        ),
    ],
)
def test_faults_are_told_as_an_api_server_tells_them(spec: Object, complaints: list[str]) -> None:
    with pytest.raises(ApiError) as refused:
        new_store().create(WIDGETS, "default", widget(**spec))

    told = complaints[0] if len(complaints) == 1 else f"[{', '.join(complaints)}]"
    assert (refused.value.status, refused.value.reason) == (422, "Invalid")
    assert refused.value.message == INVALID + told
    assert [f"{one['field']}: {one['message']}" for one in refused.value.details["causes"]] == complaints


@pytest.mark.parametrize(
    "spec",
    [
        {"size": 5},
        {"size": "50%"},
        {"when": "2026-01-02T03:04:05.123456789+01:00"},
        {"ratio": 1},
        {"either": {"a": "x"}},
        {"choice": {"b": "y"}},
        {"counts": {"x": 1}},
        {"import": "allowed"},
    ],
)
def test_what_the_schema_allows_is_stored(spec: Object) -> None:
    created = new_store().create(WIDGETS, "default", widget(**spec)).object

    assert spec.items() <= created["spec"].items()


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"image": "abd"}, "spec: Invalid value: image is immutable"),
        ({"policy": "B"}, 'spec.policy: Invalid value: "B": policy is immutable'),
    ],
)
def test_transition_rules_compare_with_the_stored_object(change: Object, complaint: str) -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())

    with pytest.raises(ApiError) as refused:
        store.patch(WIDGETS, "default", "w", {"spec": change}, content_type=MERGE_PATCH)

    assert refused.value.message == INVALID + complaint


def test_a_value_that_has_become_invalid_may_stay_while_something_else_changes() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget(tags=["a", "b"]))
    definition = widget_definition()
    spec = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]
    spec["properties"]["tags"]["maxItems"] = 1
    store.patch(CRDS, None, "widgets.example.dev", definition, content_type=MERGE_PATCH)

    store.patch(WIDGETS, "default", "w", {"spec": {"numNodes": 3}}, content_type=MERGE_PATCH)
    with pytest.raises(ApiError, match="Too many"):
        store.patch(WIDGETS, "default", "w", {"spec": {"tags": ["a", "c"]}}, content_type=MERGE_PATCH)


def test_status_is_validated_too() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())

    with pytest.raises(ApiError, match=r"status\.n: Invalid value: -1"):
        store.patch(WIDGETS, "default", "w", {"status": {"n": -1}}, content_type=MERGE_PATCH, subresource="status")


@pytest.mark.parametrize(
    ("change", "status", "complaint"),
    [
        ({"kind": "Wodget"}, 422, 'kind: Invalid value: "Wodget": must be Widget'),
        ({"apiVersion": "example.dev/v2"}, 400, "does not match the expected API version (example.dev/v1)"),
        ({"metadata": {}}, 422, "metadata.name: Required value: name or generateName is required"),
        ({"metadata": {"name": "X_y"}}, 422, "a lowercase RFC 1123 subdomain must consist of"),
        ({"metadata": {"name": "x" * 254}}, 422, "must be no more than 253 characters"),
        ({"metadata": {"name": "w", "namespace": "other"}}, 400, "does not match the namespace sent on the request"),
        ({"metadata": {"name": "w", "resourceVersion": "5"}}, 400, "resourceVersion should not be set"),
        ({"metadata": {"name": "w", "labels": {"a b": "c"}}}, 422, "name part must consist of alphanumeric"),
        ({"metadata": {"name": "w", "labels": {"a": "b c"}}}, 422, "a valid label must be an empty string or"),
        ({"metadata": {"name": "w", "labels": {"a": 5}}}, 422, "must be a string; quote it"),
        ({"metadata": {"name": "w", "annotations": {"a": "x" * 300_000}}}, 422, "may not be more than 262144 bytes"),
        (
            {"metadata": {"name": "w", "ownerReferences": [{"kind": "x"}]}},
            422,
            "ownerReferences.uid: Invalid value",
        ),
    ],
)
def test_an_object_that_is_not_what_it_should_be_is_refused(change: Object, status: int, complaint: str) -> None:
    with pytest.raises(ApiError) as refused:
        new_store().create(WIDGETS, "default", widget() | change)

    assert refused.value.status == status
    assert complaint in refused.value.message


def _bare() -> Any:
    store = new_store()
    store.delete(CRDS, None, "widgets.example.dev")
    return store
