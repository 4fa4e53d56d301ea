"""What ranks tell each other before they compute together: a few small values under agreed keys."""

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
