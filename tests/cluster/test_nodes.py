"""Which nodes are not well, and who is told."""

from datetime import timedelta
from typing import Any

from support.builders import NOON
from support.reflected import reflect
from trainingjob_operator.cluster.nodes import NodeCache
from trainingjob_operator.core.observed import NodeTrouble

LOST = "2026-01-01T11:59:00Z"


class Seen:
    """A cache of nodes and the names that it woke."""

    def __init__(self) -> None:
        self.now = NOON
        self.woken: list[str] = []
        self.cache = NodeCache(self.woken.append, lambda: self.now)


def node(name: str, ready: str = "True") -> dict[str, Any]:
    condition = {"type": "Ready", "status": ready, "lastTransitionTime": LOST}
    return {
        "metadata": {"name": name, "uid": f"uid of {name}", "creationTimestamp": "2026-01-01T10:00:00Z"},
        "status": {"conditions": [condition]},
    }


def test_a_node_that_stops_answering_and_comes_back_wakes_twice() -> None:
    seen = Seen()
    reflect(seen.cache, [node("a")], "1")

    seen.cache.put(node("a", "Unknown"))
    trouble = seen.cache.troubles(["a"])["a"]
    seen.cache.put(node("a", "Unknown"))
    seen.cache.put(node("a"))

    assert (trouble.since.isoformat(), trouble.gone) == ("2026-01-01T11:59:00+00:00", False)
    assert (seen.woken, seen.cache.troubles(["a"])) == (["a", "a"], {})


def test_before_the_first_list_no_node_is_missed() -> None:
    assert Seen().cache.troubles(["a"]) == {}


def test_who_asked_before_the_first_list_is_told_of_nodes_that_were_lost_all_along() -> None:
    seen = Seen()
    seen.cache.troubles(["gone", "silent", "well"])

    reflect(seen.cache, [node("silent", "Unknown"), node("well"), node("nobody asked", "Unknown")], "1")
    reflect(seen.cache, [node("silent", "Unknown"), node("well"), node("nobody asked", "Unknown")], "2")

    assert seen.woken == ["gone", "silent"]


def test_a_node_that_is_gone_is_missed_from_when_that_was_seen() -> None:
    seen = Seen()
    reflect(seen.cache, [node("a"), node("b")], "1")
    seen.cache.remove(node("a"))
    reflect(seen.cache, [], "2")
    seen.now += timedelta(hours=1)

    assert seen.cache.troubles(["a", "b"]) == dict.fromkeys(["a", "b"], NodeTrouble(NOON, gone=True))
    assert seen.woken == ["a", "b"]


def test_a_node_that_never_reported_is_not_ready_since_it_was_made() -> None:
    seen = Seen()
    reflect(seen.cache, [{"metadata": node("a")["metadata"]}], "1")

    assert seen.cache.troubles(["a"])["a"].since.isoformat() == "2026-01-01T10:00:00+00:00"
