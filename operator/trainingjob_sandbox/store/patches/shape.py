"""How lists merge: by which keys the items of a list are told apart, level by level.

Decides which list is replaced whole, which is a set and which is keyed. Never merges anything itself.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, TypeAlias

ListType: TypeAlias = Literal["atomic", "set", "map"]


@dataclass(frozen=True, slots=True)
class Shape:
    """One level of an object.

    ``fields`` are the known properties, ``rest`` stands for every other one (maps), ``item`` for a list's items.
    ``keys`` tell the items of a keyed list apart in server-side apply; ``merge_key`` does in a strategic merge patch,
    which knows only one. ``key_defaults`` fill keys that an item leaves out.
    ``atomic`` maps are owned and replaced whole.
    """

    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    rest: "Shape | None" = None
    item: "Shape | None" = None
    list_type: ListType = "atomic"
    keys: tuple[str, ...] = ()
    key_defaults: Mapping[str, Any] = field(default_factory=dict)
    merge_key: str = ""
    atomic: bool = False

    def of(self, name: str) -> "Shape":
        """The shape of a property."""
        return self.fields.get(name) or self.rest or UNKNOWN

    def items(self) -> "Shape":
        return self.item or UNKNOWN


UNKNOWN = Shape()


def keyed(keys: Iterable[str], *, defaults: Mapping[str, Any] | None = None, **fields: Shape) -> Shape:
    """A list whose items are told apart by ``keys``."""
    keys = tuple(keys)
    return Shape(
        item=Shape(fields=fields),
        list_type="map",
        keys=keys,
        key_defaults=defaults or {},
        merge_key=keys[0],
    )


def as_set() -> Shape:
    """A list of scalars in which each value stands once."""
    return Shape(list_type="set")


def struct(**fields: Shape) -> Shape:
    return Shape(fields=fields)
