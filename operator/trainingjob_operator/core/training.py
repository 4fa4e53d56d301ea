"""How far training is, as the status shows it: which reading is news, the share that is done, the time that is left.

Pure. A status is changed only by a reading in which something moved, so that a gang that stands still, or tells
nothing, costs no writes; how often a change is written is core/status.py's.
"""

from datetime import datetime, timedelta

from trainingjob_operator.api.status import Progress, State, TrainingJobStatus
from trainingjob_operator.core.observed import Observed
from trainingjob_operator.core.readings import Measured, Reading

WRITE_EVERY = timedelta(seconds=30)
_ENDED = frozenset({State.RESTARTING, State.SUSPENDED, State.FAILED})


def progress(memory: TrainingJobStatus, state: State, observed: Observed) -> Progress | None:
    """The progress to show in this state; the known one, the very same, where nothing moved."""
    known = memory.progress
    if state == State.SUCCEEDED:
        return known and _with(known, done="100%", eta=None)
    if state in _ENDED:
        return known and _with(known, eta=None)
    reading = of_attempt(memory, observed)
    if reading is None or reading.measured is None or not moved(known, reading):
        return known
    return _told(known, reading, reading.measured, observed.now)


def of_attempt(memory: TrainingJobStatus, observed: Observed) -> Reading | None:
    """What was read of the current attempt, if anything was."""
    found = observed.reading
    return found if found and (found.uid, found.attempt) == (observed.job.uid, memory.attempt) else None


def moved(known: Progress | None, reading: Reading) -> bool:
    """Whether a reading tells of work that the status does not know of."""
    new = reading.measured
    if new is None:
        return False
    if known is None or known.attempt != reading.attempt:
        return True
    before = (known.step, known.batches, known.max_steps, known.last_checkpoint_step)
    return before != (new.step, new.batches, new.max_steps, new.checkpoint_step)


def write_due(old: Progress | None, new: Progress | None) -> datetime | None:
    """When a changed progress is to be written: the first of an attempt at once; None if it has not changed."""
    if old == new or new is None:
        return None
    return new.time if old is None or old.attempt != new.attempt else old.time + WRITE_EVERY


def share(step: int, max_steps: int | None) -> str:
    """`24%`, rounded down: 100% is kept for a job that has succeeded. `1200/?` if the end is not known."""
    return f"{min(99, 100 * step // max_steps)}%" if max_steps else f"{step}/?"


def time_left(step: int, max_steps: int | None, steps_per_second: float | None) -> str | None:
    """Two figures at the most: `45s`, `12m`, `2h5m`, `3d4h`; None if it cannot be told."""
    if not max_steps or not steps_per_second:
        return None
    seconds = int(max(0, max_steps - step) / steps_per_second)
    minutes, hours, days = seconds // 60, seconds // 3600, seconds // 86400
    if days > 9999:
        return None
    if days:
        return f"{days}d{hours % 24}h"
    if hours:
        return f"{hours}h{minutes % 60}m"
    return f"{minutes}m" if minutes else f"{seconds}s"


def _told(known: Progress | None, reading: Reading, new: Measured, now: datetime) -> Progress:
    return Progress(
        attempt=reading.attempt,
        step=new.step,
        max_steps=new.max_steps,
        epoch=new.epoch,
        batches=new.batches,
        samples_per_second=None if new.samples_per_second is None else f"{new.samples_per_second:.4g}",
        loss=None if new.loss is None else f"{new.loss:.4g}",
        last_checkpoint_step=new.checkpoint_step,
        last_checkpoint_time=_checkpoint_time(known, reading, new),
        time=now,
        done=share(new.step, new.max_steps),
        eta=time_left(new.step, new.max_steps, new.steps_per_second),
    )


def _checkpoint_time(known: Progress | None, reading: Reading, new: Measured) -> datetime | None:
    """An age is told, so the time would differ a little with every reading: the first one stays."""
    if known and (known.attempt, known.last_checkpoint_step) == (reading.attempt, new.checkpoint_step):
        return known.last_checkpoint_time
    if new.checkpoint_step is None or new.checkpoint_age is None:
        return None
    return reading.at - timedelta(seconds=min(new.checkpoint_age, 1e9))


def _with(known: Progress, **changes: str | None) -> Progress:
    """The same value if nothing changes, so that comparing costs nothing."""
    return (
        known
        if all(getattr(known, name) == value for name, value in changes.items())
        else known.model_copy(update=changes)
    )
