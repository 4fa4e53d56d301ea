"""`make bench-trainer`: what this trainer costs beside a plain PyTorch loop, a plain write, and a plain start.

Everything is a ratio of two things that took turns in one run. Prints tables, writes trainer.json and a section of
TRAINER.md. CASES=loops,loader,stall,restart chooses; QUICK=1 is for trying it out.
"""

import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from itertools import chain, pairwise
from pathlib import Path
from statistics import median, quantiles
from typing import Any

import torch
from benchmarks.loader import loader

from support.pods import free_port

HERE = Path(__file__).parent
MARKS = ("<!-- trainer: written by make bench-trainer -->", "<!-- trainer: end -->")
# Width of the model, steps of a turn, turns, whether each step calls self.log: steps of about 1, 5 and 20 ms.
LOOPS = [[64, 25, 80, False], [512, 10, 60, False], [1536, 5, 50, False], [64, 25, 40, True]]
GOALS = (0.75, 0.95, 0.98, None)
GIB = 1 << 30

Row = dict[str, Any]
Pair = list[list[list[float]]]  # one turn's moments of the plain loop, and of the other: the clock's, and of CPU


def loops(quick: bool) -> list[Row]:
    """Steps per second of this trainer, and of Lightning as shipped, as a share of the plain loop's."""
    cases: list[list[Any]] = [[width, turn, turns // 8 if quick else turns, logs] for width, turn, turns, logs in LOOPS]
    with tempfile.TemporaryDirectory() as folder:
        result = Path(folder) / "loops.json"
        _gang(["-m", "benchmarks.trainer_loops", "--cases", json.dumps(cases), "--result", str(result)])
        figures = json.loads(result.read_text())
    return [_loop_row(case, goal, turns) for case, goal, turns in zip(cases, GOALS, figures, strict=True)]


def _loop_row(case: Sequence[Any], goal: float | None, turns: dict[str, list[Pair]]) -> Row:
    """The middle of all turns' ratios, and the middle half of them; ``means`` holds what happens now and then, too."""
    clock, cpu = ({name: [_steps(pair, kind) for pair in turns[name]] for name in turns} for kind in (0, 1))
    ratios = {name: [median(plain) / median(other) for plain, other in clock[name]] for name in turns}
    low, middle, high = quantiles(ratios["ours"], n=4)
    return {
        "plain step": f"{median(chain(*(plain for plain, _ in clock['ours']))) * 1000:.2f} ms"
        + (", self.log in the others" if case[3] else ""),
        "this trainer": round(middle, 3),
        "half of its turns": f"{low:.3f} to {high:.3f}",
        "its means": _ratio_of_sums(clock["ours"]),
        "its CPU": _ratio_of_sums(cpu["ours"]),
        "Lightning as shipped": round(median(ratios["shipped"]), 3),
        "plain itself": round(median(ratios["plain"]), 3),
        "goal": goal,
    }


def _steps(pair: Pair, kind: int) -> list[list[float]]:
    """Seconds of the steps of both loops. The first of a turn finds the other loop's data in the caches."""
    return [[after[kind] - before[kind] for before, after in pairwise(moments)][1:] for moments in pair]


def _ratio_of_sums(pairs: Sequence[Sequence[Sequence[float]]]) -> float:
    plain, other = (sum(map(sum, loop)) for loop in zip(*pairs, strict=True))
    return round(plain / other, 3)


def stall(quick: bool) -> list[Row]:
    """How long training waits for a checkpoint, as a share of writing it."""
    from trainingjob_trainer.checkpoint import AtomicCheckpointIO
    from trainingjob_trainer.ownership import Owner

    size = GIB // 16 if quick else GIB
    state = {"state_dict": {str(n): torch.rand(size // 4 // 32) for n in range(32)}}
    waited, written = [], []
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        folder = Path(name)
        io = AtomicCheckpointIO(folder, Owner("bench", "", 1), keep=1)
        io.reserve(list(state["state_dict"].values()))  # as training does after its first step
        io.writer.wait()
        for number in range(4):
            written.append(_seconds(lambda: _plain_write(state, folder / "plain.ckpt")))
            target = folder / f"step-{number:08d}.ckpt"
            waited.append(_seconds(lambda target=target: io.save_checkpoint(state, target)))  # type: ignore[misc]
            io.writer.wait()
    # The first copy makes the memory that the later ones use again.
    later = {"first": waited[0], "later": median(waited[1:])}
    return [
        {
            "checkpoint": f"{which} of {size / GIB:.2g} GiB",
            "training waits": f"{seconds:.3f} s",
            "writing it": f"{median(written):.2f} s",
            "share": round(seconds / median(written), 3),
            "goal": 0.15,
        }
        for which, seconds in later.items()
    ]


def restart(quick: bool) -> list[Row]:
    """From the start of two processes to the first step that they resume, beside importing what they need."""
    from support import exact
    from support.pods import Volumes, running
    from support.training import finish

    resumed, imported = [], []
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        (root / "output").mkdir()
        subprocess.run([sys.executable, "-m", "trainingjob_trainer", "prepare", "digits", root / "data"], check=True)
        volumes = Volumes(root / "workspace", root / "data", root / "output")
        for attempt in range(1, 3 if quick else 5):
            begin = time.time()
            with running(exact.spec(), volumes, attempt=attempt) as pods:
                assert finish(pods, volumes).codes == [0, 0], pods[0].errors
            if attempt > 1:
                resumed.append(exact.began(volumes, attempt) - begin)
                imported.append(_seconds(_import))
            (root / "output" / "checkpoints" / f"step-{exact.EPOCHS * exact.STEPS:08d}.ckpt").unlink()
    row = {"start to resumed step": f"{median(resumed):.1f} s", "import of Lightning": f"{median(imported):.1f} s"}
    return [row | {"ratio": round(median(resumed) / median(imported), 2)}]


def _import() -> None:
    """What any script that uses Lightning does first."""
    subprocess.run([sys.executable, "-c", "import torch, pytorch_lightning"], check=True)


def _plain_write(state: dict[str, Any], path: Path) -> None:
    """As a loop written by hand would: torch.save, and flushed to the disk."""
    with path.open("wb") as file:
        torch.save(state, file)
        file.flush()
        os.fsync(file.fileno())


def _seconds(action: Callable[[], None]) -> float:
    begin = time.perf_counter()
    action()
    return time.perf_counter() - begin


def _gang(arguments: Sequence[str]) -> None:
    """Run a module in two processes of one gang on loopback."""
    port = str(free_port())
    shared = os.environ | {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
    shared |= {"TRAININGJOB_NUM_NODES": "2", "TRAININGJOB_DEVICES": "1", "CUDA_VISIBLE_DEVICES": ""}
    ranks = [
        subprocess.Popen(
            [sys.executable, *arguments], env=shared | {"RANK": rank, "NODE_RANK": rank}, stdout=subprocess.DEVNULL
        )
        for rank in ("0", "1")
    ]
    codes = [rank.wait() for rank in ranks]
    if codes != [0, 0]:
        raise SystemExit(f"the gang ended with {codes}")


CASES: dict[str, Callable[[bool], list[Row]]] = {
    "loops": loops,
    "loader": loader,
    "stall": stall,
    "restart": restart,
}


def table(rows: Sequence[Row]) -> str:
    """Rows as a Markdown table."""
    heads = list(rows[0])
    lines = [heads, ["---"] * len(heads), *([_text(row[head]) for head in heads] for row in rows)]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def _text(value: Any) -> str:
    return "" if value is None else str(value)


def write(results: dict[str, list[Row]]) -> None:
    """Keep the figures: trainer.json, and the marked section of TRAINER.md. Cases not run now stay as they were."""
    kept = HERE / "trainer.json"
    every = (json.loads(kept.read_text()) if kept.exists() else {}) | results
    kept.write_text(json.dumps(every, indent=2) + "\n")
    machine = f"{os.cpu_count()} cores, Python {platform.python_version()}, torch {torch.__version__.split('+')[0]}"
    tables = "\n\n".join(f"### {name}\n\n{table(rows)}" for name, rows in every.items())
    page = HERE / "TRAINER.md"
    before, rest = page.read_text().split(MARKS[0])
    after = rest.split(MARKS[1])[1]
    page.write_text(f"{before}{MARKS[0]}\n{machine}\n\n{tables}\n{MARKS[1]}{after}")


def main() -> None:
    quick = bool(os.environ.get("QUICK"))
    chosen = (os.environ.get("CASES") or ",".join(CASES)).split(",")
    results = {}
    for name in chosen:
        results[name] = CASES[name](quick)
        print(f"{name}\n\n{table(results[name])}\n", flush=True)
    if not quick:
        write(results)


if __name__ == "__main__":
    main()
