"""What goes because its owner went: the garbage collector's decisions.

Knows who owns whom, and keeps a queue of objects to look at. Decides which of them to delete, which stale owner
references to drop, and when an owner that waits for its dependents may go. Runs only when asked (``collect``), as the
real one runs some time after the write.
"""

from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.deletion import FOREGROUND, ORPHAN, DeleteOptions, Propagation
from trainingjob_sandbox.store.record import Change, Record, metadata_of

Key: TypeAlias = tuple[str, str]


@dataclass(frozen=True, slots=True)
class Ref:
    """Where an object is: its kind's key, namespace and name."""

    kind: Key
    namespace: str
    name: str


class Ground(Protocol):
    """What the collector asks of the store."""

    def find(self, ref: Ref) -> Record | None: ...

    def remove(self, ref: Ref, options: DeleteOptions) -> None: ...

    def write(self, ref: Ref, new: Object) -> None: ...


class Collector:
    """Owners and dependents by UID, and the objects that must be looked at."""

    def __init__(self) -> None:
        self._places: dict[str, Ref] = {}
        self._dependents: dict[str, dict[Ref, None]] = {}
        self._dirty: dict[Ref, None] = {}

    def saw(self, kind: Key, change: Change) -> None:
        """Take note of one write."""
        meta = metadata_of(change.new.object)
        ref = Ref(kind, change.namespace, meta["name"])
        before = _owners(change.old)
        after = [] if change.removed else _owners(change.new)
        if before or after:
            self._relink(ref, before, after)
        if change.removed:
            self._places.pop(meta["uid"], None)
            self._dirty.update(self._dependents.get(meta["uid"], {}))
            self._dirty.update({place: None for uid in before if (place := self._places.get(uid))})
            return
        self._places[meta["uid"]] = ref
        if any(not self._is_present(uid, ref) for uid in after) or _is_closing(meta):
            self._dirty[ref] = None

    def collect(self, ground: Ground) -> int:
        """Look at everything that is due, and at what that makes due. Returns how many objects were looked at."""
        looked = 0
        while self._dirty:
            ref = next(iter(self._dirty))
            del self._dirty[ref]
            looked += 1
            if record := ground.find(ref):
                self._close(ground, ref, record.object)
            if record := ground.find(ref):
                self._judge(ground, ref, record.object)
        return looked

    def _relink(self, ref: Ref, before: list[str], after: list[str]) -> None:
        for uid in before:
            if uid not in after and (found := self._dependents.get(uid)):
                found.pop(ref, None)
                if not found:
                    del self._dependents[uid]
        for uid in after:
            self._dependents.setdefault(uid, {})[ref] = None

    def _judge(self, ground: Ground, ref: Ref, judged: Object) -> None:
        """Delete an object whose owners are gone or wait for it; else drop the references to those that are gone."""
        meta = metadata_of(judged)
        owners = meta.get("ownerReferences") or []
        if not owners:
            return
        present = [owner for owner in owners if self._is_present(owner.get("uid", ""), ref)]
        solid = [owner for owner in present if not self._waits(ground, owner)]
        if solid:
            if len(present) < len(owners):
                ground.write(ref, _with_metadata(judged, "ownerReferences", present))
        elif "deletionTimestamp" not in meta:
            waiting = bool(present) and bool(self._dependents.get(meta["uid"]))
            self._delete(ground, ref, meta["uid"], "Foreground" if waiting else "Background")

    def _close(self, ground: Ground, ref: Ref, closing: Object) -> None:
        """Move an owner on that was deleted with foreground or orphan propagation."""
        meta = metadata_of(closing)
        if not _is_closing(meta):
            return
        dependents = list(self._dependents.get(meta["uid"], {}))
        if ORPHAN in meta["finalizers"]:
            for dependent in dependents:
                self._orphan(ground, dependent, meta["uid"])
            self._drop_finalizer(ground, ref, ORPHAN)
        elif not any(self._blocks(ground, dependent, meta["uid"]) for dependent in dependents):
            self._drop_finalizer(ground, ref, FOREGROUND)
        else:
            self._dirty.update(dict.fromkeys(self._untouched(ground, dependents)))

    def _untouched(self, ground: Ground, refs: list[Ref]) -> list[Ref]:
        found = [(ref, ground.find(ref)) for ref in refs]
        return [ref for ref, record in found if record and "deletionTimestamp" not in metadata_of(record.object)]

    def _orphan(self, ground: Ground, ref: Ref, owner_uid: str) -> None:
        if record := ground.find(ref):
            owners = metadata_of(record.object).get("ownerReferences") or []
            kept = [owner for owner in owners if owner.get("uid") != owner_uid]
            ground.write(ref, _with_metadata(record.object, "ownerReferences", kept))

    def _drop_finalizer(self, ground: Ground, ref: Ref, finalizer: str) -> None:
        if record := ground.find(ref):
            finalizers = metadata_of(record.object).get("finalizers") or []
            kept = [name for name in finalizers if name != finalizer]
            ground.write(ref, _with_metadata(record.object, "finalizers", kept))

    def _delete(self, ground: Ground, ref: Ref, uid: str, propagation: Propagation) -> None:
        ground.remove(ref, DeleteOptions(uid=uid, propagation=propagation))

    def _is_present(self, owner_uid: str, dependent: Ref) -> bool:
        """Whether an owner is where an object's owner may be: in its namespace, or in none."""
        place = self._places.get(owner_uid)
        return place is not None and place.namespace in ("", dependent.namespace)

    def _waits(self, ground: Ground, owner: Object) -> bool:
        record = ground.find(self._places[owner["uid"]])
        meta = metadata_of(record.object) if record else {}
        return "deletionTimestamp" in meta and FOREGROUND in (meta.get("finalizers") or ())

    def _blocks(self, ground: Ground, ref: Ref, owner_uid: str) -> bool:
        record = ground.find(ref)
        owners = metadata_of(record.object).get("ownerReferences") or [] if record else []
        return any(owner.get("uid") == owner_uid and owner.get("blockOwnerDeletion") for owner in owners)


def _with_metadata(found: Object, name: str, values: list[Any]) -> Object:
    """An object with a list of its metadata replaced; an empty list is left out."""
    meta = {key: value for key, value in metadata_of(found).items() if key != name}
    return found | {"metadata": meta | ({name: values} if values else {})}


def _owners(record: Record | None) -> list[str]:
    owners = metadata_of(record.object).get("ownerReferences") if record else None
    return [owner["uid"] for owner in owners] if owners else []


def _is_closing(meta: Any) -> bool:
    if "deletionTimestamp" not in meta:
        return False
    finalizers = meta.get("finalizers") or ()
    return FOREGROUND in finalizers or ORPHAN in finalizers
