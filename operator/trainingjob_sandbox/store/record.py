"""One version of one object, frozen, and the changes between versions.

Decides nothing. Objects in here are shared by the store, its watchers and its readers and are never changed in place:
a write makes a new object, which may share unchanged parts with the old one.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import bad_request


class Record:
    """An object as stored at one resourceVersion; its JSON is made once, however many readers ask for it."""

    __slots__ = ("_encoded", "object", "version")

    def __init__(self, stored: Object, version: int) -> None:
        self.object = stored
        self.version = version
        self._encoded: bytes | None = None

    @property
    def encoded(self) -> bytes:
        if self._encoded is None:
            self._encoded = orjson.dumps(self.object)
        return self._encoded

    def copy(self) -> Object:
        """A private copy that the caller may change."""
        copied: Object = orjson.loads(self.encoded)
        return copied


@dataclass(frozen=True, slots=True)
class Change:
    """One write: from ``old`` (None if created) to ``new`` (the last state, if ``removed``)."""

    version: int
    namespace: str
    old: Record | None
    new: Record
    removed: bool = False


def own_copy(value: Any) -> Any:
    """A deep copy of JSON data. Raises BadRequest for anything that is not JSON."""
    try:
        return orjson.loads(orjson.dumps(value))
    except (orjson.JSONEncodeError, orjson.JSONDecodeError) as error:
        raise bad_request(f"the object is not JSON: {error}") from error


def metadata_of(value: Mapping[str, Any]) -> Mapping[str, Any]:
    """The metadata of an object, empty if it has none."""
    return value.get("metadata") or {}
