"""What a request asks for: its query parameters, its body, and the form in which it wants the answer.

Decides how these are read. Never touches the store.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import orjson
import yaml
from aiohttp import web

from trainingjob_operator.cluster.api import APPLY_PATCH
from trainingjob_sandbox.apiserver.protobuf import read_object
from trainingjob_sandbox.store import DeleteOptions, WriteOptions
from trainingjob_sandbox.store.deletion import Propagation
from trainingjob_sandbox.store.errors import bad_request

Form: TypeAlias = Literal["object", "table", "metadata"]
PROTOBUF = "application/vnd.kubernetes.protobuf"
TRUE = ("1", "true", "True")


@dataclass(frozen=True, slots=True)
class Selection:
    """Which objects a list or watch is about."""

    labels: str
    fields: str


def flag(request: web.Request, name: str) -> bool:
    return request.query.get(name, "") in TRUE


def number(request: web.Request, name: str) -> int:
    """A number of the query, 0 if it is not given. Raises BadRequest."""
    text = request.query.get(name) or "0"
    if not text.lstrip("-").isdigit():
        raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax')
    return int(text)


def selection(request: web.Request, name: str = "") -> Selection:
    """The selectors of a query; a watch of one object is a selection by its name."""
    fields = [
        part for part in (request.query.get("fieldSelector", ""), f"metadata.name={name}" if name else "") if part
    ]
    return Selection(request.query.get("labelSelector", ""), ",".join(fields))


def write_options(request: web.Request, warnings: list[str]) -> WriteOptions:
    """The options of a write. Raises BadRequest for a value that the API does not know."""
    strictness = request.query.get("fieldValidation") or "Warn"
    if strictness not in ("Ignore", "Warn", "Strict"):
        supported = 'supported values: "Ignore", "Strict", "Warn"'
        raise bad_request(f'fieldValidation: Unsupported value: "{strictness}": {supported}')
    return WriteOptions(
        manager=request.query.get("fieldManager", ""),
        force=flag(request, "force"),
        dry_run=_dry_run(request.query.get("dryRun", "")),
        fields=strictness,  # type: ignore[arg-type]
        warn=warnings.append,
    )


async def delete_options(request: web.Request) -> DeleteOptions:
    """The options of a delete, from its body or its query. Raises BadRequest."""
    body = await json_body(request) if request.can_read_body else {}
    return options_of(body if isinstance(body, dict) else {}, request)


def options_of(body: dict[str, Any], request: web.Request) -> DeleteOptions:
    preconditions = body.get("preconditions") or {}
    grace = body.get("gracePeriodSeconds", request.query.get("gracePeriodSeconds"))
    given = body.get("propagationPolicy") or request.query.get("propagationPolicy")
    propagation = next((known for known in get_args(Propagation) if known == given), None)
    if given and propagation is None:
        raise bad_request(f'propagationPolicy: Unsupported value: "{given}"')
    return DeleteOptions(
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        grace_seconds=None if grace is None else int(grace),
        propagation=propagation,
        dry_run=_dry_run(",".join(body.get("dryRun") or ()) or request.query.get("dryRun", "")),
    )


async def json_body(request: web.Request) -> Any:
    """The body, JSON or (apply patches and people) YAML. Raises BadRequest, UnsupportedMediaType."""
    raw = await request.read()
    if not raw:
        return {}
    if request.content_type == PROTOBUF:
        return read_object(raw)
    try:
        return orjson.loads(raw)
    except orjson.JSONDecodeError as error:
        if "yaml" not in request.content_type:
            raise bad_request(f"the object provided is unrecognized: json parse error: {error}") from error
    try:
        return yaml.safe_load(raw)
    except yaml.YAMLError as error:
        raise bad_request(f"error decoding YAML: {error}") from error


def patch_type(request: web.Request) -> str:
    """The content type of a patch, without parameters."""
    return APPLY_PATCH if request.content_type.startswith("application/apply-patch") else request.content_type


def form_of(request: web.Request) -> Form:
    """The first form of the Accept header that this server has."""
    for accepted in request.headers.get("Accept", "").split(","):
        parameters = dict(part.strip().partition("=")[::2] for part in accepted.split(";")[1:] if "=" in part)
        if "protobuf" in accepted or "cbor" in accepted:
            continue
        wanted = parameters.get("as", "")
        if wanted == "Table":
            return "table"
        if wanted.startswith("PartialObjectMetadata"):
            return "metadata"
        return "object"
    return "object"


def _dry_run(text: str) -> bool:
    if text not in ("", "All"):
        raise bad_request(f'dryRun: Unsupported value: "{text}": supported values: "All"')
    return text == "All"
