"""Figures: medians, percentiles, and what a case was to reach. Pure."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from statistics import median
from typing import Any


@dataclass(frozen=True, slots=True)
class Figure:
    """One figure of a case. ``floor`` is a plain client's, ``goal`` what ``value`` is to reach, in words.

    ``ok`` is None where nothing was promised.
    """

    case: str
    name: str
    value: float
    unit: str
    floor: float | None = None
    goal: str = ""
    ok: bool | None = None
    samples: list[float] = field(default_factory=list)

    def raw(self) -> dict[str, Any]:
        return asdict(self)


def at_most(case: str, name: str, value: float, unit: str, limit: float, samples: Sequence[float] = ()) -> Figure:
    return Figure(case, name, value, unit, None, f"<= {limit:g} {unit}".strip(), value <= limit, list(samples))


def slower_by_at_most(case: str, name: str, value: float, floor: float, factor: float) -> Figure:
    """A time beside the floor's."""
    return Figure(case, name, value, "s", floor, f"<= {factor:g} x floor", value <= factor * floor)


def as_fast_as(case: str, name: str, value: float, floor: float, share: float) -> Figure:
    """A rate beside the floor's."""
    return Figure(case, name, value, "pods/s", floor, f">= {share:g} x floor", value >= share * floor)


def percentile(values: Sequence[float], percent: float) -> float:
    """The smallest value that so many percent of all do not exceed."""
    ordered = sorted(values)
    return ordered[max(math.ceil(len(ordered) * percent / 100) - 1, 0)]


def middle(values: Sequence[float]) -> float:
    return float(median(values))


def table(figures: Sequence[Figure]) -> str:
    """The figures for a terminal and for Markdown alike."""
    head = ("case", "figure", "operator", "floor", "ratio", "goal", "")
    rows = [head, tuple("-" * 3 for _ in head), *map(_row, figures)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(head))]
    return "\n".join(_line(row, widths) for row in rows)


def _line(row: Sequence[str], widths: Sequence[int]) -> str:
    return "| " + " | ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)) + " |"


def _row(figure: Figure) -> tuple[str, ...]:
    verdict = {None: "", True: "pass", False: "FAIL"}[figure.ok]
    floor = "" if figure.floor is None else _text(figure.floor)
    ratio = "" if not figure.floor else f"{figure.value / figure.floor:.2f}"
    return figure.case, figure.name, f"{_text(figure.value)} {figure.unit}".strip(), floor, ratio, figure.goal, verdict


def _text(value: float) -> str:
    return f"{value:.0f}" if value >= 100 or value == int(value) else f"{value:.3g}"
