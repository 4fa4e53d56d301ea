"""A schedule in words, and the shortest schedule that still breaks the same rule."""

from collections.abc import Iterator
from dataclasses import fields, replace

import orjson

from simulation.run import Outcome, told
from simulation.schedule import Outcome as Ending
from simulation.schedule import RequestFault, Schedule, Shape, Timed


def retold(schedule: Schedule, *, shrink: bool) -> str:
    """What a schedule is made of, what happened, and the schedule as data for seeds.txt."""
    if shrink:
        schedule = shrunk(schedule)
    outcome = told(schedule)
    lines = [f"seed {schedule.seed}: {schedule.shape}, {schedule.operators} operator(s)"]
    lines += [
        f"  {field.name}: {getattr(schedule, field.name)}"
        for field in fields(schedule)
        if field.name not in ("seed", "shape", "operators")
    ]
    return "\n".join([*lines, "", *outcome.log, "", *outcome.violations, "", written(schedule)])


def shrunk(schedule: Schedule) -> Schedule:
    """The same story without everything that its violation does not need."""
    rule = _rule(told(schedule))
    found = schedule
    while (smaller := next((s for s in _smaller(found) if _rule(told(s)) == rule), None)) is not None:
        found = smaller
    return found


def _rule(outcome: Outcome) -> str:
    return outcome.violations[0].split(":")[0] if outcome.violations else ""


def _smaller(schedule: Schedule) -> Iterator[Schedule]:
    """Schedules with one thing less."""
    for name in ("request_faults", "faults", "events", "script"):
        items = getattr(schedule, name) or ()
        for number in range(len(items)):
            yield replace(schedule, **{name: items[:number] + items[number + 1 :]})
    if schedule.operators > 1:
        yield replace(schedule, operators=1)
    for name in ("latency", "lag_of_pods", "lag_of_jobs"):
        if getattr(schedule, name):
            yield replace(schedule, **{name: 0.0})
    if schedule.finishes:
        yield replace(schedule, finishes=False)


def written(schedule: Schedule) -> str:
    """The schedule as one line of JSON."""
    return orjson.dumps(schedule).decode()


def read(line: str) -> Schedule:
    """The schedule of one line of JSON."""
    raw = orjson.loads(line)
    return Schedule(
        **raw
        | {
            "shape": Shape(**raw["shape"]),
            "request_faults": tuple(RequestFault(**fault) for fault in raw["request_faults"]),
            "faults": tuple(Timed(**fault) for fault in raw["faults"]),
            "events": tuple(Timed(**event) for event in raw["events"]),
            "script": None if raw["script"] is None else tuple(Ending(**ending) for ending in raw["script"]),
        }
    )
