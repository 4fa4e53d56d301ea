"""What a request's URL names: a collection, an object or a subresource of a served kind.

Decides by the URL and the catalog alone. Never touches objects.
"""

from dataclasses import dataclass
from urllib.parse import unquote

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.store.catalog import Catalog
from trainingjob_sandbox.store.kinds import Kind


@dataclass(frozen=True, slots=True)
class Target:
    """A place under ``/api`` or ``/apis``; an empty name means the collection, no namespace all of them."""

    kind: Kind
    namespace: str | None
    name: str
    subresource: str

    @property
    def resource(self) -> Resource:
        return self.kind.resource


def no_such_page() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def target_of(raw_path: str, catalog: Catalog) -> Target:
    """The target of a path such as ``/apis/group/version/namespaces/ns/plural/name/status``. Raises NotFound."""
    parts = [unquote(part) for part in raw_path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) >= 3:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) >= 4:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        raise no_such_page()
    namespace = None
    if rest[0] == "namespaces" and len(rest) >= 3 and (rest[2] != "status" or len(rest) > 3):
        namespace, rest = rest[1], rest[2:]
    if len(rest) > 3:
        raise no_such_page()
    plural, name, subresource = (*rest, "", "")[:3]
    kind, _ = catalog.find(Resource(group, version, plural, ""))
    if (namespace is not None and not kind.resource.namespaced) or (
        name and kind.resource.namespaced and namespace is None
    ):
        raise no_such_page()
    return Target(kind, namespace, name, subresource)
