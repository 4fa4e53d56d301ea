"""What goes because its namespace goes.

Decides what is still to be deleted in a namespace that is terminating, and when nothing is left. Runs only when asked,
as a cluster's namespace controller runs some time after the write.
"""

from typing import Protocol

from trainingjob_operator.api.resources import NAMESPACES
from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.catalog import Catalog
from trainingjob_sandbox.store.deletion import DeleteOptions
from trainingjob_sandbox.store.garbage import Ref
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.record import Change, metadata_of


class Ground(Protocol):
    """What is asked of the store."""

    @property
    def catalog(self) -> Catalog: ...

    def remove(self, ref: Ref, options: DeleteOptions) -> None: ...

    def write(self, ref: Ref, new: Object) -> None: ...


class Terminating:
    """The namespaces that are marked for deletion and not gone yet."""

    def __init__(self) -> None:
        self._names: dict[str, None] = {}

    def saw(self, kind: Kind, change: Change) -> None:
        """Take note of one write."""
        meta = metadata_of(change.new.object)
        if kind.key == ("", "namespaces") and "deletionTimestamp" in meta and not change.removed:
            self._names[meta["name"]] = None

    def empty(self, ground: Ground) -> int:
        """Delete what such namespaces hold, and those that hold nothing. Returns how many objects were deleted."""
        return sum(self._empty(ground, namespace) for namespace in tuple(self._names))

    def _empty(self, ground: Ground, namespace: str) -> int:
        spaced = [(kind, table) for kind, table in ground.catalog if kind.resource.namespaced]
        held = [
            Ref(kind.key, namespace, metadata_of(record.object)["name"])
            for kind, table in spaced
            for record in table.all(namespace)
            if "deletionTimestamp" not in metadata_of(record.object)
        ]
        for ref in held:
            ground.remove(ref, DeleteOptions())
        if all(table.is_empty(namespace) for _, table in spaced):
            del self._names[namespace]
            return len(held) + self._finish(ground, namespace)
        return len(held)

    def _finish(self, ground: Ground, namespace: str) -> int:
        kind, table = ground.catalog.find(NAMESPACES)
        record = table.get("", namespace)
        if record is None:
            return 0
        spec = {name: value for name, value in (record.object.get("spec") or {}).items() if name != "finalizers"}
        ground.write(Ref(kind.key, "", namespace), record.object | {"spec": spec})
        return 1
