"""What is kept of an object and what is filled in: pruning, nulls and defaults of a structural schema.

Decides which fields are unknown. Returns new objects and shares what it leaves alone; parts that an update took over
from the stored object are complete already and are not walked again.
"""

from typing import Any

from trainingjob_sandbox.store.schema.structural import MISSING, Schema


def completed(value: Any, old: Any, schema: Schema) -> tuple[Any, list[str]]:
    """The value pruned and with defaults, and the paths of what was unknown."""
    unknown: list[str] = []
    return _complete(value, old, schema, "", unknown), unknown


def _complete(value: Any, old: Any, schema: Schema, path: str, unknown: list[str]) -> Any:
    if value is old:
        return value
    if isinstance(value, dict):
        return _complete_object(value, old if isinstance(old, dict) else {}, schema, path, unknown)
    if isinstance(value, list) and schema.item is not None:
        item = schema.item
        before = old if isinstance(old, list) else []
        return [
            _complete(part, before[at] if at < len(before) else MISSING, item, f"{path}[{at}]", unknown)
            for at, part in enumerate(value)
        ]
    return value


def _complete_object(value: dict[str, Any], old: dict[str, Any], schema: Schema, path: str, unknown: list[str]) -> Any:
    result: dict[str, Any] = {}
    for name, part in value.items():
        child = schema.of(name)
        if child is not None:
            if part is None and not child.nullable and not child.preserve:
                continue
            result[name] = _complete(part, old.get(name, MISSING), child, _joined(path, name), unknown)
        elif schema.preserve:
            result[name] = part
        else:
            unknown.append(_joined(path, name))
    for name in schema.defaulted:
        if name not in result:
            child = schema.properties[name]
            result[name] = _complete(child.default, MISSING, child, "", [])
    return result


def _joined(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name
