"""`make bench`: measures the operator on a real API server, each figure beside what a plain client reaches.

    python -m benchmarks.control [--case NAME]... [--quick] [--write]

Prints a table with what was promised; the exit code is 1 if a promise is not kept. ``--write`` renews the section of
RESULTS.md, the raw numbers and the plot.
"""

import asyncio
import sys
import tempfile
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path

import click
from benchmarks.control import bursts, costs, life, takeover
from benchmarks.control.figures import Figure, table
from benchmarks.control.report import write
from benchmarks.control.world import World, world

Case = Callable[..., Awaitable[list[Figure]]]
FAST: dict[str, Case] = {
    "single": bursts.single,
    "burst": bursts.bursts,
    "steady": life.steady,
    "gang": life.gang,
    "fairness": life.fairness,
    "takeover": takeover.takeover,
}
# Counted by the audit log, which costs an API server time.
AUDITED: dict[str, Case] = {"requests": costs.per_job, "present": costs.present}


@click.command()
@click.option("--case", "cases", multiple=True, type=click.Choice([*FAST, *AUDITED]), help="Only these. Default: all.")
@click.option("--quick", is_flag=True, help="Small numbers: does it work at all?")
@click.option("--write", "writes", is_flag=True, help="Renew benchmarks/RESULTS.md.")
def main(cases: Sequence[str], quick: bool, writes: bool) -> None:
    """Measure the operator on a real API server."""
    figures = asyncio.run(measured(cases or [*FAST, *AUDITED], quick=quick))
    print(table(figures))
    if writes:
        write(figures)
    sys.exit(any(figure.ok is False for figure in figures))


async def measured(cases: Sequence[str], *, quick: bool) -> list[Figure]:
    """All figures of some cases, each group in a cluster of its own."""
    found: list[Figure] = []
    for known, audited in ((FAST, False), (AUDITED, True)):
        wanted = [name for name in known if name in cases]
        if not wanted:
            continue
        with tempfile.TemporaryDirectory(prefix="trainingjob-bench-") as folder:
            async with world(Path(folder), audited=audited) as on:
                found += [figure for name in wanted for figure in await _case(on, name, known[name], quick=quick)]
    return found


async def _case(on: World, name: str, case: Case, *, quick: bool) -> list[Figure]:
    print(f"{name} ...", file=sys.stderr, flush=True)
    return await case(on, quick=quick)


if __name__ == "__main__":
    main()
