"""OpenAPI v3 documents of what is served: for ``kubectl explain``, and for its check that fields are validated here.

Decides how kinds and paths are described. Custom kinds are described by their own schema; of built-in kinds only the
outline is told.
"""

from collections.abc import Mapping
from typing import Any

from trainingjob_operator.cluster.api import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Object
from trainingjob_sandbox.apiserver.discovery import groups, kinds_in
from trainingjob_sandbox.store.catalog import Catalog
from trainingjob_sandbox.store.kinds import Kind

METADATA = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_TEXT = {"type": "string"}
_QUERY = {"in": "query", "schema": {"type": "string", "uniqueItems": True}}


def paths(catalog: Catalog) -> Object:
    """The index: where the document of each group and version is."""
    names = [f"apis/{group}/{version}" if group else f"api/{version}" for group, version in groups(catalog)]
    stamp = f"?hash={catalog.changed}"
    return {"paths": {name: {"serverRelativeURL": f"/openapi/v3/{name}{stamp}"} for name in names}}


def document(catalog: Catalog, group: str, version: str) -> Object:
    """The document of one group and version."""
    found: Object = {}
    schemas: Object = {METADATA: _metadata_schema()}
    for kind in kinds_in(catalog, group, version):
        name = schema_name(kind)
        schemas[name] = _kind_schema(kind)
        found |= _paths(kind, name)
    return {
        "openapi": "3.0.0",
        "info": {"title": "trainingjob sandbox", "version": "v1.36.0"},
        "paths": found,
        "components": {"schemas": schemas},
    }


def schema_name(kind: Kind) -> str:
    """A kind's name among the schemas: the group's labels reversed, version, kind."""
    resource = kind.resource
    group = ".".join(reversed(resource.group.split("."))) if resource.group else "io.k8s.api.core"
    return f"{group}.{resource.version}.{resource.kind}"


def _kind_schema(kind: Kind) -> Object:
    described: Mapping[str, Any] = kind.document or _outline(kind)
    properties = {
        "apiVersion": _TEXT | {"description": "The version of the API that this object is written in."},
        "kind": _TEXT | {"description": "What kind of object this is."},
        "metadata": {
            "description": "Standard object's metadata.",
            "allOf": [{"$ref": f"#/components/schemas/{METADATA}"}],
        },
    }
    rest = {name: child for name, child in (described.get("properties") or {}).items() if name not in properties}
    return {**described, "type": "object", "properties": {**properties, **rest}} | _identity(kind)


def _outline(kind: Kind) -> Object:
    open_object = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    described = f"A {kind.resource.kind} as Kubernetes documents it."
    return {
        "description": described,
        "properties": {"spec": open_object, "status": open_object},
        "x-kubernetes-preserve-unknown-fields": True,
    }


def _identity(kind: Kind) -> Object:
    resource = kind.resource
    named = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    return {"x-kubernetes-group-version-kind": [named]}


def _metadata_schema() -> Object:
    texts = ("name", "generateName", "namespace", "uid", "resourceVersion", "creationTimestamp", "deletionTimestamp")
    maps = {name: {"type": "object", "additionalProperties": _TEXT} for name in ("labels", "annotations")}
    lists = {
        "finalizers": {"type": "array", "items": _TEXT},
        "ownerReferences": {"type": "array", "items": {"type": "object"}},
        "managedFields": {"type": "array", "items": {"type": "object"}},
    }
    numbers = {name: {"type": "integer", "format": "int64"} for name in ("generation", "deletionGracePeriodSeconds")}
    return {
        "type": "object",
        "description": "What every object has: its names, labels, versions and owners.",
        "properties": dict.fromkeys(texts, _TEXT) | maps | lists | numbers,
    }


def _paths(kind: Kind, schema: str) -> Object:
    resource = kind.resource
    base = resource.path()
    single = f"{base}/{{name}}"
    found = {base: {"get": _operation(kind, "list")}}
    if resource.namespaced:
        # Not by path(): it would quote the braces.
        base = base.removesuffix(resource.plural) + f"namespaces/{{namespace}}/{resource.plural}"
        single = f"{base}/{{name}}"
        found[base] = {"get": _operation(kind, "list")}
    found[base] |= {"post": _writing(kind, "post", schema), "delete": _operation(kind, "deletecollection")}
    found[single] = {
        "get": _operation(kind, "get"),
        "put": _writing(kind, "put", schema),
        "delete": _operation(kind, "delete"),
        "patch": _writing(kind, "patch", schema),
    }
    return found


def _operation(kind: Kind, action: str) -> Object:
    resource = kind.resource
    named = {"group": resource.group, "version": resource.version, "kind": resource.kind}
    answers = {"200": {"description": "OK"}}
    return {"x-kubernetes-action": action, "x-kubernetes-group-version-kind": named, "responses": answers}


def _writing(kind: Kind, action: str, schema: str) -> Object:
    names = ["dryRun", "fieldManager", "fieldValidation", *(["force"] if action == "patch" else [])]
    types = [MERGE_PATCH, JSON_PATCH, APPLY_PATCH] if action == "patch" else ["application/json"]
    described = {"schema": {"$ref": f"#/components/schemas/{schema}"}}
    return _operation(kind, action) | {
        "parameters": [{"name": name, **_QUERY} for name in names],
        "requestBody": {"content": dict.fromkeys(types, described)},
    }
