"""Lists in pages: every page of one list shows the objects as they were when its first page was made.

Decides what a page holds and how long the rest is kept. Records are frozen, so a snapshot costs a list of references.
"""

from dataclasses import dataclass

from trainingjob_sandbox.store.errors import bad_request, expired
from trainingjob_sandbox.store.record import Record

KEPT_LISTS = 64


@dataclass(frozen=True, slots=True)
class Page:
    """Some records of a list, the resourceVersion of the whole list, and the token of the next page, if any.

    ``remaining`` is how many records follow, 0 if that is not told.
    """

    records: list[Record]
    version: int
    token: str = ""
    remaining: int = 0


class Pages:
    """The unread rests of the newest lists, by token."""

    def __init__(self) -> None:
        self._rests: dict[str, tuple[int, list[Record], bool]] = {}
        self._count = 0

    def first(self, records: list[Record], version: int, limit: int, *, counted: bool = True) -> Page:
        if not limit or len(records) <= limit:
            return Page(records, version)
        rest = records[limit:]
        self._count += 1
        token = f"{version}-{self._count}"
        self._rests[token] = (version, rest, counted)
        while len(self._rests) > KEPT_LISTS:
            del self._rests[next(iter(self._rests))]
        return Page(records[:limit], version, token, len(rest) if counted else 0)

    def next(self, token: str, limit: int) -> Page:
        """The page after the one that gave ``token``. Raises Expired if the list is no longer kept."""
        if not all(part.isdigit() for part in token.split("-")):
            raise bad_request(f"invalid continue token: continue key is not valid: {token}")
        if token not in self._rests:
            raise expired("The provided continue parameter is too old to display a consistent list result.")
        version, records, counted = self._rests[token]
        return self.first(records, version, limit, counted=counted)
