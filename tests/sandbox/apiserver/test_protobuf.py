"""The protobuf bodies that kubectl sends for a few built-in kinds."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.sandbox_server import Served
from trainingjob_operator.api.resources import CONFIGMAPS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.apiserver.protobuf import MAGIC, read_object

PROTOBUF = {"Content-Type": "application/vnd.kubernetes.protobuf"}


def test_a_configmap_is_read_with_its_maps() -> None:
    meta = _field(1, b"c") + _field(11, _entry("app", b"x"))
    body = _object("v1", "ConfigMap", _field(1, meta) + _field(2, _entry("a", b"b")) + _field(3, _entry("k", b"\x00")))

    assert read_object(body) == {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "c", "labels": {"app": "x"}},
        "data": {"a": "b"},
        "binaryData": {"k": "AA=="},
    }


def test_ports_are_read_by_number_and_by_name() -> None:
    by_number = _field(4, _number(1, 0) + _number(2, 8080))
    by_name = _field(4, _number(1, 1) + _field(3, b"http"))
    spec = _field(1, _number(3, 80) + by_number) + _field(1, _number(3, 81) + by_name)

    ports = read_object(_object("v1", "Service", _field(2, spec)))["spec"]["ports"]

    assert ports == [{"port": 80, "targetPort": 8080}, {"port": 81, "targetPort": "http"}]


def test_a_kind_that_is_not_known_asks_for_json() -> None:
    with pytest.raises(ApiError, match="Deployment is not understood as protobuf here; send it as JSON or YAML") as no:
        read_object(_object("apps/v1", "Deployment", b""))

    assert no.value.status == 415


@given(st.binary(max_size=40))
def test_garbage_is_a_bad_request_or_an_unknown_kind(garbage: bytes) -> None:
    with pytest.raises(ApiError) as refused:
        read_object(MAGIC + garbage)

    assert refused.value.status in (400, 415)


async def test_what_is_sent_as_protobuf_is_stored(sandbox: Served) -> None:
    body = _object("v1", "ConfigMap", _field(1, _field(1, b"c")) + _field(2, _entry("a", b"b")))

    answer = await sandbox.ask("POST", "/api/v1/namespaces/default/configmaps", body, headers=PROTOBUF)

    assert answer.status == 201
    assert sandbox.store.get(CONFIGMAPS, "default", "c").object["data"] == {"a": "b"}


def _object(version: str, kind: str, raw: bytes) -> bytes:
    return MAGIC + _field(1, _field(1, version.encode()) + _field(2, kind.encode())) + _field(2, raw)


def _entry(key: str, value: bytes) -> bytes:
    return _field(1, key.encode()) + _field(2, value)


def _field(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _number(number: int, value: int) -> bytes:
    return _varint(number << 3) + _varint(value)


def _varint(value: int) -> bytes:
    out = bytearray()
    while value > 0x7F:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    return bytes([*out, value])
