"""What rank 0 tells of its training: a few numbers in Prometheus' text format (docs/environment.md, "Progress").

Reads one text into one frozen value and believes nothing that is not a plausible number: any script may serve this
page. Never fetches it.
"""

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

LARGEST = 2**53
_SAMPLE = re.compile(r"(?P<name>trainingjob_[a-z_]+)(?:\{(?P<labels>[^}]*)\})?[ \t]+(?P<value>\S+)")
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class Measured:
    """Training in numbers. ``batches`` counts all work that rank 0 did in this attempt, validation included."""

    step: int
    batches: int
    max_steps: int | None = None
    epoch: int | None = None
    samples_per_second: float | None = None
    steps_per_second: float | None = None
    loss: float | None = None
    checkpoint_step: int | None = None
    checkpoint_age: float | None = None


@dataclass(frozen=True, slots=True)
class Reading:
    """What is known of one attempt of one job. ``at``: when rank 0 answered last, or took a question and said nothing.

    ``measured`` is what it answered last; ``silent_since`` is there while it takes questions and does not answer, as a
    process does that hangs. (One that cannot be reached at all says nothing about its training.)
    """

    uid: str
    attempt: int
    at: datetime
    measured: Measured | None = None
    silent_since: datetime | None = None


def measured(text: str, uid: str, attempt: int) -> Measured | None:
    """The numbers of a page; None if it is not about this attempt of this job, or tells no step."""
    values: dict[str, float] = {}
    for name, labels, value in _samples(text):
        if labels.get("uid", uid) != uid or labels.get("attempt", str(attempt)) != str(attempt):
            return None
        values.setdefault(name, value)
    step = _count(values.get("step"))
    if step is None:
        return None
    batches = _count(values.get("batches"))
    return Measured(
        step=step,
        batches=step if batches is None else batches,
        max_steps=_count(values.get("max_steps")) or None,
        epoch=_count(values.get("epoch")),
        samples_per_second=_rate(values.get("samples_per_second")),
        steps_per_second=_rate(values.get("steps_per_second")),
        loss=values.get("loss"),
        checkpoint_step=_count(values.get("last_checkpoint_step")),
        checkpoint_age=_rate(values.get("last_checkpoint_age_seconds")),
    )


def _samples(text: str) -> Iterator[tuple[str, Mapping[str, str], float]]:
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is None:
            continue
        try:
            value = float(match["value"])
        except ValueError:
            continue
        yield match["name"].removeprefix("trainingjob_"), dict(_LABEL.findall(match["labels"] or "")), value


def _count(value: float | None) -> int | None:
    return int(value) if value is not None and 0 <= value <= LARGEST else None


def _rate(value: float | None) -> float | None:
    return value if value is not None and math.isfinite(value) and 0 <= value <= LARGEST else None
