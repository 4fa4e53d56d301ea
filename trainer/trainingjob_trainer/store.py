"""What ranks tell each other before they compute together: a few small values under agreed keys."""

from typing import Protocol


class Store(Protocol):
    """Few small values shared by the whole gang (torch's TCPStore, served by rank 0)."""

    def set(self, key: str, value: str) -> None: ...

    def get(self, key: str) -> bytes:
        """The value, waiting until somebody has set it."""
        ...
