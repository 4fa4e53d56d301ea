"""`make sim`: thousands of stories in a few processes, what was injected into them, and the first broken one in words.

python -m simulation.many --count 20000
python -m simulation.many --seed 7
"""

import argparse
import gc
import multiprocessing
import os
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from simulation.run import told
from simulation.schedule import drawn
from simulation.story import retold

FULL = 20_000
"""How many schedules `make sim` tells."""
SHARE = 2_000
"""How many of them are told by `make test`."""
FIXED = 2_000
"""The first seeds are always the same; the others follow from the commit."""
CHUNK = 100
CLEANED_EVERY = 50


@dataclass(slots=True)
class Tally:
    """What happened in many stories. ``broken`` holds seeds and their first violations; times are in seconds."""

    schedules: int = 0
    writes: int = 0
    quorum_reads: int = 0
    slowest: tuple[float, int] = (0.0, 0)
    requests: Counter[str] = field(default_factory=Counter)
    injected: Counter[str] = field(default_factory=Counter)
    events: Counter[str] = field(default_factory=Counter)
    ends: Counter[str] = field(default_factory=Counter)
    broken: list[tuple[int, str]] = field(default_factory=list)

    def add(self, other: "Tally") -> None:
        self.schedules += other.schedules
        self.writes += other.writes
        self.quorum_reads += other.quorum_reads
        self.slowest = max(self.slowest, other.slowest)
        self.requests += other.requests
        self.injected += other.injected
        self.events += other.events
        self.ends += other.ends
        self.broken += other.broken


def tally(seeds: Iterable[int]) -> Tally:
    """Tell these stories one after the other."""
    found = Tally()
    for number, seed in enumerate(seeds, start=1):
        outcome = told(drawn(seed))
        if number % CLEANED_EVERY == 0:
            gc.collect()
        found.schedules += 1
        found.writes += outcome.writes
        found.quorum_reads += outcome.quorum_reads
        found.slowest = max(found.slowest, (round(outcome.settled, 1), seed))
        found.requests += outcome.requests
        found.injected += outcome.injected
        found.events += outcome.events
        found.ends[outcome.end] += 1
        if outcome.violations:
            found.broken.append((seed, outcome.violations[0]))
    return found


def seeds(count: int, base: int) -> Iterator[int]:
    """The fixed seeds first, then those of this commit."""
    for number in range(count):
        yield number if number < FIXED else base + number


def commits_seed() -> int:
    """A number for the commit that is checked out, 0 outside of a repository."""
    found = subprocess.run(["git", "rev-parse", "HEAD"], capture_output=True, text=True, check=False)
    return int(found.stdout[:7], 16) * 1_000_000 if found.returncode == 0 else 0


def tell(count: int, base: int, processes: int) -> Tally:
    """Tell so many stories, side by side."""
    todo = list(seeds(count, base))
    chunks = [todo[start : start + CHUNK] for start in range(0, count, CHUNK)]
    found = Tally()
    with multiprocessing.get_context("spawn").Pool(processes, prepare) as pool:
        for one in pool.imap_unordered(tally, chunks):
            found.add(one)
            if sys.stderr.isatty():
                end = "\n" if found.schedules == count else ""
                print(f"\r{found.schedules} of {count}, {len(found.broken)} broken", end=end, file=sys.stderr)
    return found


def prepare() -> None:
    """Make a process one that tells stories and does nothing else."""
    # What is cut short by a crash complains when it is thrown away; that is the crash's doing, not the operator's.
    warnings.simplefilter("ignore", RuntimeWarning)
    # What a story leaves behind is collected between stories: one by one it would cost a tenth of the time.
    gc.disable()
    gc.freeze()


@contextmanager
def kept_quiet() -> Iterator[None]:
    """Tell stories in a process that does other things as well."""
    was_enabled = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        gc.collect()
        if was_enabled:
            gc.enable()


def report(found: Tally, seconds: float) -> str:
    """The figures, for people."""
    lines = [
        f"{found.schedules} schedules in {seconds:.0f} s ({seconds / max(found.schedules, 1) * 1000:.1f} ms each)",
        f"faults injected  {sum(found.injected.values())}: {_counts(found.injected)}",
        f"world events     {sum(found.events.values())}: {_counts(found.events)}",
        f"writes           {found.writes}",
        f"quorum reads     {found.quorum_reads}",
        f"requests         {_counts(found.requests)}",
        f"ends             {_counts(found.ends)}",
        f"slowest to settle {found.slowest[0]:.0f} virtual s after the last fault (seed {found.slowest[1]})",
        f"violations       {len(found.broken)}",
    ]
    lines += [f"  seed {seed}: {violation}" for seed, violation in sorted(found.broken)[:10]]
    return "\n".join(lines)


def _counts(counter: Counter[str]) -> str:
    return ", ".join(f"{kind} {count}" for kind, count in counter.most_common())


def main() -> int:
    parser = argparse.ArgumentParser(prog="make sim")
    parser.add_argument("--count", type=int, default=FULL)
    parser.add_argument("--base", type=int, help="first seed after the fixed ones; default: from the commit")
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    parser.add_argument("--seed", type=int, help="tell one story and what happened in it")
    options = parser.parse_args()
    prepare()
    if options.seed is not None:
        outcome = told(drawn(options.seed))
        print(retold(drawn(options.seed), shrink=bool(outcome.violations)))
        return 1 if outcome.violations else 0
    base = commits_seed() if options.base is None else options.base
    began = time.monotonic()
    found = tell(options.count, base, options.processes)
    print(f"seeds 0-{min(FIXED, options.count) - 1}, and from {base}")
    print(report(found, time.monotonic() - began))
    if found.broken:
        seed = min(found.broken)[0]
        print(f"\nThe first of them, as short as it gets (again with `make sim SEED={seed}`):\n")
        print(retold(drawn(seed), shrink=True))
    return 1 if found.broken else 0


if __name__ == "__main__":
    raise SystemExit(main())
