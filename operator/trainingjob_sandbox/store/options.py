"""What a write request says besides its body. Decides nothing."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

Strictness: TypeAlias = Literal["Ignore", "Warn", "Strict"]


def unheard(_: str) -> None:
    """Warnings that nobody asked for."""


@dataclass(frozen=True, slots=True)
class WriteOptions:
    """``manager`` and ``force`` are for server-side apply. ``fields`` says what becomes of unknown fields: dropped in
    silence, dropped while ``warn`` hears of it, or refused.
    """

    manager: str = ""
    force: bool = False
    dry_run: bool = False
    fields: Strictness = "Warn"
    warn: Callable[[str], None] = unheard


PLAIN = WriteOptions()
