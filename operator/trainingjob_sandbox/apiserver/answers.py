"""How objects, lists and refusals look on the wire. Decides nothing about what they hold."""

from collections.abc import Iterable, Sequence
from typing import Any

import orjson
from aiohttp import web

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.apiserver.requests import Form
from trainingjob_sandbox.apiserver.tables import table
from trainingjob_sandbox.store.errors import status_document
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.listing import Page
from trainingjob_sandbox.store.record import Record, metadata_of

JSON = "application/json"


def answer(body: Any, status: int = 200, warnings: Iterable[str] = ()) -> web.Response:
    """A JSON answer; ``body`` may be encoded already."""
    raw = body if isinstance(body, bytes) else orjson.dumps(body)
    response = web.Response(body=raw, status=status, content_type=JSON)
    for warning in warnings:
        quoted = warning.replace("\\", "\\\\").replace('"', '\\"').replace("\n", " ")
        response.headers.add("Warning", f'299 - "{quoted}"')
    return response


def refusal(error: ApiError) -> web.Response:
    response = answer(status_document(error), status=error.status)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(int(error.retry_after))
    return response


def one(kind: Kind, record: Record, form: Form, now: Any, include: str) -> bytes:
    """One object in the form that was asked for."""
    if form == "table":
        return orjson.dumps(table(kind, [record], str(record.version), now, include))
    if form == "metadata":
        return orjson.dumps(partial(record.object))
    return record.encoded


def many(kind: Kind, page: Page, form: Form, now: Any, include: str) -> bytes:
    """A page of a list in the form that was asked for. Encoded objects are reused as they are."""
    meta = _list_metadata(page)
    if form == "table":
        return orjson.dumps(table(kind, page.records, str(page.version), now, include) | {"metadata": meta})
    if form == "metadata":
        head = {"kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": meta}
        return orjson.dumps(head | {"items": [partial(record.object) for record in page.records]})
    head = {"kind": list_kind(kind), "apiVersion": kind.resource.api_version, "metadata": meta}
    return b'%s,"items":[%s]}' % (orjson.dumps(head)[:-1], _joined(page.records))


def _joined(records: Sequence[Record]) -> bytes:
    return b",".join(record.encoded for record in records)


def list_kind(kind: Kind) -> str:
    return kind.list_kind or f"{kind.resource.kind}List"


def partial(found: Object) -> Object:
    """An object reduced to its metadata."""
    return {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata_of(found)}


def _list_metadata(page: Page) -> Object:
    meta: Object = {"resourceVersion": str(page.version)}
    if page.token:
        meta |= {"continue": page.token} | ({"remainingItemCount": page.remaining} if page.remaining else {})
    return meta
