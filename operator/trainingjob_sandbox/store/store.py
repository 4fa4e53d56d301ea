"""All objects of a cluster in memory, with the semantics of a Kubernetes API server.

Decides what a read sees and what a write does: versions, UIDs, optimistic locks, preconditions, graceful deletion,
owner garbage collection, namespaces, watches. Never does I/O, waits or looks at a clock: ``clock`` (a callable that
gives an aware UTC datetime) and ``random`` are handed in, so that equal histories give equal objects. Objects that it
hands out are shared and must not be changed.
"""

from collections.abc import Callable
from random import Random
from typing import Any

from trainingjob_operator.api.resources import NAMESPACES, PODS, Resource
from trainingjob_operator.cluster.api import APPLY_PATCH, Object
from trainingjob_sandbox.store import writes
from trainingjob_sandbox.store.builtin.bindings import bound, disrupted
from trainingjob_sandbox.store.catalog import Catalog
from trainingjob_sandbox.store.deletion import DeleteOptions, condemned, may_go
from trainingjob_sandbox.store.errors import already_exists, not_found
from trainingjob_sandbox.store.garbage import Collector, Ref
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.listing import Page, Pages
from trainingjob_sandbox.store.metadata import Clock, stamp
from trainingjob_sandbox.store.namespaces import Terminating
from trainingjob_sandbox.store.options import PLAIN, WriteOptions
from trainingjob_sandbox.store.patches.patch import patched
from trainingjob_sandbox.store.record import Change, Record, metadata_of, own_copy
from trainingjob_sandbox.store.selectors import Matcher, everything, field_matcher, label_matcher
from trainingjob_sandbox.store.table import Table
from trainingjob_sandbox.store.watching import Watch

AS_USUAL = DeleteOptions()


class Store:
    """The objects, their history and what follows from a write.

    ``history`` is how many changes of a kind stay readable for watches that lag.
    """

    def __init__(self, clock: Clock, random: Random, *, history: int = 4096) -> None:
        self.clock = clock
        self.random = random
        self.catalog = Catalog(history)
        self.version = 0
        self._pages = Pages()
        self._garbage = Collector()
        self._terminating = Terminating()
        self.create(NAMESPACES, None, {"metadata": {"name": "default"}})

    def get(self, resource: Resource, namespace: str | None, name: str) -> Record:
        """One object. Raises NotFound."""
        kind, table = self.catalog.find(resource)
        record = table.get(_space(kind, namespace), name)
        if record is None:
            raise not_found(kind.resource, name)
        return record

    def exists(self, resource: Resource, namespace: str | None, name: str) -> bool:
        kind, table = self.catalog.find(resource)
        return table.get(_space(kind, namespace), name) is not None

    def list(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        limit: int = 0,
        token: str = "",
    ) -> Page:
        """The objects by namespace and name; ``token`` continues an earlier page. Raises BadRequest, Expired."""
        kind, table = self.catalog.find(resource)
        matches = _matcher(kind, labels, fields)
        if token:
            return self._pages.next(token, limit)
        found = [record for record in table.all(namespace) if matches(record.object)]
        # How many are left is known only where none was passed over.
        return self._pages.first(found, self.version, limit, counted=not (labels or fields))

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        version: str = "",
        initial: bool = False,
    ) -> Watch:
        """The changes after ``version``. Without one (or with ``initial``) all objects come first, as ADDED.

        Raises BadRequest, and Expired if the history since that version is gone.
        """
        kind, table = self.catalog.find(resource)
        matches = _matcher(kind, labels, fields)
        fresh = initial or version in ("", "0")
        position = table.end() if fresh else table.position(writes.version_number(version))
        watch = Watch(table, position, namespace, matches)
        if fresh:
            watch.begin_with([record for record in table.all(namespace) if matches(record.object)])
        return watch

    def create(self, resource: Resource, namespace: str | None, body: Object, options: WriteOptions = PLAIN) -> Record:
        """Store a new object. Raises AlreadyExists, Invalid, NotFound or Forbidden (namespace), BadRequest."""
        kind, table = self.catalog.find(resource)
        body = own_copy(body)
        space = _space(kind, namespace)
        writes.check_type(kind, body)
        writes.check_new(kind, space, body)
        stamp(kind, space, body, self.clock, self.random)
        self._check_namespace(kind, space, body)
        new = writes.admit_new(kind, body, options)
        name = new["metadata"]["name"]
        if (taken := table.get(space, name)) is not None:
            raise already_exists(kind.resource, name, leaving="deletionTimestamp" in metadata_of(taken.object))
        if options.dry_run:
            return Record(new, 0)
        return self._commit(kind, table, space, None, new)

    def replace(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Object,
        *,
        subresource: str = "",
        options: WriteOptions = PLAIN,
    ) -> Record:
        """Put a whole object (or its status). Raises NotFound, Conflict, Invalid, BadRequest."""
        fresh: Object = own_copy(body)

        def put(kind: Kind, _: Object) -> Object:
            writes.check_put(kind, name, fresh)
            return fresh

        return self._rewrite(resource, namespace, name, put, subresource, options)

    def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Any,
        *,
        content_type: str,
        subresource: str = "",
        options: WriteOptions = PLAIN,
    ) -> Record:
        """Change an object by a merge, JSON, strategic merge or apply patch; only the last may create it."""
        kind, table = self.catalog.find(resource)
        fresh = own_copy(body)
        now = self.clock()

        def change(_: Kind, old: Object) -> Object:
            return patched(kind, old, fresh, content_type, subresource, options.manager, options.force, now)

        def change_checked(_: Kind, old: Object) -> Object:
            changed = change(kind, old)
            writes.check_patched(old, changed)
            writes.check_patched_uid(kind, old, changed)
            return changed

        if content_type == APPLY_PATCH and table.get(_space(kind, namespace), name) is None and not subresource:
            writes.check_apply(kind, name, namespace, fresh, options.manager)
            seed = {"metadata": {**metadata_of(fresh), "name": name}}
            return self.create(resource, namespace, change(kind, seed), options)
        return self._rewrite(resource, namespace, name, change_checked, subresource, options)

    def delete(
        self, resource: Resource, namespace: str | None, name: str, options: DeleteOptions = AS_USUAL
    ) -> tuple[Record, bool]:
        """Delete or mark for deletion: the last state, and whether the object is gone. Raises NotFound, Conflict."""
        kind, table = self.catalog.find(resource)
        space = _space(kind, namespace)
        old = self.get(resource, namespace, name)
        writes.check_preconditions(kind, old.object, options)
        marked = condemned(kind, old.object, options, self.clock())
        gone = may_go(marked)
        if gone and not kind.graceful and "deletionTimestamp" not in metadata_of(old.object):
            marked = old.object  # it goes as it was
        if options.dry_run or (marked is old.object and not gone):
            return old, gone
        if gone and kind.graceful and marked is not old.object:
            # Whoever watches sees it marked before it goes.
            old = self._commit(kind, table, space, old, _renewed(marked))
        return self._commit(kind, table, space, old, _renewed(marked), removed=gone), gone

    def deleted(
        self, resource: Resource, namespace: str | None, name: str, options: DeleteOptions = AS_USUAL
    ) -> Object:
        """Delete, and answer as over the wire: the object while it stays (pods and a few kinds always), else Status."""
        record, gone = self.delete(resource, namespace, name, options)
        kind, _ = self.catalog.find(resource)
        return writes.deletion_answer(kind, record.object) if gone and not kind.returns_deleted else record.copy()

    def bind(self, namespace: str, pod: str, node: str) -> Record:
        """Give a pod to a node, as a scheduler does. Raises NotFound, Conflict if it has one already."""
        kind, table = self.catalog.find(PODS)
        old = self.get(PODS, namespace, pod)
        return self._commit(kind, table, namespace, old, bound(old.object, node, self.clock()))

    def evict(self, namespace: str, pod: str, options: DeleteOptions = AS_USUAL) -> None:
        """Delete a pod as a drain does: its status first says that it was disrupted. Raises NotFound, Conflict."""
        kind, table = self.catalog.find(PODS)
        old = self.get(PODS, namespace, pod)
        writes.check_preconditions(kind, old.object, options)
        if not options.dry_run:
            self._commit(kind, table, namespace, old, disrupted(old.object, self.clock()))
        self.delete(PODS, namespace, pod, options)

    def collect_garbage(self) -> int:
        """Do what a cluster's controllers do after writes: dependents of gone owners go, and so do the contents of
        deleted namespaces. Returns how many objects were looked at; 0 when there was nothing to do.
        """
        looked = self._garbage.collect(self)
        while emptied := self._terminating.empty(self):
            looked += emptied + self._garbage.collect(self)
        return looked

    def forget_history(self) -> None:
        """Drop the history of changes: watches that have not read it expire."""
        for table in self.catalog.tables():
            table.forget()

    # What the garbage collector and the emptying of namespaces ask for.

    def find(self, ref: Ref) -> Record | None:
        found = self.catalog.by_key(ref.kind)
        return found[1].get(ref.namespace, ref.name) if found else None

    def remove(self, ref: Ref, options: DeleteOptions) -> None:
        kind, _ = self.catalog.existing(ref.kind)
        self.delete(kind.resource, ref.namespace, ref.name, options)

    def write(self, ref: Ref, new: Object) -> None:
        kind, table = self.catalog.existing(ref.kind)
        old = table.get(ref.namespace, ref.name)
        self._commit(kind, table, ref.namespace, old, _renewed(new), removed=may_go(new))

    def _rewrite(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        change: Callable[[Kind, Object], Object],
        subresource: str,
        options: WriteOptions,
    ) -> Record:
        kind, table = self.catalog.find(resource)
        writes.check_subresource(kind, subresource)
        old = self.get(resource, namespace, name)
        body = change(kind, old.object)
        writes.check_type(kind, body)
        writes.check_lock(kind, old.object, body)
        new = writes.admit_update(kind, old.object, body, subresource, options)
        if new == old.object or options.dry_run:
            return old if new == old.object else Record(new, old.version)
        if may_go(new) and not kind.graceful:
            # The last finalizer went: it leaves as it was before, and the writer sees what it wrote.
            last = self._commit(kind, table, _space(kind, namespace), old, _renewed(old.object), removed=True)
            return Record(new, last.version)
        return self._commit(kind, table, _space(kind, namespace), old, new, removed=may_go(new))

    def _commit(
        self, kind: Kind, table: Table, namespace: str, old: Record | None, new: Object, *, removed: bool = False
    ) -> Record:
        """Make a new version known: the one place where anything changes. ``new`` and its metadata are ours."""
        self.version += 1
        new["metadata"]["resourceVersion"] = str(self.version)
        record = Record(new, self.version)
        change = Change(self.version, namespace, old, record, removed)
        table.put(change, new["metadata"]["name"])
        self._garbage.saw(kind.key, change)
        self._terminating.saw(kind, change)
        if kind.resource.plural == "customresourcedefinitions":
            self._redefine(new, removed)
        return record

    def _redefine(self, definition: Object, removed: bool) -> None:
        """Serve what a CustomResourceDefinition says; with it go all objects of its kind."""
        if not removed:
            self.catalog.define(definition)
            return
        kind, table = self.catalog.undefine(definition)
        for record in list(table.all()):
            meta = metadata_of(record.object)
            last = record.object | {"metadata": {**meta}}
            self._commit(kind, table, meta.get("namespace", ""), record, last, removed=True)

    def _check_namespace(self, kind: Kind, namespace: str, body: Object) -> None:
        if not kind.resource.namespaced:
            return
        found = self.catalog.find(NAMESPACES)[1].get("", namespace)
        if found is None:
            raise not_found(NAMESPACES, namespace)
        if "deletionTimestamp" in metadata_of(found.object):
            raise writes.terminating(kind, namespace, body)


def _space(kind: Kind, namespace: str | None) -> str:
    """The namespace under which an object is kept."""
    return (namespace or "") if kind.resource.namespaced else ""


def _matcher(kind: Kind, labels: str, fields: str) -> Matcher:
    by_label, by_field = label_matcher(labels), field_matcher(fields, kind.fields)
    if by_field is everything:
        return by_label
    if by_label is everything:
        return by_field
    return lambda found: by_label(found) and by_field(found)


def _renewed(changed: Object) -> Object:
    """A version's own outer parts, so that stamping it leaves the old version alone."""
    return {**changed, "metadata": {**changed["metadata"]}}
