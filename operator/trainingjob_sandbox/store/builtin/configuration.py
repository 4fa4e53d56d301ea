"""ConfigMaps and Secrets: their keys, their size, and that an immutable one stays as it is."""

import base64
from collections.abc import Iterator, Mapping
from typing import Any

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import Cause, bad_request, field_forbidden, invalid_value, too_long
from trainingjob_sandbox.store.names import config_key_complaint

LARGEST = 1024 * 1024
_FROZEN = "field is immutable when `immutable` is set"


def default_secret(secret: Object) -> None:
    """The type, and the plain strings that the API takes in but never gives out."""
    secret.setdefault("type", "Opaque")
    plain = secret.pop("stringData", None) or {}
    if plain:
        encoded = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        secret["data"] = (secret.get("data") or {}) | encoded


def validate(new: Object, old: Object | None) -> list[Cause]:
    causes = [*_data_causes(new)]
    if old is not None and old.get("immutable"):
        causes += _frozen_causes(new, old)
    return causes


def _data_causes(found: Object) -> Iterator[Cause]:
    size = 0
    for field in ("data", "binaryData"):
        values: Mapping[str, Any] = found.get(field) or {}
        for key, value in values.items():
            if not isinstance(value, str):
                kind = found["kind"]
                what = f'{kind} in version "v1" cannot be handled as a {kind}'
                raise bad_request(f"{what}: {field}.{key} must be a string, not {type(value).__name__}; quote it")
            size += len(value.encode())
            if complaint := config_key_complaint(key):
                yield invalid_value(f"{field}[{key}]", key, complaint)
    for key in (found.get("data") or {}).keys() & (found.get("binaryData") or {}).keys():
        yield invalid_value(f"data[{key}]", key, "duplicate of key present in binaryData")
    if size > LARGEST:
        yield too_long("", LARGEST)


def _frozen_causes(new: Object, old: Object) -> Iterator[Cause]:
    if not new.get("immutable"):
        yield field_forbidden("immutable", _FROZEN)
    for field in ("data", "binaryData"):
        if (new.get(field) or {}) != (old.get(field) or {}):
            yield field_forbidden(field, _FROZEN)
