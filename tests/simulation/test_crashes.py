"""The operator dies before and after every write of every scenario, once and twice in a row: nothing comes of it.

Each of some two thousand lives must end like the undisturbed one, and every oracle of the random stories watches.
"""

import re
from typing import Any

import pytest

from simulation.kubelet import has_stopped, owner_of
from simulation.played import played
from simulation.scenarios import SCENARIOS
from simulation.scene import Deaths, Scene
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import CONFIGMAPS, NETWORKPOLICIES, SERVICES

HOWS = ("crash before", "crash after")
# When something happened, which UIDs a gang has, and where a pod was placed differ with the delay of a death.
UNLIKE = frozenset({"gang", "startTime", "completionTime", "endTime", "lastTransitionTime", "node"})
UNLIKE_WORDS = re.compile(r"\d\d:\d\d:\d\d|node-\d")


def test_the_comparison_sees_what_matters() -> None:
    """Two different lives differ, and a life equals itself."""
    assert _left(played(SCENARIOS["evicted"])) == _left(played(SCENARIOS["evicted"]))
    assert _left(played(SCENARIOS["evicted"])) != _left(played(SCENARIOS["rule-restart-uncounted"]))


@pytest.mark.parametrize("name", SCENARIOS)
def test_a_death_before_or_after_any_write_changes_nothing_in_the_end(name: str) -> None:
    undisturbed = played(SCENARIOS[name])
    expected, writes = _left(undisturbed), undisturbed.deaths.written
    assert writes >= 5

    for deaths in _deaths(writes, SCENARIOS[name].deaths):
        scene = played(SCENARIOS[name], Deaths(dict(deaths)))

        found = _left(scene)
        assert (found, scene.oracle.violations) == (expected, []), _story(scene, deaths)


def _deaths(writes: int, own: Any) -> list[dict[int, str]]:
    """One death at each write, and one more at the first write of the life after it."""
    single = [{**own, number: how} for number in range(1, writes + 1) for how in HOWS]
    double = [{**own, number: how, number + 1: "crash after"} for number in range(1, writes + 1) for how in HOWS]
    return single + double


def _left(scene: Scene) -> dict[str, Any]:
    """What is left of a life: the status without its times, pods, children."""
    kinds = (SERVICES, NETWORKPOLICIES, CONFIGMAPS)
    return {
        "status": _timeless(scene.status),
        "pods": {pod["metadata"]["name"]: _pod(pod) for pod in scene.kubelet.pods()},
        "children": {kind.kind: scene.names_of(kind) for kind in kinds},
        "job": scene.job() is not None,
    }


def _pod(pod: dict[str, Any]) -> tuple[bool, str, bool]:
    return has_stopped(pod), pod["metadata"]["labels"][names.LABEL_ATTEMPT], bool(owner_of(pod))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _timeless(one) for key, one in value.items() if key not in UNLIKE}
    if isinstance(value, list):
        return [_timeless(one) for one in value]
    return UNLIKE_WORDS.sub("-", value) if isinstance(value, str) else value


def _story(scene: Scene, deaths: dict[int, str]) -> str:
    where = ", ".join(f"{how.removeprefix('crash ')} write {number}" for number, how in sorted(deaths.items()))
    return "\n".join([f"the operator died {where}; the life then:", *scene.log])
