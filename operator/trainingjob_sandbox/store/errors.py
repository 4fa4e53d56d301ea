"""The refusals of an API server, in its own words.

Decides how each refusal reads and which HTTP status, reason and details it carries, so that people and programs see
what they would see on a cluster. Never decides whether a request is refused.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import ApiError, Object


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing wrong with one field: ``reason`` for programs, ``message`` for people."""

    reason: str
    field: str
    message: str

    def __str__(self) -> str:
        return f"{self.field}: {self.message}"


def invalid_value(field: str, value: Any, detail: str) -> Cause:
    return Cause("FieldValueInvalid", field, f"Invalid value: {shown(value)}: {detail}")


def invalid_type(field: str, found: str, detail: str) -> Cause:
    return Cause("FieldValueTypeInvalid", field, f'Invalid value: "{found}": {detail}')


def required(field: str, detail: str = "") -> Cause:
    return Cause("FieldValueRequired", field, f"Required value: {detail}" if detail else "Required value")


def unsupported(field: str, value: Any, supported: Iterable[Any]) -> Cause:
    choices = ", ".join(shown(choice) for choice in supported)
    return Cause("FieldValueNotSupported", field, f"Unsupported value: {shown(value)}: supported values: {choices}")


def duplicate(field: str, value: Any) -> Cause:
    return Cause("FieldValueDuplicate", field, f"Duplicate value: {shown(value)}")


def field_forbidden(field: str, detail: str) -> Cause:
    return Cause("FieldValueForbidden", field, f"Forbidden: {detail}")


def field_not_found(field: str, value: Any) -> Cause:
    return Cause("FieldValueNotFound", field, f"Not found: {shown(value)}")


def too_long(field: str, limit: int) -> Cause:
    return Cause("FieldValueTooLong", field, f"Too long: may not be more than {limit} byte{'' if limit == 1 else 's'}")


def too_many(field: str, count: int, limit: int) -> Cause:
    items = "item" if limit == 1 else "items"
    return Cause("FieldValueTooMany", field, f"Too many: {count}: must have at most {limit} {items}")


def shown(value: Any) -> str:
    """A value as error messages print it: strings quoted, everything else as compact JSON."""
    return orjson.dumps(value).decode()


def kind_name(resource: Resource) -> str:
    return f"{resource.kind}.{resource.group}" if resource.group else resource.kind


def resource_name(resource: Resource) -> str:
    return f"{resource.plural}.{resource.group}" if resource.group else resource.plural


def invalid(resource: Resource, name: str, causes: Iterable[Cause], *, kind: str = "") -> ApiError:
    """422 with every cause; ``kind`` replaces the kind where the object named another one."""
    causes = list(causes)
    listed = ", ".join(map(str, causes))
    text = listed if len(causes) == 1 else f"[{listed}]"
    details = _about(resource, name, kind or resource.kind) | {
        "causes": [{"reason": cause.reason, "message": cause.message, "field": cause.field} for cause in causes]
    }
    subject = f"{kind or resource.kind}.{resource.group}" if resource.group else kind or resource.kind
    return ApiError(422, "Invalid", f'{subject} "{name}" is invalid: {text}', details=details)


def not_found(resource: Resource, name: str) -> ApiError:
    message = f'{resource_name(resource)} "{name}" not found'
    return ApiError(404, "NotFound", message, details=_about(resource, name, resource.plural))


def already_exists(resource: Resource, name: str, *, leaving: bool = False) -> ApiError:
    message = f'{resource_name(resource)} "{name}" already exists'
    message = f"object is being deleted: {message}" if leaving else message
    return ApiError(409, "AlreadyExists", message, details=_about(resource, name, resource.plural))


def conflict(resource: Resource, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {resource_name(resource)} "{name}": {why}'
    return ApiError(409, "Conflict", message, details=_about(resource, name, resource.plural))


def modified(resource: Resource, name: str) -> ApiError:
    """The optimistic lock failed: the resourceVersion sent is not the current one."""
    why = "the object has been modified; please apply your changes to the latest version and try again"
    return conflict(resource, name, why)


def forbidden(resource: Resource, name: str, why: str, causes: Iterable[Mapping[str, str]] = ()) -> ApiError:
    details = _about(resource, name, resource.plural) | ({"causes": list(causes)} if causes else {})
    return ApiError(403, "Forbidden", f'{resource_name(resource)} "{name}" is forbidden: {why}', details=details)


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def expired(message: str) -> ApiError:
    """410: the history that was asked for is gone; list again."""
    return ApiError(410, "Expired", message)


def unsupported_media_type(accepted: Iterable[str]) -> ApiError:
    types = ", ".join(accepted)
    message = f"the body of the request was in an unknown format - accepted media types include: {types}"
    return ApiError(415, "UnsupportedMediaType", message)


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")


def status_document(error: ApiError) -> Object:
    """The Status object that goes over the wire for a refusal."""
    document: Object = {
        "kind": "Status",
        "apiVersion": "v1",
        "metadata": {},
        "status": "Failure",
        "message": error.message,
        "reason": error.reason,
        "code": error.status,
    }
    if error.details:
        document["details"] = error.details
    return document


def _about(resource: Resource, name: str, kind: str) -> dict[str, Any]:
    return {key: value for key, value in (("name", name), ("group", resource.group), ("kind", kind)) if value}
