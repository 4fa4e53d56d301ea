"""Objects as rows: what ``kubectl get`` prints.

Decides columns and cells. Columns of custom kinds come from their definition, those of built-in kinds from ``columns``.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import orjson

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.apiserver.ages import UNKNOWN, age
from trainingjob_sandbox.apiserver.columns import BUILTIN, NAME, cells_of
from trainingjob_sandbox.apiserver.jsonpath import compiled
from trainingjob_sandbox.store.kinds import Column, Kind
from trainingjob_sandbox.store.record import Record, metadata_of


def table(kind: Kind, records: Sequence[Record], version: str, now: datetime, include: str = "") -> Object:
    """A Table object; ``include`` says how much of each object goes along (Metadata, Object or None)."""
    columns = columns_of(kind)
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": version},
        "columnDefinitions": [_definition(column) for column in columns],
        "rows": [_row(kind, record, now, include) for record in records],
    }


def columns_of(kind: Kind) -> tuple[Column, ...]:
    if kind.columns:
        return (NAME, *kind.columns)
    found = BUILTIN.get(kind.key)
    return found.columns if found else (NAME, BUILTIN["", "serviceaccounts"].columns[1])


def _definition(column: Column) -> Object:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": column.description,
        "priority": column.priority,
    }


def _row(kind: Kind, record: Record, now: datetime, include: str) -> Object:
    row: Object = {"cells": _cells(kind, record.object, now)}
    if include == "Object":
        row["object"] = record.object
    elif include == "None":
        row["object"] = None
    else:
        partial = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1"}
        row["object"] = partial | {"metadata": metadata_of(record.object)}
    return row


def _cells(kind: Kind, found: Object, now: datetime) -> list[Any]:
    if kind.columns:
        return [metadata_of(found)["name"], *(_cell(column, found, now) for column in kind.columns)]
    return cells_of(kind.key, found, now)


def _cell(column: Column, found: Object, now: datetime) -> Any:
    """A custom column's cell, typed as declared; a value of another type is no value."""
    values = compiled(column.path)(found)
    value = values[0] if values else None
    if column.type == "date":
        return age(value, now) if value is not None else UNKNOWN
    if value is None:
        return None
    if column.type == "string":
        return " ".join(_text(value) for value in values)
    wanted: tuple[type, ...] = {"integer": (int,), "number": (int, float), "boolean": (bool,)}[column.type]
    fits = isinstance(value, wanted) and (column.type == "boolean" or not isinstance(value, bool))
    return value if fits else None


def _text(value: Any) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()
