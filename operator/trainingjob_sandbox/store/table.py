"""All objects of one kind, and the recent history of their changes.

Decides from where a watch can continue and when that is too long ago. Never copies an object.
"""

from bisect import bisect_right
from collections.abc import Callable, Iterator
from typing import Protocol

from trainingjob_sandbox.store.errors import expired
from trainingjob_sandbox.store.record import Change, Record


class Listener(Protocol):
    """Whoever wants to know of every change."""

    notify: Callable[[], None]


class Table:
    """Objects by namespace and name (cluster-wide kinds: namespace ``""``), and the changes since ``forgotten``."""

    def __init__(self, history: int) -> None:
        self.records: dict[str, dict[str, Record]] = {}
        self.watches: dict[Listener, None] = {}
        self._history = history
        self._changes: list[Change] = []
        self._dropped = 0
        self._forgotten = 0

    def get(self, namespace: str, name: str) -> Record | None:
        found = self.records.get(namespace)
        return found.get(name) if found else None

    def all(self, namespace: str | None = None) -> Iterator[Record]:
        """The records, ordered by namespace and name as an API server lists them."""
        for space in sorted(self.records) if namespace is None else [namespace]:
            found = self.records.get(space, {})
            for name in sorted(found):
                yield found[name]

    def is_empty(self, namespace: str) -> bool:
        return not self.records.get(namespace)

    def put(self, change: Change, name: str) -> None:
        """Apply one change and wake the watches."""
        found = self.records.setdefault(change.namespace, {})
        if change.removed:
            del found[name]
        else:
            found[name] = change.new
        self._changes.append(change)
        # Twice the length before anything is dropped: one cheap cut for many writes.
        if len(self._changes) > 2 * self._history:
            self.forget(keep=self._history)
        for watch in tuple(self.watches):
            watch.notify()

    def forget(self, keep: int = 0) -> None:
        """Drop all but the newest ``keep`` changes; a watch that has not read them expires."""
        cut = len(self._changes) - keep
        if cut > 0:
            self._forgotten = self._changes[cut - 1].version
            self._dropped += cut
            del self._changes[:cut]

    def position(self, version: int) -> int:
        """Where the changes after ``version`` begin. Raises Expired if some of them are forgotten."""
        if version < self._forgotten:
            raise expired(f"too old resource version: {version} ({self._forgotten})")
        return self._dropped + bisect_right(self._changes, version, key=_version)

    def end(self) -> int:
        """The position behind the newest change."""
        return self._dropped + len(self._changes)

    def since(self, position: int) -> list[Change]:
        """The changes from a position on. Raises Expired if some of them are forgotten."""
        if position < self._dropped:
            raise expired("The resourceVersion for the provided watch is too old.")
        return self._changes[position - self._dropped :]


def _version(change: Change) -> int:
    return change.version
