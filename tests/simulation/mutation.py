"""`make mutants`: breaks the operator's protocol on purpose, rule by rule, and has the simulation find each break.

A mutant is a line or two of the operator that say something else (mutants/mutants.toml). It is planted in a copy of the
operator that a process of its own imports; the working tree is never touched. Which story kills it is recorded in
mutants/killed.txt.

python -m simulation.mutation
python -m simulation.mutation --only no-back-off
"""

import argparse
import importlib
import multiprocessing
import os
import shutil
import sys
import tempfile
import tomllib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from multiprocessing.process import BaseProcess
from pathlib import Path

FOLDER = Path(__file__).parent / "mutants"
OPERATOR = Path(__file__).parents[2] / "operator" / "trainingjob_operator"
RECORD = FOLDER / "killed.txt"
BOUND = 2_000
"""A mutant that lives through so many stories has survived."""
HEAD = """\
# Which story kills which mutant, and by which rule of tests/simulation/oracles.py. Written by `make mutants`.
"""
# What every process needs, and what no mutant changes: imported once, before the processes part.
COMMON = ("aiohttp", "cel", "kopf", "kubernetes", "orjson", "pydantic", "yaml")


class StaleMutantError(ValueError):
    """The code that a mutant changes is not there any more, or is there more than once."""


@dataclass(frozen=True, slots=True)
class Mutant:
    """``old`` stands once in ``file`` (below operator/trainingjob_operator); ``new`` takes its place."""

    name: str
    rule: int
    breaks: str
    file: str
    old: str
    new: str

    def applied_to(self, text: str) -> str:
        """The broken code. Raises StaleMutantError."""
        if (found := text.count(self.old)) != 1:
            where = f"{self.file} holds its code {found} times"
            raise StaleMutantError(f"mutant {self.name}: {where}; bring mutants.toml up to date with the operator")
        return text.replace(self.old, self.new)

    def plant(self, folder: Path) -> None:
        """Put a broken copy of the operator into a folder. Raises StaleMutantError."""
        copy = folder / OPERATOR.name
        shutil.copytree(OPERATOR, copy)
        path = copy / self.file
        path.write_text(self.applied_to(path.read_text()))


@dataclass(frozen=True, slots=True)
class Killed:
    """The story that noticed a mutant, and what it said; ``tried`` is how many stories that took."""

    seed: int
    violation: str
    tried: int = 1


def mutants() -> list[Mutant]:
    """All of them, in the file's order."""
    return [Mutant(**entry) for entry in tomllib.loads((FOLDER / "mutants.toml").read_text())["mutant"]]


def recorded() -> dict[str, int]:
    """The recorded killing seed of each mutant."""
    lines = RECORD.read_text().splitlines() if RECORD.exists() else []
    rows = [line.split() for line in lines if line and not line.startswith(("#", "mutant "))]
    return {row[0]: int(row[1]) for row in rows}


def hunted(todo: Iterable[tuple[Mutant, Sequence[int]]], processes: int) -> Iterator[tuple[Mutant, Killed | None]]:
    """Tell each mutant's stories until one kills it; None for a mutant that survives them all."""
    for module in COMMON:
        importlib.import_module(module)
    waiting, running = list(todo), dict[Connection, tuple[Mutant, BaseProcess]]()
    while waiting or running:
        while waiting and len(running) < processes:
            mutant, seeds = waiting.pop(0)
            answer, process = _started(mutant, seeds)
            running[answer] = mutant, process
        for answer in wait(list(running)):
            assert isinstance(answer, Connection)
            mutant, process = running.pop(answer)
            yield mutant, answer.recv()
            process.join()


def _started(mutant: Mutant, seeds: Sequence[int]) -> tuple[Connection, BaseProcess]:
    # Forked, so that 50 processes need not read the same libraries 50 times; nothing of the operator is loaded yet.
    context = multiprocessing.get_context("fork")
    answer, question = context.Pipe(duplex=False)
    process = context.Process(target=_hunt, args=(mutant, seeds, question))
    process.start()
    question.close()
    return answer, process


def _hunt(mutant: Mutant, seeds: Sequence[int], answer: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        mutant.plant(Path(folder))
        sys.path.insert(0, folder)
        answer.send(_found(seeds, folder))


def _found(seeds: Sequence[int], folder: str) -> Killed | None:
    """The first of these stories in which an oracle speaks, told with the operator of this folder."""
    telling = importlib.import_module("simulation.many")
    operator = importlib.import_module("trainingjob_operator")
    assert str(operator.__file__).startswith(folder), f"the mutant was not loaded, but {operator.__file__}"
    for tried, seed in enumerate(seeds, start=1):
        if broken := telling.tally([seed]).broken:
            return Killed(seed, broken[0][1], tried)
    return None


def table(found: dict[str, Killed | None], known: Sequence[Mutant]) -> str:
    """The results as text, one mutant a line."""
    width = max(len(mutant.name) for mutant in known)
    lines = [f"{'mutant':{width}}  {'seed':>6}  rule  what was seen"]
    for mutant in known:
        killed = found.get(mutant.name)
        if mutant.name in found:
            rule, _, what = killed.violation.partition(": ") if killed else ("-", "", "SURVIVED")
            lines.append(f"{mutant.name:{width}}  {killed.seed if killed else '-':>6}  {rule:4}  {what[:110]}")
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(prog="make mutants")
    parser.add_argument("--only", action="append", help="name of a mutant; more than one may be given")
    parser.add_argument("--bound", type=int, default=BOUND)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    chosen = [mutant for mutant in mutants() if not options.only or mutant.name in options.only]
    before = recorded()
    todo = [(m, [*([before[m.name]] if m.name in before else []), *range(options.bound)]) for m in chosen]
    found: dict[str, Killed | None] = {}
    for mutant, killed in hunted(todo, options.processes):
        found[mutant.name] = killed
        if sys.stderr.isatty():
            print(f"\r{len(found)} of {len(chosen)}: {mutant.name:40}", end="", file=sys.stderr)
    survivors = [name for name, killed in found.items() if killed is None]
    print(table(found, chosen))
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    if not options.only and not survivors:
        RECORD.write_text(HEAD + table(found, chosen) + "\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
