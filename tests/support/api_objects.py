"""Objects for tests of the sandbox's store and API server, and a store whose clock stands still until it is moved.

``Widget`` is a custom kind that uses what CRD schemas offer: bounds, defaults, keyed lists, CEL rules, columns.
"""

from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from trainingjob_operator.api.resources import CRDS, PODS, Resource
from trainingjob_sandbox.store import Store

Object = dict[str, Any]

WIDGETS = Resource("example.dev", "v1", "widgets", "Widget")
UNCHECKED = (
    "<nil>: Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation"
)


@dataclass
class Clock:
    """A clock that moves only when told."""

    now: datetime = field(default_factory=lambda: datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC))

    def __call__(self) -> datetime:
        return self.now

    def advance(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)


def new_store(*, clock: Clock | None = None, seed: int = 1, history: int = 4096) -> Store:
    """A store that knows widgets."""
    store = Store(clock or Clock(), Random(seed), history=history)
    store.create(CRDS, None, widget_definition())
    return store


def pod(name: str = "p", *, namespace: str = "default", node: str = "", **spec: Any) -> Object:
    """A pod of one container, on a node if one is named."""
    placed = {"nodeName": node} if node else {}
    container = {"name": "main", "image": "image:1"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"containers": [container], **placed, **spec},
    }


def configmap(name: str = "c", *, namespace: str = "default", **data: str) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": meta, "data": data}


def owned(found: Object, *owners: Object, blocking: bool = False) -> Object:
    """The object with owner references to stored objects."""
    references = [
        {
            "apiVersion": owner["apiVersion"],
            "kind": owner["kind"],
            "name": owner["metadata"]["name"],
            "uid": owner["metadata"]["uid"],
            "blockOwnerDeletion": blocking,
        }
        for owner in owners
    ]
    return found | {"metadata": found["metadata"] | {"ownerReferences": references}}


def labelled(found: Object, **labels: str) -> Object:
    return found | {"metadata": found["metadata"] | {"labels": labels}}


def finalized(found: Object, *finalizers: str) -> Object:
    return found | {"metadata": found["metadata"] | {"finalizers": list(finalizers)}}


def widget(name: str = "w", *, namespace: str = "default", **spec: Any) -> Object:
    meta = {"name": name, "namespace": namespace}
    return {"apiVersion": "example.dev/v1", "kind": "Widget", "metadata": meta, "spec": {"image": "abc", **spec}}


def run_on(store: Store, name: str, node: str, namespace: str = "default") -> None:
    """Create a pod that runs on a node."""
    store.create(PODS, namespace, pod(name, namespace=namespace, node=node))


def widget_definition() -> Object:
    names = {
        "plural": "widgets",
        "singular": "widget",
        "kind": "Widget",
        "listKind": "WidgetList",
        "shortNames": ["wd"],
    }
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "subresources": {"status": {}},
        "additionalPrinterColumns": _columns(),
        "schema": {"openAPIV3Schema": _schema()},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": "widgets.example.dev"},
        "spec": {"group": "example.dev", "scope": "Namespaced", "names": names, "versions": [version]},
    }


def _columns() -> list[Object]:
    reason = '.status.conditions[?(@.type=="Complete")].reason'
    return [
        {"name": "State", "type": "string", "jsonPath": ".status.state"},
        {"name": "Nodes", "type": "integer", "jsonPath": ".spec.numNodes"},
        {"name": "Done", "type": "string", "jsonPath": reason},
        {"name": "Image", "type": "string", "priority": 1, "jsonPath": ".spec.image"},
        {"name": "Age", "type": "date", "jsonPath": ".metadata.creationTimestamp"},
    ]


def _schema() -> Object:
    return {
        "type": "object",
        "description": "A thing to test with.",
        "required": ["spec"],
        "properties": {"spec": _spec(), "status": _status()},
    }


def _spec() -> Object:
    text = {"type": "string"}
    port = {
        "type": "object",
        "required": ["name"],
        "properties": {"name": text, "n": {"type": "integer", "default": 3}},
    }
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"]}
    return {
        "type": "object",
        "description": "What the widget is.",
        "required": ["image"],
        "properties": {
            "image": text | {"pattern": "^[a-z]+$", "maxLength": 10, "minLength": 2},
            "numNodes": {
                "type": "integer",
                "format": "int32",
                "minimum": 1,
                "maximum": 10,
                "default": 2,
                "x-kubernetes-validations": [{"rule": "self != 6", "message": "six"}],
            },
            "ratio": {"type": "number", "minimum": 0, "exclusiveMinimum": True},
            "policy": text
            | {
                "enum": ["A", "B"],
                "default": "A",
                "x-kubernetes-validations": [{"rule": "self == oldSelf", "message": "policy is immutable"}],
            },
            "tags": {"type": "array", "maxItems": 2, "minItems": 1, "items": text},
            "marks": {"type": "array", "x-kubernetes-list-type": "set", "items": text},
            "ports": {"type": "array", **keyed, "items": port},
            "counts": {"type": "object", "maxProperties": 1, "additionalProperties": {"type": "integer"}},
            "size": {"x-kubernetes-int-or-string": True},
            "free": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "when": text | {"format": "date-time"},
            "nullable": text | {"nullable": True},
            "flag": {"type": "boolean"},
            "import": text,
            "choice": {"type": "object", "description": "One of two.", "properties": {"a": text, "b": text}},
            "either": {
                "type": "object",
                "properties": {"a": text, "b": text},
                "oneOf": [{"required": ["a"]}, {"required": ["b"]}],
            },
        },
        "x-kubernetes-validations": _rules(),
    }


def _rules() -> list[Object]:
    return [
        {
            "rule": "!has(self.choice) || [has(self.choice.a), has(self.choice.b)].exists_one(x, x)",
            "message": "exactly one of a, b",
            "fieldPath": ".choice",
        },
        {
            "rule": "self.image != 'bad'",
            "messageExpression": "'image ' + self.image + ' is bad'",
            "reason": "FieldValueForbidden",
        },
        {"rule": "self.image == oldSelf.image", "message": "image is immutable"},
        {"rule": "self.numNodes != 7"},
        {"rule": "self.?__import__.orValue('x') != 'forbidden'", "message": "not there"},
    ]


def _status() -> Object:
    text = {"type": "string"}
    condition = {
        "type": "object",
        "required": ["type"],
        "properties": {"type": text, "status": text, "reason": text},
    }
    keyed = {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]}
    return {
        "type": "object",
        "properties": {
            "state": text,
            "n": {"type": "integer", "minimum": 0},
            "conditions": {"type": "array", **keyed, "items": condition},
        },
    }
