"""A CRD's OpenAPI schema, read once into a tree that is quick to walk.

Decides what each keyword means for one field. Never looks at an object.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from trainingjob_sandbox.store.patches.shape import Shape
from trainingjob_sandbox.store.schema.constraints import Constraint, constraints_of
from trainingjob_sandbox.store.schema.rules import Rule, rules_of

MISSING: Final = object()

# What ObjectMeta knows. The server checks the values itself; everything else in metadata is dropped.
METADATA = (
    "name", "generateName", "namespace", "uid", "resourceVersion", "generation", "creationTimestamp", "labels",
    "annotations", "ownerReferences", "finalizers", "managedFields", "deletionTimestamp",
    "deletionGracePeriodSeconds", "selfLink",
)  # fmt: skip

_RESERVED = frozenset(
    [
        "true",
        "false",
        "null",
        "in",
        "as",
        "break",
        "const",
        "continue",
        "else",
        "for",
        "function",
        "if",
        "import",
        "let",
        "loop",
        "package",
        "namespace",
        "return",
        "var",
        "void",
        "while",
    ]
)


@dataclass(slots=True)
class Schema:
    """One level of a structural schema. ``rest`` describes the values of a map; ``preserve`` keeps unknown fields."""

    type: str = ""
    properties: dict[str, "Schema"] = field(default_factory=dict)
    rest: "Schema | None" = None
    item: "Schema | None" = None
    required: tuple[str, ...] = ()
    default: Any = MISSING
    nullable: bool = False
    preserve: bool = False
    int_or_string: bool = False
    format: str = ""
    list_type: str = "atomic"
    list_keys: tuple[str, ...] = ()
    map_type: str = "granular"
    constraints: tuple[Constraint, ...] = ()
    rules: tuple[Rule, ...] = ()
    any_of: tuple["Schema", ...] = ()
    all_of: tuple["Schema", ...] = ()
    one_of: tuple["Schema", ...] = ()
    negated: "Schema | None" = None
    defaulted: tuple[str, ...] = ()
    has_rules: bool = False
    escapes: Mapping[str, str] = field(default_factory=dict)
    has_escapes: bool = False

    def of(self, name: str) -> "Schema | None":
        """The schema of a property or of a map's value, None for an unknown one."""
        return self.properties.get(name) or self.rest

    def children(self) -> list["Schema"]:
        return [child for child in (*self.properties.values(), self.rest, self.item) if child is not None]


def structural(document: Mapping[str, Any]) -> Schema:
    """The tree of an ``openAPIV3Schema``. Raises ValueError for patterns or rules that do not compile."""
    root = _schema(document)
    restrictions = root.properties.get("metadata", Schema())
    meta = Schema(type="object", properties={name: Schema(preserve=True) for name in METADATA})
    meta.properties |= restrictions.properties
    root.properties |= {"metadata": meta, "apiVersion": Schema(type="string"), "kind": Schema(type="string")}
    root.has_rules = True
    return root


def _schema(document: Mapping[str, Any]) -> Schema:
    properties = {name: _schema(child) for name, child in (document.get("properties") or {}).items()}
    rest = document.get("additionalProperties")
    schema = Schema(
        type=document.get("type", ""),
        properties=properties,
        rest=_rest(rest),
        item=_schema(document["items"]) if document.get("items") else None,
        required=tuple(document.get("required") or ()),
        default=document.get("default", MISSING),
        nullable=bool(document.get("nullable")),
        preserve=bool(document.get("x-kubernetes-preserve-unknown-fields")),
        int_or_string=bool(document.get("x-kubernetes-int-or-string")),
        format=document.get("format", ""),
        list_type=document.get("x-kubernetes-list-type", "atomic"),
        list_keys=tuple(document.get("x-kubernetes-list-map-keys") or ()),
        map_type=document.get("x-kubernetes-map-type", "granular"),
        constraints=constraints_of(document),
        rules=rules_of(document),
    )
    _combine(schema, document)
    _embed(schema, document)
    _summarize(schema)
    return schema


def _rest(rest: Any) -> Schema | None:
    if isinstance(rest, Mapping):
        return _schema(rest)
    return Schema(preserve=True) if rest else None


def _combine(schema: Schema, document: Mapping[str, Any]) -> None:
    # The two branches that int-or-string carries for other readers say nothing more.
    if not schema.int_or_string:
        schema.any_of = tuple(map(_schema, document.get("anyOf") or ()))
    schema.all_of = tuple(
        map(_schema, (part for part in document.get("allOf") or () if not schema.int_or_string or "anyOf" not in part))
    )
    schema.one_of = tuple(map(_schema, document.get("oneOf") or ()))
    schema.negated = _schema(document["not"]) if document.get("not") else None


def _embed(schema: Schema, document: Mapping[str, Any]) -> None:
    if document.get("x-kubernetes-embedded-resource"):
        for name in ("apiVersion", "kind", "metadata"):
            schema.properties.setdefault(name, Schema(preserve=True))


def _summarize(schema: Schema) -> None:
    """What a walk wants to know of a whole subtree before it starts."""
    schema.defaulted = tuple(name for name, child in schema.properties.items() if child.default is not MISSING)
    schema.has_rules = bool(schema.rules) or any(child.has_rules for child in schema.children())
    schema.escapes = {name: escaped for name in schema.properties if (escaped := _escaped(name)) != name}
    schema.has_escapes = bool(schema.escapes) or any(child.has_escapes for child in schema.children())


def _escaped(name: str) -> str:
    """A property's name as CEL rules write it."""
    if name in _RESERVED:
        return f"__{name}__"
    escaped = name.replace("__", "__underscores__")
    for character, word in ((".", "dot"), ("-", "dash"), ("/", "slash")):
        escaped = escaped.replace(character, f"__{word}__")
    return escaped if re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", escaped) else name


def shape_of(schema: Schema) -> Shape:
    """How server-side apply merges an object of this schema."""
    list_type = schema.list_type
    return Shape(
        fields={name: shape_of(child) for name, child in schema.properties.items()},
        rest=shape_of(schema.rest) if schema.rest else None,
        item=shape_of(schema.item) if schema.item else None,
        list_type=list_type if list_type in ("set", "map") else "atomic",  # type: ignore[arg-type]
        keys=schema.list_keys,
        key_defaults=_key_defaults(schema),
        atomic=schema.map_type == "atomic",
    )


def _key_defaults(schema: Schema) -> dict[str, Any]:
    known = schema.item.properties if schema.item else {}
    defaults = {key: known[key].default for key in schema.list_keys if key in known}
    return {key: default for key, default in defaults.items() if default is not MISSING}
