"""The kinds that a store serves: the built-in ones, and those that CustomResourceDefinitions add.

Decides which kind a resource means. Never looks into objects, except into definitions.
"""

from collections.abc import Iterator

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.store.builtin.definitions import kind_of
from trainingjob_sandbox.store.builtin.kinds import BUILTIN
from trainingjob_sandbox.store.garbage import Key
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.table import Table


class Catalog:
    """Kinds and their tables by (group, plural). ``changed`` counts definitions, for caches of what is served."""

    def __init__(self, history: int) -> None:
        self.changed = 0
        self._history = history
        self._found: dict[Key, tuple[Kind, Table]] = {kind.key: (kind, Table(history)) for kind in BUILTIN}

    def __iter__(self) -> Iterator[tuple[Kind, Table]]:
        return iter(self._found.values())

    def find(self, resource: Resource) -> tuple[Kind, Table]:
        """The kind served under a group, version and plural. Raises NotFound."""
        found = self._found.get((resource.group, resource.plural))
        if found is None or found[0].resource.version != resource.version:
            raise ApiError(404, "NotFound", "the server could not find the requested resource")
        return found

    def by_key(self, key: Key) -> tuple[Kind, Table] | None:
        return self._found.get(key)

    def existing(self, key: Key) -> tuple[Kind, Table]:
        """As ``by_key``, for a kind that is known to be served."""
        return self._found[key]

    def tables(self) -> Iterator[Table]:
        return (table for _, table in self._found.values())

    def define(self, definition: Object) -> None:
        """Serve a custom kind; objects of an earlier definition of it stay."""
        kind = kind_of(definition)
        known = self._found.get(kind.key)
        self._found[kind.key] = (kind, known[1] if known else Table(self._history))
        self.changed += 1

    def undefine(self, definition: Object) -> tuple[Kind, Table]:
        """Serve a custom kind no longer; returns what is left of it."""
        self.changed += 1
        return self._found.pop(kind_of(definition).key)
