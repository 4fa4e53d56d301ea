"""Kubernetes' protobuf bodies, read for the few kinds that kubectl sends in no other form (``kubectl create ...``).

Decides what the fields of these kinds are called. Never writes protobuf: answers are JSON, which every client takes.
"""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.store.errors import bad_request

MAGIC = b"k8s\x00"

# Field number -> (name, type). [] repeats; {} is a map from strings; capitals name messages.
_META = {1: ("metadata", "ObjectMeta")}
_MESSAGES: Mapping[str, Mapping[int, tuple[str, str]]] = {
    "ObjectMeta": {
        1: ("name", "string"),
        2: ("generateName", "string"),
        3: ("namespace", "string"),
        5: ("uid", "string"),
        6: ("resourceVersion", "string"),
        11: ("labels", "{}string"),
        12: ("annotations", "{}string"),
        14: ("finalizers", "[]string"),
    },
    "Namespace": _META,
    "ServiceAccount": _META,
    "ConfigMap": _META | {2: ("data", "{}string"), 3: ("binaryData", "{}bytes"), 4: ("immutable", "bool")},
    "Secret": _META
    | {2: ("data", "{}bytes"), 3: ("type", "string"), 4: ("stringData", "{}string"), 5: ("immutable", "bool")},
    "Service": _META | {2: ("spec", "ServiceSpec")},
    "ServiceSpec": {
        1: ("ports", "[]ServicePort"),
        2: ("selector", "{}string"),
        3: ("clusterIP", "string"),
        4: ("type", "string"),
        7: ("sessionAffinity", "string"),
        10: ("externalName", "string"),
    },
    "ServicePort": {
        1: ("name", "string"),
        2: ("protocol", "string"),
        3: ("port", "int"),
        4: ("targetPort", "IntOrString"),
        5: ("nodePort", "int"),
    },
    "IntOrString": {1: ("type", "int"), 2: ("intVal", "int"), 3: ("strVal", "string")},
    "SelfSubjectAccessReview": _META | {2: ("spec", "AccessSpec")},
    "AccessSpec": {1: ("resourceAttributes", "ResourceAttributes"), 2: ("nonResourceAttributes", "PathAttributes")},
    "ResourceAttributes": {
        1: ("namespace", "string"),
        2: ("verb", "string"),
        3: ("group", "string"),
        4: ("version", "string"),
        5: ("resource", "string"),
        6: ("subresource", "string"),
        7: ("name", "string"),
    },
    "PathAttributes": {1: ("path", "string"), 2: ("verb", "string")},
    "SelfSubjectReview": _META,
    "Eviction": _META | {2: ("deleteOptions", "DeleteOptions")},
    "DeleteOptions": {
        1: ("gracePeriodSeconds", "int"),
        2: ("preconditions", "Preconditions"),
        4: ("propagationPolicy", "string"),
        5: ("dryRun", "[]string"),
    },
    "Preconditions": {1: ("uid", "string"), 2: ("resourceVersion", "string")},
    "TypeMeta": {1: ("apiVersion", "string"), 2: ("kind", "string")},
    "Unknown": {1: ("typeMeta", "TypeMeta"), 2: ("raw", "raw")},
}


def read_object(body: bytes) -> Object:
    """The object in a protobuf body. Raises UnsupportedMediaType for other kinds, BadRequest for garbage."""
    if not body.startswith(MAGIC):
        raise bad_request("the body is no Kubernetes protobuf: its first bytes differ")
    try:
        return _read(body)
    except (UnicodeDecodeError, TypeError, AttributeError) as error:
        # A field of another wire type than its kind has: bytes where a number belongs, or the reverse.
        raise bad_request(f"the protobuf body does not fit its kind: {error}") from error


def _read(body: bytes) -> Object:
    envelope = _message(body[len(MAGIC) :], "Unknown")
    named = envelope.get("typeMeta") or {}
    kind = named.get("kind", "")
    if kind not in _MESSAGES:
        message = f"{kind or 'this kind'} is not understood as protobuf here; send it as JSON or YAML (kubectl -f)"
        raise ApiError(415, "UnsupportedMediaType", message)
    return {"apiVersion": named.get("apiVersion", ""), "kind": kind, **_message(envelope.get("raw", b""), kind)}


def _message(data: bytes, kind: str) -> Object:
    fields = _MESSAGES[kind]
    found: Object = {}
    for number, value in _fields(data):
        if number in fields:
            name, form = fields[number]
            _put(found, name, form, value)
    return found


def _put(found: Object, name: str, form: str, value: Any) -> None:
    if form.startswith("[]"):
        found.setdefault(name, []).append(_value(form[2:], value))
    elif form.startswith("{}"):
        entry = dict(_fields(value))
        key = entry.get(1, b"").decode()
        found.setdefault(name, {})[key] = _value(form[2:], entry.get(2, b""))
    elif (read := _value(form, value)) not in ("", {}, None):
        # Protobuf sends empty strings and messages where JSON leaves a field out.
        found[name] = read


def _value(form: str, value: Any) -> Any:
    if form == "int":
        return value if value < 1 << 63 else value - (1 << 64)
    if form == "bool":
        return bool(value)
    if form == "raw":
        return value
    if form == "bytes":
        return base64.b64encode(value).decode()
    if form == "string":
        return value.decode()
    if form == "IntOrString":
        both = _message(value, form)
        return both.get("strVal", "") if both.get("type") else both.get("intVal", 0)
    return _message(value, form)


def _fields(data: bytes) -> Iterator[tuple[int, Any]]:
    """The fields of a message: numbers for varints, bytes for what has a length. Raises BadRequest."""
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        number, wire = tag >> 3, tag & 7
        if wire == 0:
            value, at = _varint(data, at)
            yield number, value
        elif wire == 2:
            length, at = _varint(data, at)
            if at + length > len(data):
                raise bad_request("the protobuf body ends within a field")
            yield number, data[at : at + length]
            at += length
        else:
            at += {1: 8, 5: 4}.get(wire, len(data))


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while True:
        if at >= len(data) or shift > 63:
            raise bad_request("the protobuf body ends within a number")
        byte = data[at]
        value |= (byte & 0x7F) << shift
        at, shift = at + 1, shift + 7
        if byte < 0x80:
            return value, at
