"""Tells one story: carries out a schedule in virtual time, waits until all has settled, and asks the oracles."""

import asyncio
import logging
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from simulation.ending import check_script, check_settled
from simulation.kubelet import FINISHED, has_stopped, owner_of
from simulation.schedule import Schedule
from simulation.twin import difference, has_twin, remains, undisturbed
from simulation.world import World
from support.virtual_time import LivelockError, run_virtually
from trainingjob_operator.api.status import State

Object = dict[str, Any]
SETTLE, IDLE = 2400.0, 600.0
"""Virtual seconds: for the longest back-off after the largest clock jump, and for seeing that nothing happens."""


@dataclass(slots=True)
class Outcome:
    """What became of one schedule; ``settled`` is how long the last write came after the last fault, in seconds."""

    seed: int
    violations: list[str]
    log: list[str] = field(default_factory=list)
    writes: int = 0
    quorum_reads: int = 0
    requests: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    settled: float = 0.0
    end: str = "endless"
    remains: Object = field(default_factory=dict)


class Surprises(logging.Handler):
    """Errors that the operator logs: there must be none."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.seen: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        error = record.exc_info[1] if record.exc_info else None
        self.seen.append(f"{record.getMessage()} {error!r}")


def told(schedule: Schedule) -> Outcome:
    """Carry out one schedule, and its twin if it is one of those that are compared with theirs."""
    outcome = _told(schedule)
    if has_twin(schedule) and not outcome.violations:
        twin = _told(undisturbed(schedule))
        if found := difference(schedule, outcome.remains, twin.remains):
            outcome.violations.append(f"T: it ended otherwise than undisturbed; {found}")
        outcome.events["compared with its twin"] += 1
    return outcome


def _told(schedule: Schedule) -> Outcome:
    random.seed(schedule.seed)
    logger = logging.getLogger("trainingjob_operator")
    surprises = Surprises()
    logger.addHandler(surprises)
    propagates, logger.propagate, level = logger.propagate, False, logger.level
    logger.setLevel(logging.ERROR)
    try:
        return run_virtually(_lived(schedule, surprises))
    except LivelockError as error:
        return Outcome(schedule.seed, [f"L4: the operator turns in circles: {error}"])
    finally:
        logger.removeHandler(surprises)
        logger.propagate = propagates
        logger.setLevel(level)


async def _lived(schedule: Schedule, surprises: Surprises) -> Outcome:
    world = World(schedule)
    asyncio.get_running_loop().set_exception_handler(lambda _, context: surprises.seen.append(str(context)))
    world.begin()
    await asyncio.sleep(schedule.calm)
    world.calm()
    await asyncio.sleep(SETTLE)
    settled = max(0.0, world.last_write - schedule.calm)
    await _check_idle(world)
    if schedule.script is None:
        check_settled(world)
        if schedule.finishes:
            await _finish(world)
    else:
        check_script(world)
    for surprise in surprises.seen:
        world.oracle.broken("X", surprise)
    return Outcome(
        schedule.seed,
        world.oracle.violations,
        world.log,
        world.writes,
        world.quorum_reads,
        world.request_faults.counts,
        world.request_faults.injected,
        world.events,
        settled,
        ((world.job() or {}).get("status") or {}).get("state", "deleted"),
        remains(world) if schedule.script is not None else {},
    )


async def _check_idle(world: World) -> None:
    before = world.writes
    await asyncio.sleep(IDLE)
    if world.writes != before:
        world.oracle.broken("L3", f"{world.writes - before} writes of a settled job")


async def _finish(world: World) -> None:
    """The training ends well; so must the job."""
    status = (world.job() or {}).get("status") or {}
    if status.get("state") != State.RUNNING:
        return
    for pod in world.kubelet.pods():
        if owner_of(pod) and not has_stopped(pod):
            world.kubelet.end(pod["metadata"]["name"], 0, FINISHED)
    await asyncio.sleep(60)
    job = world.job()
    state = ((job or {}).get("status") or {}).get("state")
    if state != State.SUCCEEDED and (job or not world.schedule.shape.time_to_live):
        world.oracle.broken("L1", f"every rank exited with 0, and the job is {state}")
