"""CustomResourceDefinitions: which kind each one adds to the store.

Decides whether a definition can be served. Of several versions only the storage version is.
"""

from collections.abc import Mapping
from typing import Any

from trainingjob_operator.api.resources import Resource
from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.builtin.shapes import METADATA
from trainingjob_sandbox.store.errors import Cause, invalid_value, required
from trainingjob_sandbox.store.kinds import Column, Kind
from trainingjob_sandbox.store.patches.shape import Shape
from trainingjob_sandbox.store.schema.structural import shape_of
from trainingjob_sandbox.store.schema.structure import OpenApiStructure
from trainingjob_sandbox.store.selectors import METADATA_FIELDS, field_at

AGE = Column("Age", "date", ".metadata.creationTimestamp", description="Time since the object was created.")


def default(definition: Object) -> None:
    """Fill in the names that follow from others, and say at once that the kind is served."""
    spec = definition.setdefault("spec", {})
    names = spec.setdefault("names", {})
    if kind := names.get("kind"):
        names.setdefault("singular", kind.lower())
        names.setdefault("listKind", f"{kind}List")
    spec.setdefault("conversion", {"strategy": "None"})
    if "status" not in definition and names:
        definition["status"] = _established(definition)


def validate(new: Object, old: Object | None) -> list[Cause]:
    spec = new["spec"]
    names = spec["names"]
    causes = [required(f"spec.names.{name}") for name in ("plural", "kind") if not names.get(name)]
    causes += [] if spec.get("group") else [required("spec.group")]
    expected = f"{names.get('plural')}.{spec.get('group')}"
    if not causes and new["metadata"]["name"] != expected:
        detail = 'must be spec.names.plural+"."+spec.group'
        causes.append(invalid_value("metadata.name", new["metadata"]["name"], detail))
    return causes or _version_causes(spec)


def _version_causes(spec: Mapping[str, Any]) -> list[Cause]:
    versions = spec.get("versions") or []
    if sum(bool(version.get("storage")) for version in versions) != 1:
        detail = "must have exactly one version marked as storage version"
        return [invalid_value("spec.versions", [version.get("name") for version in versions], detail)]
    version = _served(spec)
    if not (version.get("schema") or {}).get("openAPIV3Schema"):
        return [required("spec.versions[0].schema.openAPIV3Schema", "schemas are required")]
    try:
        OpenApiStructure(version["schema"]["openAPIV3Schema"])
    except ValueError as error:
        return [invalid_value("spec.versions[0].schema.openAPIV3Schema", version["name"], str(error))]
    return []


def kind_of(definition: Object) -> Kind:
    """The kind that a valid definition adds."""
    spec = definition["spec"]
    names, version = spec["names"], _served(spec)
    structure = OpenApiStructure(version["schema"]["openAPIV3Schema"])
    shape = shape_of(structure.schema)
    return Kind(
        resource=Resource(
            spec["group"], version["name"], names["plural"], names["kind"], spec.get("scope") != "Cluster"
        ),
        singular=names["singular"],
        list_kind=names["listKind"],
        short_names=tuple(names.get("shortNames") or ()),
        categories=tuple(names.get("categories") or ()),
        subresources=frozenset(version.get("subresources") or ()) & {"status"},
        generation=True,
        fields={**METADATA_FIELDS, **_selectable(version)},
        shape=Shape(fields={**shape.fields, "metadata": METADATA}),
        structure=structure,
        columns=tuple(map(_column, version.get("additionalPrinterColumns") or ())) or (AGE,),
        document=version["schema"]["openAPIV3Schema"],
    )


def _served(spec: Mapping[str, Any]) -> Mapping[str, Any]:
    found: Mapping[str, Any] = next(version for version in spec["versions"] if version.get("storage"))
    return found


def _selectable(version: Mapping[str, Any]) -> dict[str, Any]:
    paths = [found["jsonPath"].lstrip(".") for found in version.get("selectableFields") or ()]
    return {path: field_at(*path.split(".")) for path in paths}


def _column(column: Mapping[str, Any]) -> Column:
    path = column["jsonPath"]
    described = column.get("description") or f"Custom resource definition column (in JSONPath format): {path}"
    return Column(column["name"], column["type"], path, column.get("format", ""), described, column.get("priority", 0))


def _established(definition: Object) -> Object:
    spec = definition["spec"]
    since = definition["metadata"].get("creationTimestamp")
    true = {"status": "True", "lastTransitionTime": since}
    named = {"type": "NamesAccepted", "reason": "NoConflicts", "message": "no conflicts found"}
    message = "the initial names have been accepted"
    established = {"type": "Established", "reason": "InitialNamesAccepted", "message": message}
    return {
        "conditions": [true | named, true | established],
        "acceptedNames": spec["names"],
        "storedVersions": [version["name"] for version in spec.get("versions") or () if version.get("storage")],
    }
