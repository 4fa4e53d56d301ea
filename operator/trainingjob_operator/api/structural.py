"""JSON schema of a pydantic model -> structural schema of a CRD (Kubernetes: "Specifying a structural schema").

A pure translation of one value. What pydantic writes and a structural schema forbids: $ref, anyOf with null, const,
numeric exclusive bounds, titles, nulls in defaults.
"""

from typing import Any

from pydantic import BaseModel

Schema = dict[str, Any]

KEPT = (
    "type", "description", "default", "enum", "format", "pattern", "minimum", "maximum", "minLength", "maxLength",
    "minItems", "maxItems", "minProperties", "maxProperties", "required", "nullable",
)  # fmt: skip


def structural(model: type[BaseModel]) -> Schema:
    """The structural schema of a model, every reference inlined, in the model's field order."""
    schema = model.model_json_schema(by_alias=True, mode="validation")
    return _translate(schema, schema.get("$defs", {}))


def _translate(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    schema = _resolved(_without_null(_resolved(schema, definitions)), definitions)
    if _is_int_or_string(schema):
        return _kept(schema) | {"x-kubernetes-int-or-string": True}
    found = _kept(schema)
    if "properties" in schema:
        found["properties"] = {name: _translate(child, definitions) for name, child in schema["properties"].items()}
    elif isinstance(schema.get("additionalProperties"), dict):
        found["additionalProperties"] = _translate(schema["additionalProperties"], definitions)
    if "items" in schema:
        found["items"] = _translate(schema["items"], definitions)
    return found


def _resolved(schema: Schema, definitions: dict[str, Schema]) -> Schema:
    """The schema with its reference replaced by what it names; siblings of the reference win."""
    if "$ref" not in schema:
        return schema
    target = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return _resolved(target, definitions) | {key: value for key, value in schema.items() if key != "$ref"}


def _without_null(schema: Schema) -> Schema:
    """``X | None`` means "may be absent" in our models, which a structural schema says by not requiring it."""
    if "anyOf" not in schema:
        return schema
    branches = [branch for branch in schema["anyOf"] if branch.get("type") != "null"]
    if len(branches) > 1:
        return schema | {"anyOf": branches}
    rest = {key: value for key, value in schema.items() if key != "anyOf"}
    only: Schema = branches[0]
    return only | rest


def _is_int_or_string(schema: Schema) -> bool:
    return {branch.get("type") for branch in schema.get("anyOf", ())} == {"integer", "string"}


def _kept(schema: Schema) -> Schema:
    found = {key: schema[key] for key in KEPT if schema.get(key) is not None}
    if "default" in found:
        found["default"] = _absent_nulls(found["default"])
    return found | {key: value for key, value in schema.items() if key.startswith("x-kubernetes-")}


def _absent_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _absent_nulls(child) for key, child in value.items() if child is not None}
    return value
