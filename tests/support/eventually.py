"""Waiting for a condition, for tests: on what is so, never on how long it takes."""

import time
from collections.abc import Callable

POLL = 0.05


def eventually(what: str, is_so: Callable[[], bool], *, seconds: float = 120) -> None:
    """Return once ``is_so()`` holds; AssertionError with ``what`` after a deadline that only a broken test reaches."""
    deadline = time.monotonic() + seconds
    while not is_so():
        if time.monotonic() > deadline:
            raise AssertionError(f"not so after {seconds:.0f} s: {what}")
        time.sleep(POLL)
