"""Which nodes are not well, as far as jobs need it: NotReady since when, or gone since when.

Keeps a name and a time per node and nothing else. A node that is gone leaves no time behind, so the time at which this
process missed it first counts; it only delays, it decides nothing.
"""

from collections.abc import Callable, Collection, Iterable
from datetime import datetime
from typing import Any

from trainingjob_operator.core.observed import NodeTrouble

Object = dict[str, Any]


class NodeCache:
    """The nodes of the cluster. ``synced`` turns true with the first list; before that no node is said to be gone."""

    def __init__(self, changed: Callable[[str], None], clock: Callable[[], datetime]) -> None:
        self._not_ready_since: dict[str, datetime | None] = {}
        self._uids: dict[str, str] = {}
        self._missed_since: dict[str, datetime] = {}
        self._asked_early: set[str] = set()
        self._changed = changed
        self._clock = clock
        self.synced = False

    def troubles(self, names: Iterable[str]) -> dict[str, NodeTrouble]:
        """Those of the named nodes that are not well. Whoever asks before the first list is told when it is there."""
        if not self.synced:
            self._asked_early.update(names)
            return {}
        found = {name: self._trouble(name) for name in set(names)}
        return {name: trouble for name, trouble in found.items() if trouble is not None}

    def put(self, raw: Object) -> None:
        name, since = raw["metadata"]["name"], _not_ready_since(raw)
        known = self._not_ready_since.get(name, since)
        self._not_ready_since[name] = since
        self._uids[name] = raw["metadata"]["uid"]
        self._missed_since.pop(name, None)
        if known != since:
            self._changed(name)

    def remove(self, raw: Object) -> None:
        name = raw["metadata"]["name"]
        self._not_ready_since.pop(name, None)
        self._uids.pop(name, None)
        self._missed_since[name] = self._clock()
        self._changed(name)

    def retain(self, uids: Collection[str], _version: str) -> None:
        for name in [name for name, uid in self._uids.items() if uid not in uids]:
            self.remove({"metadata": {"name": name}})
        self.synced = True
        self._answer_early()

    def _answer_early(self) -> None:
        """Wake those who asked too early about nodes that are not well: no change would ever do it."""
        asked, self._asked_early = self._asked_early, set()
        for name in sorted(self.troubles(asked)):
            self._changed(name)

    def _trouble(self, name: str) -> NodeTrouble | None:
        if name not in self._not_ready_since:
            return NodeTrouble(self._missed_since.setdefault(name, self._clock()), gone=True)
        since = self._not_ready_since[name]
        return NodeTrouble(since) if since else None


def _not_ready_since(raw: Object) -> datetime | None:
    """When the node stopped being Ready; a node that never reported is not ready since it was created."""
    conditions = (raw.get("status") or {}).get("conditions") or []
    ready = next((c for c in conditions if c["type"] == "Ready"), None)
    if ready is None:
        return datetime.fromisoformat(raw["metadata"]["creationTimestamp"])
    if ready["status"] == "True":
        return None
    return datetime.fromisoformat(ready.get("lastTransitionTime") or raw["metadata"]["creationTimestamp"])
