"""The page on which rank 0 tells how far training is: Prometheus' text format, one number per line.

Pure text. The operator reads it into status.progress; any Prometheus can.
Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Numbers:
    """Training at one moment; None is not told. ``saved_at`` is in seconds of the monotonic clock."""

    step: int = 0
    batches: int = 0
    epoch: int | None = None
    max_steps: int | None = None
    samples_per_second: float | None = None
    steps_per_second: float | None = None
    loss: float | None = None
    saved_step: int | None = None
    saved_at: float | None = None


def page(numbers: Numbers, labels: Mapping[str, str], now: float) -> str:
    """The whole page at a moment of the monotonic clock."""
    marks = ",".join(f'{name}="{_escaped(value)}"' for name, value in labels.items())
    return "".join(
        f"# HELP trainingjob_{name} {meaning}\n"
        f"# TYPE trainingjob_{name} gauge\n"
        f"trainingjob_{name}{{{marks}}} {value!r}\n"
        for name, meaning, value in _lines(numbers, now)
        if value is not None
    )


def labels_of(env: Mapping[str, str]) -> dict[str, str]:
    """Whose training it is: a reader that got the wrong address, or an old one, can tell."""
    known = {"namespace": "NAMESPACE", "job": "NAME", "uid": "UID", "attempt": "ATTEMPT"}
    return {label: env.get(f"TRAININGJOB_{name}", "") for label, name in known.items()}


def _lines(numbers: Numbers, now: float) -> Iterator[tuple[str, str, float | None]]:
    yield "step", "Optimizer steps done.", numbers.step
    yield "max_steps", "Optimizer steps of the whole run.", numbers.max_steps
    yield "epoch", "Epochs done.", numbers.epoch
    yield "batches", "Batches of training and validation that this process has done.", numbers.batches
    yield "samples_per_second", "Training samples per second, of all processes.", numbers.samples_per_second
    yield "steps_per_second", "Optimizer steps per second.", numbers.steps_per_second
    yield "loss", "Training loss of one recent batch of this process.", numbers.loss
    yield "last_checkpoint_step", "Step of the newest checkpoint that is written.", numbers.saved_step
    age = None if numbers.saved_at is None else round(now - numbers.saved_at, 3)
    yield "last_checkpoint_age_seconds", "Seconds since that step.", age


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
