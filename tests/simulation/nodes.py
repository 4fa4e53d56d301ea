"""The machines: which of them are there, out of reach for a while, or gone for good. Decides nothing about pods."""

import asyncio
import math
from collections.abc import Callable
from typing import Any

from trainingjob_operator.api.resources import NODES
from trainingjob_operator.cluster.api import MERGE_PATCH
from trainingjob_sandbox.store import Store

Object = dict[str, Any]
COUNT = 6


class Nodes:
    """``lost_since`` has the virtual second at which a node stopped answering; the node of a healed one is absent.
    ``healed`` has that second and the one at which it answered again.

    ``changed`` hears of every node that is silenced or heals, with the Ready condition that its pods get by it.
    """

    def __init__(self, store: Store, now: Callable[[], str]) -> None:
        self.lost_since: dict[str, float] = {}
        self.healed: dict[str, tuple[float, float]] = {}
        self._dead: set[str] = set()
        self.changed: Callable[[str, str], None] = _unheard
        self._store = store
        self._now = now
        self._loop = asyncio.get_running_loop()
        for number in range(COUNT):
            body = {"metadata": {"name": f"node-{number}"}, "status": self._status("True")}
            self._store.create(NODES, None, body)

    def up(self) -> list[str]:
        """The names of the nodes on which pods can start."""
        return [name for name in (f"node-{number}" for number in range(COUNT)) if name not in self.lost_since]

    def silence(self, name: str, seconds: float) -> None:
        """A node is out of reach for so long, or for ever; what runs on it runs on, but nobody hears of it."""
        if name in self.lost_since or len(self.up()) < 2:
            return
        self.lost_since[name] = self._loop.time()
        self._report(name, "Unknown")
        self.changed(name, "False")
        if seconds < math.inf:
            self._loop.call_later(seconds, self.heal, name)
        else:
            self._dead.add(name)

    def remove(self, name: str) -> None:
        """A node is gone for good."""
        if len(self.up()) < 2 or not self._store.exists(NODES, None, name):
            return
        self.lost_since.setdefault(name, self._loop.time())
        self._store.delete(NODES, None, name)

    def heal(self, name: str) -> None:
        """The node answers again, unless it is gone or dead."""
        if name in self.lost_since and name not in self._dead and self._store.exists(NODES, None, name):
            self.healed[name] = self.lost_since.pop(name), self._loop.time()
            self._report(name, "True")
            self.changed(name, "True")

    def heal_all(self) -> None:
        for name in list(self.lost_since):
            self.heal(name)

    def _report(self, name: str, ready: str) -> None:
        patch = {"status": self._status(ready)}
        self._store.patch(NODES, None, name, patch, content_type=MERGE_PATCH, subresource="status")

    def _status(self, ready: str) -> Object:
        return {"conditions": [{"type": "Ready", "status": ready, "lastTransitionTime": self._now()}]}


def _unheard(_node: str, _ready: str) -> None:
    """Nobody listens yet."""
