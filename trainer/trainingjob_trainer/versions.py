"""Whether all ranks run the same software: Python, torch, Lightning, CUDA and this trainer.

Two torch versions in one gang hang in their first collective, or train something that nobody can repeat. So the
versions are compared when the ranks know each other and before they compute together. Decides by text alone.
"""

import platform
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version

from trainingjob_trainer.environment import Environment
from trainingjob_trainer.sameness import SAME, agree
from trainingjob_trainer.store import Store

NONE = "-"


def compare(store: Store, environment: Environment, mine: Mapping[str, str]) -> None:
    """Raise ConfigurationError on every rank if the ranks' versions differ; all of them have to call it."""
    agree(store, environment, "versions", " ".join(f"{name}={value or NONE}" for name, value in mine.items()), verdict)


def own() -> dict[str, str]:
    """This process's versions by name; `-` for what is not there."""
    import torch

    return {
        "python": platform.python_version(),
        "torch": torch.__version__,
        "cuda": torch.version.cuda or NONE,
        "lightning": _installed("pytorch-lightning"),
        "trainingjob": _installed("trainingjob"),
    }


def verdict(entries: Sequence[str]) -> str:
    """ "same", or a table of what differs; ``entries`` are "NAME=VERSION ..." by rank."""
    ranks = [dict(word.split("=", 1) for word in entry.split()) for entry in entries]
    names = list(dict.fromkeys(name for rank in ranks for name in rank))
    differing = [name for name in names if len({rank.get(name) for rank in ranks}) > 1]
    if not differing:
        return SAME
    rows = [["rank", *differing]] + [[str(n), *(rank.get(k, NONE) for k in differing)] for n, rank in enumerate(ranks)]
    return "the ranks run different software: use one image for all nodes\n" + table(rows)


def table(rows: Sequence[Sequence[str]]) -> str:
    """Rows as aligned columns; of many alike in a row only the first is shown."""
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    shown = [row for before, row in zip([None, *rows], rows, strict=False) if before is None or before[1:] != row[1:]]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in shown
    )


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return NONE
