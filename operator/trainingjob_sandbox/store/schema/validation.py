"""What is wrong with an object of a custom kind, in an API server's words.

Decides in two rounds as an API server does: types and bounds first; CEL rules only if those left the object fit to be
read by them. A value that an update leaves equal is not judged again (validation ratcheting).
"""

from collections.abc import Iterator
from typing import Any

from trainingjob_sandbox.store.errors import Cause, duplicate, invalid_type, required
from trainingjob_sandbox.store.record import metadata_of
from trainingjob_sandbox.store.schema.rules import ABSENT
from trainingjob_sandbox.store.schema.structural import Schema

# After one of these the object may not be what the rules take it for.
BLOCKING = frozenset(
    {
        "FieldValueNotSupported",
        "FieldValueRequired",
        "FieldValueTooLong",
        "FieldValueTooMany",
        "FieldValueTypeInvalid",
    }
)
UNCHECKED = Cause(
    "FieldValueInvalid",
    "<nil>",
    "Invalid value: null: some validation rules were not checked because the object was invalid; "
    "correct the existing errors to complete validation",
)
_TYPES: dict[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "boolean": (bool,),
    "integer": (int,),
    "number": (int, float),
}


def schema_causes(value: Any, old: Any, schema: Schema) -> list[Cause]:
    """All faults of a completed object; ``old`` is the stored one, ABSENT for a new object."""
    causes = list(_faults(value, old, schema, ""))
    if any(cause.reason in BLOCKING for cause in causes):
        return [*causes, UNCHECKED]
    return [*causes, *_broken_rules(_for_rules(value), old if old is ABSENT else _for_rules(old), schema, "")]


def _for_rules(root: dict[str, Any]) -> dict[str, Any]:
    """Of metadata, rules see the names only."""
    meta = metadata_of(root)
    return root | {"metadata": {name: meta[name] for name in ("name", "generateName") if name in meta}}


def _faults(value: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if old is not ABSENT and (value is old or value == old):
        return
    if value is None and schema.nullable:
        return
    if mismatch := _type_fault(value, schema, path):
        yield mismatch
        return
    for constraint in schema.constraints:
        if cause := constraint(value, path):
            yield cause
    yield from _combination_faults(value, schema, path)
    if isinstance(value, dict):
        yield from _object_faults(value, old, schema, path)
    elif isinstance(value, list):
        yield from _list_faults(value, old, schema, path)


def _type_fault(value: Any, schema: Schema, path: str) -> Cause | None:
    if schema.int_or_string:
        wanted: tuple[type, ...] = (int, str)
    elif schema.type in _TYPES:
        wanted = _TYPES[schema.type]
    else:
        return None
    if isinstance(value, wanted) and (not isinstance(value, bool) or schema.type == "boolean"):
        return None
    if schema.type == "integer" and isinstance(value, float) and value.is_integer():
        return None
    found = _type_word(value)
    word = "integer,string" if schema.int_or_string else schema.type
    return invalid_type(path, found, f'{path} in body must be of type {word}: "{found}"')


def _type_word(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    names = {dict: "object", list: "array", str: "string", int: "integer", float: "number"}
    return names.get(type(value), "null")


def _object_faults(value: dict[str, Any], old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    prefix = f"{path}." if path else ""
    for name in schema.required:
        if name not in value:
            yield required(f"{prefix}{name}")
    for name, part in value.items():
        child = schema.of(name)
        if child is not None:
            before = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
            yield from _faults(part, before, child, f"{prefix}{name}")


def _list_faults(value: list[Any], old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    yield from _duplicates(value, schema, path)
    if schema.item is None:
        return
    before = _counterparts(value, old, schema)
    for at, item in enumerate(value):
        yield from _faults(item, before[at], schema.item, f"{path}[{at}]")


def _duplicates(value: list[Any], schema: Schema, path: str) -> Iterator[Cause]:
    if schema.list_type not in ("set", "map"):
        return
    seen: list[Any] = []
    for at, item in enumerate(value):
        keys = _keys(item, schema) if schema.list_type == "map" else item
        if keys in seen:
            yield duplicate(f"{path}[{at}]", keys)
        seen.append(keys)


def _keys(item: Any, schema: Schema) -> Any:
    return {key: item[key] for key in schema.list_keys if key in item} if isinstance(item, dict) else item


def _counterparts(value: list[Any], old: Any, schema: Schema) -> list[Any]:
    """For each item the old one of the same keys; items of plain lists have no identity, so none."""
    if not isinstance(old, list) or schema.list_type != "map":
        return [ABSENT] * len(value)
    before = [(_keys(item, schema), item) for item in old]
    return [next((item for keys, item in before if keys == _keys(new, schema)), ABSENT) for new in value]


def _combination_faults(value: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if schema.all_of:
        for part in schema.all_of:
            yield from _faults(value, ABSENT, part, path)
    if schema.any_of and not any(_fits(value, part) for part in schema.any_of):
        yield _unfit(path, "must validate at least one schema (anyOf)")
        yield from _faults(value, ABSENT, schema.any_of[0], path)
    if schema.one_of:
        yield from _choice_faults(value, schema.one_of, path)
    if schema.negated is not None and _fits(value, schema.negated):
        yield _unfit(path, "must not validate the schema (not)")


def _choice_faults(value: Any, choices: tuple[Schema, ...], path: str) -> Iterator[Cause]:
    fitting = sum(_fits(value, part) for part in choices)
    if fitting == 1:
        return
    found = "Found none valid" if fitting == 0 else f"Found {fitting} valid alternatives"
    yield _unfit(path, f"must validate one and only one schema (oneOf). {found}")
    if fitting == 0:
        # What the first choice lacks is told too, as a hint at what would do.
        yield from _faults(value, ABSENT, choices[0], path)


def _fits(value: Any, schema: Schema) -> bool:
    return next(_faults(value, ABSENT, schema, ""), None) is None


def _unfit(path: str, why: str) -> Cause:
    return Cause("FieldValueInvalid", "<nil>", f'Invalid value: "": "{path}" {why}')


def _broken_rules(value: Any, old: Any, schema: Schema, path: str) -> Iterator[Cause]:
    if not schema.has_rules or (old is not ABSENT and value == old):
        return
    if schema.rules:
        seen = _visible(value, schema)
        before = ABSENT if old is ABSENT else _visible(old, schema)
        for rule in schema.rules:
            if cause := rule.broken(seen, before, path):
                yield cause
    for part, counterpart, child, where in _parts(value, old, schema, path):
        yield from _broken_rules(part, counterpart, child, where)


def _parts(value: Any, old: Any, schema: Schema, path: str) -> Iterator[tuple[Any, Any, Schema, str]]:
    if isinstance(value, dict):
        prefix = f"{path}." if path else ""
        for name, part in value.items():
            if (child := schema.of(name)) is not None and child.has_rules:
                before = old.get(name, ABSENT) if isinstance(old, dict) else ABSENT
                yield part, before, child, f"{prefix}{name}"
    elif isinstance(value, list) and schema.item is not None:
        before_items = _counterparts(value, old, schema)
        for at, item in enumerate(value):
            yield item, before_items[at], schema.item, f"{path}[{at}]"


def _visible(value: Any, schema: Schema) -> Any:
    """A value with the field names that rules use for words that CEL reserves."""
    if not schema.has_escapes:
        return value
    if isinstance(value, dict):
        return {
            schema.escapes.get(name, name): _visible(part, child) if (child := schema.of(name)) else part
            for name, part in value.items()
        }
    if isinstance(value, list) and schema.item is not None:
        return [_visible(item, schema.item) for item in value]
    return value
