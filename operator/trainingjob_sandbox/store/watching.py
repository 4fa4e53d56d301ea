"""One watch: what a stream of changes looks like through a namespace and selectors.

Decides how each change reads to this watcher: an object that comes to match is ADDED, one that stops matching is
DELETED. It is pulled, never pushed: ``notify`` only says that there is something to take.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from trainingjob_sandbox.store.record import Change, Record
from trainingjob_sandbox.store.selectors import Matcher
from trainingjob_sandbox.store.table import Table

EventType: TypeAlias = Literal["ADDED", "MODIFIED", "DELETED"]


@dataclass(frozen=True, slots=True)
class Seen:
    """One event for one watcher. The record is shared by all watchers."""

    type: EventType
    record: Record


def nobody() -> None:
    """Nobody waits for this watch."""


class Watch:
    """A position in a table's history. ``notify`` is called after every write to the table; set it, then take."""

    def __init__(self, table: Table, position: int, namespace: str | None, matches: Matcher) -> None:
        self.notify: Callable[[], None] = nobody
        self._table = table
        self._position = position
        self._namespace = namespace
        self._matches = matches
        self._first: list[Seen] = []
        table.watches[self] = None

    def begin_with(self, records: list[Record]) -> None:
        """Give these as ADDED before any change."""
        self._first = [Seen("ADDED", record) for record in records]

    def take(self) -> list[Seen]:
        """What happened since the last call. Raises Expired if the history it needs is gone."""
        first, self._first = self._first, []
        if self._position == self._table.end():
            return first
        changes = self._table.since(self._position)
        self._position += len(changes)
        return first + [seen for change in changes if (seen := self._see(change))]

    def close(self) -> None:
        self._table.watches.pop(self, None)

    def _see(self, change: Change) -> Seen | None:
        if self._namespace is not None and change.namespace != self._namespace:
            return None
        before = change.old is not None and self._matches(change.old.object)
        after = not change.removed and self._matches(change.new.object)
        if after:
            return Seen("MODIFIED" if before else "ADDED", change.new)
        return Seen("DELETED", change.new if change.removed else _last_seen(change)) if before else None


def _last_seen(change: Change) -> Record:
    """The object as this watcher knew it, at the version at which it stopped matching."""
    assert change.old is not None
    old = change.old.object
    return Record(old | {"metadata": old["metadata"] | {"resourceVersion": str(change.version)}}, change.version)
