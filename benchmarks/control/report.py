"""The figures as files: a section of RESULTS.md, the raw numbers as JSON, and a plot.

Says how they were made without naming a machine: cores, memory and versions.
"""

import json
import os
import platform
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from benchmarks.control.figures import Figure, table

FOLDER = Path(__file__).resolve().parents[1]
RESULTS = FOLDER / "RESULTS.md"
BEGIN, END = "<!-- control: written by make bench -->", "<!-- control: end -->"


def write(figures: Sequence[Figure]) -> None:
    """Renew all three."""
    (FOLDER / "control.json").write_text(
        json.dumps({"made": made(), "figures": [figure.raw() for figure in figures]}, indent=1) + "\n"
    )
    _plot(figures, FOLDER / "control.svg")
    text = RESULTS.read_text()
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    RESULTS.write_text(f"{before}{BEGIN}\n\n{_said()}\n\n{table(figures)}\n\n{END}{after}")


def made() -> dict[str, str]:
    """When and on what."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    return {
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "cores": str(os.cpu_count()),
        "memory": f"{memory:.0f} GiB",
        "python": platform.python_version(),
        "kubernetes": _kubernetes(),
    }


def _kubernetes() -> str:
    """The version that the test binaries are built from."""
    modules = (FOLDER.parent / "tests/support/kubernetes/control-plane/go.mod").read_text().split()
    return modules[modules.index("k8s.io/kubernetes") + 1]


def _said() -> str:
    how = made()
    return (
        f"Made on {how['date']}: {how['cores']} cores, {how['memory']} of memory, Python {how['python']}, "
        f"Kubernetes {how['kubernetes']}."
    )


def _plot(figures: Sequence[Figure], path: Path) -> None:
    """Each figure that has a floor, as a share of it."""
    from matplotlib.figure import Figure as Canvas

    shown = [figure for figure in figures if figure.floor]
    if not shown:
        return
    canvas = Canvas(figsize=(9, 0.45 * len(shown) + 1.2), layout="constrained")
    axes = canvas.subplots()
    rates = [figure.unit == "pods/s" for figure in shown]
    axes.barh(
        [f"{figure.case}: {figure.name}" for figure in shown],
        [figure.value / (figure.floor or 1) for figure in shown],
        color=["#3b75af" if rate else "#c47f2c" for rate in rates],
    )
    axes.axvline(1, color="black", linewidth=1)
    axes.set_xlabel("operator / plain client (blue: rates, more is better; orange: times, less is better)")
    axes.invert_yaxis()
    canvas.savefig(path)
