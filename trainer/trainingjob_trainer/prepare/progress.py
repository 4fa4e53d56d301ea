"""What somebody who waits for `prepare` sees: a bar on a terminal, a plain line every few seconds in a pod's log.

Decides only the form. Everything goes to standard error.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

SECONDS = 10.0


def tell(text: str) -> None:
    """One line."""
    print(f"trainingjob: prepare: {text}", file=sys.stderr, flush=True)


@contextmanager
def progress(total: int, unit: str) -> Iterator[Callable[[int], object]]:
    """Gives the function that is told how many units came on."""
    if not sys.stderr.isatty():
        yield _lines(total, unit)
        return
    from tqdm import tqdm  # type: ignore[import-untyped]

    with tqdm(total=total, unit=f" {unit}", unit_scale=True, desc="prepare", file=sys.stderr) as bar:
        yield bar.update


def _lines(total: int, unit: str) -> Callable[[int], None]:
    done, told = 0, time.monotonic()

    def advance(units: int) -> None:
        nonlocal done, told
        done += units
        if time.monotonic() - told >= SECONDS:
            told = time.monotonic()
            tell(f"{done} of {total} {unit}")

    return advance
