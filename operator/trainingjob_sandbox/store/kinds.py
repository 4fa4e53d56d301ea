"""What the store knows about one kind of object.

Holds a kind's names, subresources and the rules that are its own. Decides nothing itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import Cause
from trainingjob_sandbox.store.names import subdomain_complaint
from trainingjob_sandbox.store.patches.shape import UNKNOWN, Shape
from trainingjob_sandbox.store.selectors import METADATA_FIELDS, FieldGetter

OLD = Object | None


def leave(_: Object) -> None:
    """The defaults of a kind that has none."""


def accept(_new: Object, _old: OLD) -> list[Cause]:
    """The validation of a kind that has none."""
    return []


def unchanged(condemned: Object) -> Object:
    """What becomes of an object of most kinds when it is marked for deletion."""
    return condemned


class Structure(Protocol):
    """A custom kind's schema: what is kept, what is filled in, what is refused."""

    def complete(self, value: Object, old: OLD) -> tuple[Object, list[str]]:
        """The object without unknown fields and with defaults, and the paths of the unknown fields."""

    def causes(self, value: Object, old: OLD) -> list[Cause]:
        """What is wrong with a completed object."""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of ``kubectl get`` read by JSONPath, as a CRD declares it."""

    name: str
    type: str
    path: str
    format: str = ""
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind. ``default`` changes a fresh object in place; ``validate`` sees the new and the old object."""

    resource: Resource
    singular: str = ""
    list_kind: str = ""
    short_names: tuple[str, ...] = ()
    categories: tuple[str, ...] = ()
    subresources: frozenset[str] = frozenset()
    generation: bool = False
    graceful: bool = False
    returns_deleted: bool = False
    name_complaint: Callable[[str], str] = subdomain_complaint
    default: Callable[[Object], None] = leave
    validate: Callable[[Object, OLD], list[Cause]] = accept
    mark_deleted: Callable[[Object], Object] = unchanged
    fields: Mapping[str, FieldGetter] = field(default_factory=lambda: METADATA_FIELDS)
    shape: Shape = UNKNOWN
    structure: Structure | None = None
    columns: tuple[Column, ...] = ()
    document: Mapping[str, Any] | None = None

    @property
    def key(self) -> tuple[str, str]:
        """What a kind is stored under, whatever its version."""
        return self.resource.group, self.resource.plural

    @property
    def has_status(self) -> bool:
        """Whether status is written by ``/status`` only."""
        return "status" in self.subresources

    @property
    def custom(self) -> bool:
        return self.structure is not None
