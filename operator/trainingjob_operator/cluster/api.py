"""What the operator asks of a Kubernetes API server: the protocol, its objects and its errors; no request is made here.

Objects are plain dictionaries from end to end. Typed clients cost ten times the CPU and memory for a list of pods and
refuse fields that they do not know (docs/design.md, "Clients").
"""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias

from trainingjob_operator.api.resources import Resource

Object: TypeAlias = dict[str, Any]

MERGE_PATCH = "application/merge-patch+json"
JSON_PATCH = "application/json-patch+json"
APPLY_PATCH = "application/apply-patch+yaml"


class ApiError(Exception):
    """The API server refused a request.

    ``reason`` is the machine-readable word of its Status answer (``NotFound``, ``AlreadyExists``, ``Conflict``,
    ``Invalid``, ``Forbidden``, ``Expired`` ...). ``retry_after`` is in seconds, None if the server named no time.
    """

    def __init__(
        self,
        status: int,
        reason: str,
        message: str,
        *,
        retry_after: float | None = None,
        details: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__(f"{status} {reason}: {message}")
        self.status = status
        self.reason = reason
        self.message = message
        self.retry_after = retry_after
        self.details = dict(details or {})


@dataclass(frozen=True, slots=True)
class ObjectList:
    """A whole collection, or a page of it, and the resourceVersion at which a watch may continue."""

    items: list[Object]
    resource_version: str


@dataclass(frozen=True, slots=True)
class WatchEvent:
    """One line of a watch: ADDED, MODIFIED, DELETED, BOOKMARK. (ERROR is raised as ApiError.)"""

    type: str
    object: Object


class Api(Protocol):
    """Requests to an API server. All reads are quorum reads (no resourceVersion is sent)."""

    async def get(self, resource: Resource, namespace: str | None, name: str) -> Object: ...

    async def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> ObjectList: ...

    async def create(self, resource: Resource, namespace: str | None, body: Object) -> Object: ...

    async def replace(
        self, resource: Resource, namespace: str | None, name: str, body: Object, *, subresource: str = ""
    ) -> Object: ...

    async def patch(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        body: Any,
        *,
        subresource: str = "",
        content_type: str = MERGE_PATCH,
    ) -> Object: ...

    async def delete(
        self,
        resource: Resource,
        namespace: str | None,
        name: str,
        *,
        uid: str | None = None,
        grace_seconds: int | None = None,
    ) -> Object: ...


class Feed(Protocol):
    """What keeps a copy of a collection equal to the API server's: a first look, page by page, then what changes."""

    def pages(
        self, resource: Resource, namespace: str | None = None, *, labels: str = ""
    ) -> AsyncGenerator[ObjectList, None]:
        """All of a collection as it was at one moment, so that not all of it is in memory at once."""
        ...

    def watch(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str = "",
        fields: str = "",
        resource_version: str,
        timeout_seconds: int = 300,
    ) -> AsyncGenerator[WatchEvent, None]: ...


class FullApi(Api, Feed, Protocol):
    """Requests and watches."""


class Credentials(Protocol):
    """Headers that authenticate a request; asked for each time, so that short-lived tokens stay fresh."""

    async def headers(self) -> Mapping[str, str]: ...
