"""Which checkpoints are kept, and how their files are called.

Pure: looks at names only. `step-00000220.ckpt` is the state after 220 optimizer steps; `best.ckpt` a second name of
the one with the best metric.
"""

import re
from collections.abc import Iterable

BEST = "best.ckpt"
_NAME = re.compile(r"step-(?P<step>\d{8,})\.ckpt")


def name_of(step: int) -> str:
    """The file name of the checkpoint after this many optimizer steps."""
    return f"step-{step:08d}.ckpt"


def step_of(name: str) -> int | None:
    """The step in a file's name, None for files that are not ours."""
    match = _NAME.fullmatch(name)
    return int(match["step"]) if match else None


def newest_first(names: Iterable[str]) -> list[str]:
    """Our checkpoints among some files, the newest first."""
    steps = {name: step for name in names if (step := step_of(name)) is not None}
    return sorted(steps, key=lambda name: steps[name], reverse=True)


def superfluous(names: Iterable[str], written: str, keep: int) -> list[str]:
    """What may be deleted once ``written`` is whole: all but the ``keep`` newest up to it.

    Files of later steps do not count: they were skipped at the start because they are damaged, or belong to somebody.
    """
    older = newest_first(names)
    return older[older.index(written) :][keep:] if written in older else []
