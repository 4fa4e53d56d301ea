"""`trainingjob plot`: loss and speed of a job, over all its attempts, as one picture.

Reads the metrics.csv that the built-in trainer leaves per attempt (OUTPUT/logs/JOB-ATTEMPT/). Where a later attempt
repeats steps of an earlier one, the later one counts: it is what the model has learned from. Draws with matplotlib,
which is imported only here and only then.
"""

import csv
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

LOGS, METRICS = "logs", "metrics.csv"
SPEED = "samples_per_second"
# Beside the rank's own loss at a step, everything that models call a loss.
_LOSS = "loss"
# What csv calls the cells of a row that has more of them than there are columns.
_BEYOND = "beyond the last column"

Points = list[tuple[int, float]]
Rows = Sequence[Mapping[str, str]]


class PlotError(Exception):
    """There is nothing to draw, or nothing to draw with; the message is for the user."""


@dataclass(frozen=True, slots=True)
class Curves:
    """Points (step, value) by metric, and the steps at which an attempt after the first began."""

    points: dict[str, Points] = field(default_factory=dict)
    restarts: list[int] = field(default_factory=list)


def find_attempts(folder: Path) -> list[Path]:
    """The metrics files of the newest job below an output folder, by attempt. Raises PlotError."""
    logs = folder / LOGS if (folder / LOGS).is_dir() else folder
    found = [path for path in logs.glob(f"*-*/{METRICS}") if path.parent.name.rpartition("-")[2].isdigit()]
    if not found:
        raise PlotError(f"no {LOGS}/JOB-ATTEMPT/{METRICS} below {folder}: name the folder that was the job's output")
    newest = _job(max(found, key=lambda path: path.stat().st_mtime))
    return sorted((path for path in found if _job(path) == newest), key=_attempt)


def read(path: Path) -> Rows:
    """The rows of a metrics file; one that was cut off within its last line is read up to there."""
    with path.open(newline="", errors="replace") as file:
        try:
            rows = list(csv.DictReader(file, restkey=_BEYOND))
        except csv.Error as error:
            raise PlotError(f"{path} cannot be read ({error}): name another job's output, or remove it") from error
    return [{name: text for name, text in row.items() if name != _BEYOND} for row in rows]


def merge(attempts: Iterable[Rows]) -> Curves:
    """The curves of a job, from the rows of its attempts in their order."""
    curves = Curves()
    for number, rows in enumerate(attempts):
        steps = [int(row["step"]) for row in rows if (row.get("step") or "").isdigit()]
        if not steps:
            continue
        if number:
            curves.restarts.append(min(steps))
        for points in curves.points.values():
            points[:] = [point for point in points if point[0] < min(steps)]
        _add(curves, rows)
    return curves


def draw(curves: Curves, title: str, path: Path) -> None:
    """Write a PNG with losses above and speed below. Raises PlotError."""
    losses = {name: points for name, points in sorted(curves.points.items()) if name.endswith(_LOSS)}
    if not losses and SPEED not in curves.points:
        raise PlotError(f"{title}: neither a loss nor {SPEED} was logged; is the run younger than log_every_n_steps?")
    figure, (above, below) = _panels()
    for name, points in losses.items():
        above.plot(*zip(*points, strict=True), label=name, marker="." if len(points) < 50 else None)
    for step in curves.restarts:
        for panel in (above, below):
            panel.axvline(step, linestyle=":", color="grey")
    below.plot(*zip(*curves.points.get(SPEED, [(0, 0.0)]), strict=True), color="tab:green")
    above.set(title=title, ylabel="loss")
    below.set(ylabel="samples/s", xlabel="step (dotted: a restart)" if curves.restarts else "step", ylim=(0, None))
    if losses:
        above.legend()
    try:
        figure.savefig(path, format="png", dpi=120)
    except OSError as error:
        raise PlotError(f"{path} cannot be written ({error.strerror}): name another file with --output") from error


def _panels() -> Any:
    try:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure
    except ImportError as error:
        raise PlotError("matplotlib is not installed: pip install matplotlib") from error
    figure = Figure(figsize=(9, 7), layout="constrained")
    FigureCanvasAgg(figure)  # no display, whatever the settings say
    return figure, figure.subplots(2, 1, sharex=True, height_ratios=(2, 1))


def _add(curves: Curves, rows: Rows) -> None:
    for row in rows:
        for name, text in row.items():
            value = _number(text)
            if name not in ("step", "epoch") and value is not None and (row.get("step") or "").isdigit():
                curves.points.setdefault(name, []).append((int(row["step"]), value))


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text else None
    except ValueError:
        return None


def _job(path: Path) -> str:
    return path.parent.name.rpartition("-")[0]


def _attempt(path: Path) -> int:
    return int(path.parent.name.rpartition("-")[2])
