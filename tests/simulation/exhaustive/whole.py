"""`make sim-exhaustive`: every world that is small enough to be looked at as a whole, and what was found in each.

python -m simulation.exhaustive.whole
python -m simulation.exhaustive.whole --mutant believes-the-cache
"""

import argparse
import logging
import sys
import time
from collections.abc import Iterator
from contextlib import nullcontext

from simulation.exhaustive.mutants import MUTANTS, mutated
from simulation.exhaustive.search import Found, Progress, Search
from simulation.exhaustive.world import Shape

WORLDS = {
    "one fault": Shape("Parallel", faults=1),
    "rank 0 first, one fault": Shape("MainNodeFirst", faults=1),
    "every event by itself": Shape("Parallel", faults=0, each_event=True, slow_stops=True),
    "pods that stop slowly, one fault": Shape("Parallel", faults=1, slow_stops=True),
    "two faults": Shape("Parallel", faults=2),
}


def report(name: str, found: Found, seconds: float) -> Iterator[str]:
    """The figures of one world, and the story of its first violation."""
    what = "whole" if found.complete else "in part"
    yield (
        f"{name}: {found.states:,} states ({what}), {found.transitions:,} transitions, depth {found.depth}, "
        f"{len(found.violations)} violations, {seconds:.0f} s"
    )
    yield f"  the operator has {found.operator_states:,} states there, learned in {found.operator_runs:,} runs"
    yield from (f"  {number:3}. {step}" for number, step in enumerate(found.trace, 1))


def _progress(began: float) -> Progress:
    def show(states: int, left: int, depth: int) -> None:
        if sys.stderr.isatty():
            passed = time.monotonic() - began
            print(
                f"\r{passed:6.0f} s  depth {depth}  states {states:,}  at this depth {left:,}   ",
                end="",
                file=sys.stderr,
            )

    return show


def explore(name: str, shape: Shape) -> bool:
    """Look at one world; whether nothing is wrong in it."""
    began = time.monotonic()
    found = Search(shape).run(_progress(began))
    if sys.stderr.isatty():
        print("\r" + " " * 80 + "\r", end="", file=sys.stderr)
    print(*report(name, found, time.monotonic() - began), sep="\n", flush=True)
    return not found.violations


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sim-exhaustive")
    parser.add_argument("--mutant", choices=sorted(MUTANTS), help="leave out one rule of the protocol")
    parser.add_argument("--world", choices=sorted(WORLDS), help="this world only")
    options = parser.parse_args()
    logging.disable(logging.ERROR)
    worlds = {options.world: WORLDS[options.world]} if options.world else WORLDS
    with mutated(options.mutant) if options.mutant else nullcontext():
        for name, shape in worlds.items():
            if not explore(name, shape):
                return 1
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
