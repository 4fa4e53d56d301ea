"""What a request asks for: its query parameters, its body, and the form in which it wants the answer.

Decides how these are read. Never touches the store.
"""

from dataclasses import dataclass
from typing import Any, Literal, TypeAlias, get_args

import orjson
import yaml
from aiohttp import web

from trainingjob_operator.cluster.api import APPLY_PATCH, ApiError
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


def selection(request: web.Request) -> Selection:
    """The selectors of a query."""
    return Selection(request.query.get("labelSelector", ""), request.query.get("fieldSelector", ""))


def list_version(request: web.Request) -> str:
    """The version a list asks for, if any. Raises BadRequest, Invalid for what makes no sense together."""
    version = request.query.get("resourceVersion", "")
    if version and version != "0" and request.query.get("continue"):
        raise bad_request("specifying resource version is not allowed when using continue")
    if request.query.get("resourceVersionMatch") and not version:
        detail = "resourceVersionMatch is forbidden unless resourceVersion is provided"
        raise _invalid_options("ListOptions", f"resourceVersionMatch: Forbidden: {detail}")
    if not version.isdigit() and version:
        why = f'Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise bad_request(f"invalid resource version: resourceVersion: {why}")
    return version


def initial_events(request: web.Request) -> bool:
    """Whether a watch is to begin with what is there. Raises Invalid where it does not say how fresh that must be."""
    wanted = flag(request, "sendInitialEvents")
    if wanted and request.query.get("resourceVersionMatch") != "NotOlderThan":
        detail = "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
        raise _invalid_options("ListOptions", f"resourceVersionMatch: Forbidden: {detail}")
    return wanted


def write_options(request: web.Request, warnings: list[str]) -> WriteOptions:
    """The options of a write. Raises BadRequest for a value that the API does not know."""
    strictness = request.query.get("fieldValidation") or "Warn"
    if strictness not in ("Ignore", "Warn", "Strict"):
        supported = 'supported values: "", "Ignore", "Strict", "Warn"'
        what = f'fieldValidation: Unsupported value: "{strictness}": {supported}'
        raise _invalid_options(_OPTIONS[request.method], what)
    return WriteOptions(
        manager=request.query.get("fieldManager", ""),
        force=flag(request, "force"),
        dry_run=_dry_run(request, request.query.get("dryRun", "")),
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
        supported = 'supported values: "Foreground", "Background", "Orphan", "nil"'
        raise _invalid_options("DeleteOptions", f'propagationPolicy: Unsupported value: "{given}": {supported}')
    return DeleteOptions(
        uid=preconditions.get("uid"),
        resource_version=preconditions.get("resourceVersion"),
        grace_seconds=None if grace is None else int(grace),
        propagation=propagation,
        dry_run=_dry_run(request, ",".join(body.get("dryRun") or ()) or request.query.get("dryRun", "")),
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


_MEDIA_TYPES = ("", "*/*", "application/*", "application/json", "application/yaml")


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
        if accepted.split(";")[0].strip() not in _MEDIA_TYPES:
            continue
        return "object"
    types = "application/json, application/yaml, application/vnd.kubernetes.protobuf"
    raise ApiError(406, "NotAcceptable", f"only the following media types are accepted: {types}")


_OPTIONS = {"POST": "CreateOptions", "PUT": "UpdateOptions", "PATCH": "PatchOptions", "DELETE": "DeleteOptions"}


def _dry_run(request: web.Request, text: str) -> bool:
    if text not in ("", "All"):
        what = f'dryRun: Unsupported value: ["{text}"]: supported values: "All"'
        raise _invalid_options(_OPTIONS[request.method], what)
    return text == "All"


def _invalid_options(kind: str, why: str) -> ApiError:
    return ApiError(422, "Invalid", f'{kind}.meta.k8s.io "" is invalid: {why}')
