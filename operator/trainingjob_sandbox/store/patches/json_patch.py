"""JSON patch (RFC 6902): a list of operations at JSON pointers.

Decides whether each operation applies. Works on a private copy of the document that it is given.
"""

from typing import Any

from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.store.errors import bad_request
from trainingjob_sandbox.store.record import own_copy

REJECTED = "the server rejected our request due to an error in our request"


class _MissingError(Exception):
    """A pointer leads nowhere."""


def json_patch(target: Any, operations: Any) -> Any:
    """The patched document. Raises BadRequest for what is no patch, 422 Invalid where one does not apply."""
    if not isinstance(operations, list):
        into = "Go value of type []handlers.jsonPatchOp"
        raise bad_request(f"error decoding patch: json: cannot unmarshal {go_word(operations)} into {into}")
    root = {"": own_copy(target)}
    for operation in operations:
        try:
            _apply(root, operation)
        except _MissingError as missing:
            raise ApiError(422, "Invalid", REJECTED) from missing
    return root[""]


def go_word(value: Any) -> str:
    """What an API server calls the type of a JSON value."""
    words = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number"}
    return words.get(type(value), "null")


def _apply(root: dict[str, Any], operation: Any) -> None:
    if not isinstance(operation, dict) or not isinstance(operation.get("path"), str):
        raise bad_request("error decoding patch: every operation needs an op and a path")
    path = operation["path"]
    match operation.get("op"):
        case "add":
            _add(root, path, operation.get("value"))
        case "remove":
            _remove(root, path)
        case "replace":
            _remove(root, path)
            _add(root, path, operation.get("value"))
        case "move":
            _add(root, path, _remove(root, operation.get("from", "")))
        case "copy":
            _add(root, path, own_copy(_get(root, operation.get("from", ""))))
        case "test":
            if _get(root, path) != operation.get("value"):
                raise _MissingError(f"testing value {path} failed")
        case other:
            raise _MissingError(f"there is no operation {other!r}")


def _steps(path: str) -> list[str]:
    if path and not path.startswith("/"):
        raise bad_request(f"error decoding patch: {path!r} is no JSON pointer")
    return [step.replace("~1", "/").replace("~0", "~") for step in path.split("/")]


def _get(root: Any, path: str) -> Any:
    value = root
    for step in _steps(path):
        value = _child(value, step)
    return value


def _parent(root: Any, path: str) -> tuple[Any, str]:
    *above, last = _steps(path)
    value = root
    for step in above:
        value = _child(value, step)
    return value, last


def _child(value: Any, step: str) -> Any:
    if isinstance(value, dict) and step in value:
        return value[step]
    if isinstance(value, list):
        return value[_index(value, step, len(value) - 1)]
    raise _MissingError(f"there is no {step!r}")


def _add(root: Any, path: str, value: Any) -> None:
    parent, last = _parent(root, path)
    if isinstance(parent, list):
        parent.insert(len(parent) if last == "-" else _index(parent, last, len(parent)), value)
    elif isinstance(parent, dict):
        parent[last] = value
    else:
        raise _MissingError(f"{path} is inside a value that has no fields")


def _remove(root: Any, path: str) -> Any:
    parent, last = _parent(root, path)
    if isinstance(parent, list):
        return parent.pop(_index(parent, last, len(parent) - 1))
    if isinstance(parent, dict) and last in parent:
        return parent.pop(last)
    raise _MissingError(f"there is nothing at {path}")


def _index(items: list[Any], step: str, highest: int) -> int:
    if not step.isdigit() or int(step) > highest:
        raise _MissingError(f"there is no item {step!r}")
    return int(step)
