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
CHUNK = 25
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

    def plant(self, source: Path, folder: Path) -> None:
        """Put a broken copy of the operator's package into a folder. Raises StaleMutantError."""
        copy = folder / source.name
        shutil.copytree(source, copy)
        path = copy / self.file
        path.write_text(self.applied_to(path.read_text()))


@dataclass(frozen=True, slots=True)
class Killed:
    """The story that noticed a mutant, and what it said."""

    seed: int
    violation: str


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
    with tempfile.TemporaryDirectory() as folder:
        # Whoever edits the operator meanwhile is not heard.
        source = Path(shutil.copytree(OPERATOR, Path(folder) / OPERATOR.name))
        yield from _hunted(list(todo), source, processes)


def _hunted(
    waiting: list[tuple[Mutant, Sequence[int]]], source: Path, processes: int
) -> Iterator[tuple[Mutant, Killed | None]]:
    running: dict[Connection, tuple[Mutant, BaseProcess]] = {}
    while waiting or running:
        while waiting and len(running) < processes:
            mutant, seeds = waiting.pop(0)
            answer, process = _started(mutant, seeds, source)
            running[answer] = mutant, process
        for answer in wait(list(running)):
            assert isinstance(answer, Connection)
            mutant, process = running.pop(answer)
            yield mutant, answer.recv()
            process.join()


def _started(mutant: Mutant, seeds: Sequence[int], source: Path) -> tuple[Connection, BaseProcess]:
    # Forked, so that 50 processes need not read the same libraries 50 times; nothing of the operator is loaded yet.
    context = multiprocessing.get_context("fork")
    answer, question = context.Pipe(duplex=False)
    process = context.Process(target=_hunt, args=(mutant, seeds, source, question))
    process.start()
    question.close()
    return answer, process


def _hunt(mutant: Mutant, seeds: Sequence[int], source: Path, answer: Connection) -> None:
    with tempfile.TemporaryDirectory() as folder:
        place = Path(folder).resolve()
        mutant.plant(source, place)
        sys.path.insert(0, str(place))
        answer.send(_found(seeds, place))


def _found(seeds: Sequence[int], place: Path) -> Killed | None:
    """The first of these stories in which an oracle speaks, told with the operator of this folder."""
    telling = importlib.import_module("simulation.many")
    operator = importlib.import_module("trainingjob_operator")
    assert Path(str(operator.__file__)).is_relative_to(place), f"not the mutant was loaded, but {operator.__file__}"
    telling.prepare()
    for chunk in (seeds[:1], *(seeds[start : start + CHUNK] for start in range(1, len(seeds), CHUNK))):
        if broken := telling.tally(chunk).broken:
            return Killed(*broken[0])
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
    parser.add_argument("--recorded", action="store_true", help="tell each mutant its recorded story and no other")
    parser.add_argument("--bound", type=int, default=BOUND)
    parser.add_argument("--processes", type=int, default=os.cpu_count() or 2)
    options = parser.parse_args()
    chosen = [mutant for mutant in mutants() if not options.only or mutant.name in options.only]
    for mutant in chosen:
        mutant.applied_to((OPERATOR / mutant.file).read_text())
    before = recorded()
    others = range(0 if options.recorded else options.bound)
    todo = [(mutant, [*([before[mutant.name]] if mutant.name in before else []), *others]) for mutant in chosen]
    found: dict[str, Killed | None] = {}
    for mutant, killed in hunted(todo, options.processes):
        found[mutant.name] = killed
        if sys.stderr.isatty():
            print(f"\r{len(found)} of {len(chosen)}: {mutant.name:40}", end="", file=sys.stderr)
    survivors = [name for name, killed in found.items() if killed is None]
    print(table(found, chosen))
    print(f"{len(chosen) - len(survivors)} of {len(chosen)} mutants killed")
    if not options.only and not options.recorded and not survivors:
        RECORD.write_text(HEAD + table(found, chosen) + "\n")
    return 1 if survivors else 0


if __name__ == "__main__":
    raise SystemExit(main())
