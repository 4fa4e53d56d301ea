"""An event loop whose time jumps: a story of hours runs in milliseconds, the same way each time.

When no task can run, time moves to the next timer. Nothing may wait for a socket, a thread or a process: a loop with
neither a runnable task nor a timer would wait for ever, so it raises instead; so does one that turns and turns without
any time passing.
"""

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

T = TypeVar("T")


class DeadlockError(AssertionError):
    """Every task waits, and no timer will wake any."""


class LivelockError(AssertionError):
    """Tasks wake each other, or themselves, over and over at the same time."""


TURNS_AT_ONCE = 100_000
"""After how many turns of the loop at the same time it is a livelock; honest work takes some hundreds."""


class _JumpingSelector(selectors.DefaultSelector):
    """Where the loop would sleep until its next timer, time moves there instead."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self._turns = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError("every task waits and there is no timer")
        self._turns = 0 if timeout > 0 else self._turns + 1
        if self._turns > TURNS_AT_ONCE:
            raise LivelockError(f"{TURNS_AT_ONCE} turns at {self.now} s")
        self.now += max(timeout, 0)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """An asyncio loop on virtual seconds, which begin at 0."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        self._clock_resolution = 1e-9

    def time(self) -> float:
        return self._jumping.now


def run_virtually(main: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in virtual time."""
    with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
        return runner.run(main)
