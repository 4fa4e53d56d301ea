"""A world that goes by the job's own progress: each attempt that says Running ends as the script has it.

However slow or disturbed the operator is, the same things happen to the same attempts, so that the job's end can be
told beforehand, by a model of a few lines that knows nothing of the operator.
"""

import asyncio
from dataclasses import dataclass
from typing import TYPE_CHECKING

from simulation.kubelet import FINISHED
from simulation.schedule import FATAL, UNCOUNTED, Outcome, Schedule
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import TRAININGJOBS

if TYPE_CHECKING:
    from simulation.world import World

COUNTED = frozenset({"fail", "oom"})


@dataclass(frozen=True, slots=True)
class End:
    """What must be left of a scripted job."""

    state: str
    attempt: int
    restarts: int
    counted: tuple[bool, ...]


def expected(schedule: Schedule) -> End:
    """The end of a scripted job, told from its script alone."""
    restarts, counted = 0, []
    for outcome in schedule.script or ():
        ruled = schedule.shape.rules and outcome.kind == "fail"
        counts = outcome.kind in COUNTED and not (ruled and outcome.code in (UNCOUNTED, FATAL))
        counted.append(counts)
        if ruled and outcome.code == FATAL:
            return End("Failed", len(counted), restarts, tuple(counted))
        if counts and restarts == schedule.shape.max_restarts:
            return End("Failed", len(counted), restarts, tuple(counted))
        restarts += counts
    state = "Succeeded" if schedule.finishes else "Running"
    return End(state, len(counted) + 1, restarts, (*counted, False))


class Script:
    """Watches the job's status and acts on its attempts, once on each."""

    def __init__(self, world: "World") -> None:
        self._world = world
        self._loop = asyncio.get_running_loop()
        self._acted: set[int] = set()
        self._resumed: set[int] = set()
        self._watch = world.store.watch(TRAININGJOBS)
        self._watch.notify = self._changed

    def _changed(self) -> None:
        self._loop.call_soon(self._look)

    def _look(self) -> None:
        self._watch.take()
        status = (self._world.job() or {}).get("status") or {}
        attempt = status.get("attempt", 0)
        if status.get("state") == "Running" and attempt not in self._acted:
            self._acted.add(attempt)
            self._act(attempt)
        if status.get("state") == "Suspended" and attempt not in self._resumed:
            self._resumed.add(attempt)
            self._loop.call_later(2.0, lambda: self._world.users.edit(suspend=False))

    def _act(self, attempt: int) -> None:
        script = self._world.schedule.script or ()
        if attempt <= len(script):
            outcome = script[attempt - 1]
            self._loop.call_later(outcome.after, self._strike, attempt, outcome)
        elif self._world.schedule.finishes:
            for rank in range(self._world.schedule.shape.nodes):
                name = names.pod_name("digits", attempt, rank)
                self._loop.call_later(3.0 + 0.7 * rank, self._world.kubelet.end, name, 0, FINISHED)

    def _strike(self, attempt: int, outcome: Outcome) -> None:
        self._world.happened(f"{outcome.kind} attempt {attempt} rank {outcome.rank}", outcome.kind)
        if outcome.kind == "suspend":
            self._world.users.edit(suspend=True)
        else:
            self._world.users.strike(outcome.kind, names.pod_name("digits", attempt, outcome.rank), outcome.code)
