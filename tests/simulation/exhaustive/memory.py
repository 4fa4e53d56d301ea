"""What an operator process remembers, as values: between passes, and in the midst of one."""

from dataclasses import dataclass
from typing import Any, NamedTuple

from simulation.exhaustive.values import Job, Pod

Request = tuple[Any, ...]
"""What is asked for: ("list",), ("get",), ("status", life, version, place), ("create", kind, life, attempt, rank),
("look", kind, name) after a name was taken, ("delete", name, uid, grace)."""


class Refusal(NamedTuple):
    """An answer other than success; status 0 is a broken connection."""

    status: int
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Memory:
    """What a process remembers between passes. ``retry``: a failed pass comes again; ``doubts``: and asks first.

    Times are in ticks from now: when its timer rings, and since when its last report of mere counts is out.
    """

    job: Job | None
    pods: tuple[Pod, ...]
    graves: tuple[frozenset[str], frozenset[str]]
    refused: Any = None
    reported: int | None = None
    woken: bool = False
    retry: bool = False
    doubts: bool = False
    timer: int | None = None


@dataclass(frozen=True, slots=True)
class State:
    """``memory`` is that of the last moment between passes, ``inputs`` what has come since; ``requests`` are open."""

    memory: Memory
    inputs: tuple[tuple[Any, ...], ...] = ()
    requests: tuple[Request, ...] = ()

    @property
    def is_at_work(self) -> bool:
        """Whether a pass is under way."""
        return bool(self.requests)
