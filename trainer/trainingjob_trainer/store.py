"""What ranks tell each other before they compute together: a few small values under agreed keys."""

from collections.abc import Callable
from datetime import timedelta
from typing import Protocol


class Store(Protocol):
    """Few small values shared by the whole gang (torch's TCPStore, served by rank 0)."""

    def set(self, key: str, value: str) -> None: ...

    def get(self, key: str) -> bytes:
        """The value, waiting until somebody has set it."""
        ...

    def wait(self, keys: list[str], timeout: timedelta) -> None:
        """Wait until all keys are set; RuntimeError or TimeoutError if they are not in time."""
        ...


def word_of_rank_0(store: Store, rank: int, key: str, decide: Callable[[], str]) -> str:
    """What rank 0 decides, on every rank; the others wait for it. ``key`` is used once."""
    if rank == 0:
        store.set(key, decide())
    return store.get(key).decode()
