"""Sets of fields in the form of ``managedFields`` (FieldsV1): which parts of an object somebody has applied.

``{"f:spec": {"f:image": {}}}``; items of keyed lists are ``k:{"name":"a"}``, items of sets ``v:"a"``; ``{}`` is a leaf.
Decides which fields two sets share and what is left without some of them. Never looks at who owns them.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeAlias

import orjson

from trainingjob_sandbox.store.patches.shape import Shape

Fields: TypeAlias = dict[str, Any]
Path: TypeAlias = tuple[str, ...]

ITSELF = "."


def fields_of(value: Any, shape: Shape) -> Fields:
    """The fields that a value sets."""
    if isinstance(value, dict) and not shape.atomic:
        return {f"f:{name}": fields_of(part, shape.of(name)) for name, part in value.items()}
    if isinstance(value, list) and shape.list_type == "set":
        return {f"v:{orjson.dumps(item).decode()}": {} for item in value}
    if isinstance(value, list) and shape.list_type == "map":
        return {item_step(item, shape): {ITSELF: {}} | fields_of(item, shape.items()) for item in value}
    return {}


def item_step(item: Any, shape: Shape) -> str:
    """The step that names an item of a keyed list."""
    keys = {key: item.get(key, shape.key_defaults.get(key)) for key in shape.keys} if isinstance(item, dict) else {}
    return "k:" + orjson.dumps(keys, option=orjson.OPT_SORT_KEYS).decode()


def item_at(items: Iterable[Any], step: str, shape: Shape) -> int | None:
    """Where in a list the item of a step is."""
    if step.startswith("v:"):
        wanted = orjson.loads(step[2:])
        return next((at for at, item in enumerate(items) if item == wanted), None)
    return next((at for at, item in enumerate(items) if item_step(item, shape) == step), None)


def is_leaf(fields: Mapping[str, Any]) -> bool:
    return not fields or set(fields) == {ITSELF}


def shared_leaves(mine: Fields, theirs: Fields, path: Path = ()) -> Iterator[Path]:
    """The fields of both sets, at the level where one of them ends."""
    for step, part in mine.items():
        if step == ITSELF or step not in theirs:
            continue
        if is_leaf(part) or is_leaf(theirs[step]):
            yield (*path, step)
        else:
            yield from shared_leaves(part, theirs[step], (*path, step))


def without(fields: Fields, path: Path) -> Fields:
    """The set without one of its fields, and without the parents that then hold nothing."""
    step, *rest = path
    if step not in fields:
        return fields
    left = {name: part for name, part in fields.items() if name != step}
    if rest and (part := without(fields[step], tuple(rest))):
        left[step] = part
    return left


def path_text(path: Path) -> str:
    """A path as conflict messages print it: ``.spec.ports[name="a"].port``."""
    text = ""
    for step in path:
        kind, rest = step[:2], step[2:]
        if kind == "f:":
            text += f".{rest}"
        elif kind == "k:":
            keys = orjson.loads(rest)
            text += "[" + ",".join(f"{key}={orjson.dumps(value).decode()}" for key, value in keys.items()) + "]"
        else:
            text += f"[={rest}]"
    return text


def shape_at(shape: Shape, step: str) -> Shape:
    return shape.of(step[2:]) if step.startswith("f:") else shape.items()


def value_at(value: Any, path: Path, shape: Shape) -> Any:
    """What stands at a path, None if nothing does."""
    for step in path:
        if step.startswith("f:"):
            value = value.get(step[2:]) if isinstance(value, dict) else None
        else:
            at = item_at(value or [], step, shape)
            value = None if at is None else value[at]
        shape = shape_at(shape, step)
    return value
