"""Whether a write may happen, and what exactly it stores.

Decides each request's checks and merges what the client sent with what only the server may say. Never stores anything.
"""

from collections.abc import Mapping
from typing import Any

from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_sandbox.store.deletion import DeleteOptions
from trainingjob_sandbox.store.errors import (
    bad_request,
    conflict,
    field_forbidden,
    forbidden,
    invalid,
    invalid_value,
    kind_name,
    method_not_allowed,
    modified,
    not_found,
)
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.metadata import (
    carried_over,
    changeable_causes,
    metadata_causes,
    next_generation,
    spec_changed,
)
from trainingjob_sandbox.store.options import WriteOptions
from trainingjob_sandbox.store.record import metadata_of, own_copy


def check_type(kind: Kind, body: Any) -> None:
    """That the body is an object of this kind, if it says what it is."""
    if not isinstance(body, dict):
        raise bad_request("the object provided is unrecognized: it is no JSON object")
    resource = kind.resource
    version = body.setdefault("apiVersion", resource.api_version) or resource.api_version
    if version != resource.api_version:
        message = f"the API version in the data ({version}) does not match the expected API version"
        raise bad_request(f"{message} ({resource.api_version})")
    named = body.setdefault("kind", resource.kind) or resource.kind
    if named != resource.kind:
        cause = invalid_value("kind", named, f"must be {resource.kind}")
        raise invalid(resource, str(metadata_of(body).get("name", "")), [cause], kind=named)
    if not isinstance(body.setdefault("metadata", {}), dict):
        raise bad_request(f"{resource.kind} cannot be handled: metadata is no object")


def check_new(kind: Kind, namespace: str, body: Object) -> None:
    """That a new object belongs where it was sent and brings no version."""
    meta = metadata_of(body)
    if kind.resource.namespaced and meta.get("namespace") not in (None, "", namespace):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")
    if meta.get("resourceVersion"):
        raise bad_request("resourceVersion should not be set on objects to be created")


def check_put(kind: Kind, name: str, body: Object) -> None:
    """That a replacement names the object of the URL and, for custom kinds, the version that it replaces."""
    meta = metadata_of(body)
    if meta.get("name") != name:
        given = meta.get("name", "")
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if kind.custom and not meta.get("resourceVersion"):
        cause = invalid_value("metadata.resourceVersion", 0, "must be specified for an update")
        raise invalid(kind.resource, name, [cause], kind=kind.resource.plural)


def check_patched(old: Object, body: Object) -> None:
    """That a patch leaves an object what and where it is."""
    before, after = metadata_of(old), metadata_of(body)
    if after.get("name") != before["name"]:
        given = after.get("name", "")
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({before['name']})")
    if after.get("namespace") != before.get("namespace"):
        raise bad_request("the namespace of the provided object does not match the namespace sent on the request")


def check_patched_uid(kind: Kind, old: Object, body: Object) -> None:
    """That a patch does not make another object of it."""
    uid = metadata_of(body).get("uid")
    if uid != metadata_of(old)["uid"]:
        cause = invalid_value("metadata.uid", uid, "field is immutable")
        raise invalid(kind.resource, metadata_of(old)["name"], [cause])


def check_applied(kind: Kind, body: Any) -> None:
    """That an apply request says what it is, and leaves the bookkeeping to the server."""
    if not isinstance(body, dict) or not body.get("kind") or not body.get("apiVersion"):
        stated = body if isinstance(body, dict) else {}
        group, _, version = str(stated.get("apiVersion") or "").rpartition("/")
        raise bad_request(f"invalid object type: {group}/{version}, Kind={stated.get('kind') or ''}")
    check_type(kind, body)
    if metadata_of(body).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")


def check_apply(kind: Kind, name: str, namespace: str | None, body: Any, manager: str) -> None:
    """That an apply request which creates its object could have been a create."""
    check_applied(kind, body)
    check_manager(manager)
    if not metadata_of(body).get("name"):
        raise bad_request(f"the name of the object ({name} based on URL) was undeterminable: name must be provided")
    if metadata_of(body).get("name") not in (None, "", name):
        given = metadata_of(body)["name"]
        raise bad_request(f"the name of the object ({given}) does not match the name on the URL ({name})")
    if metadata_of(body).get("resourceVersion") or metadata_of(body).get("uid"):
        raise not_found(kind.resource, name)


def check_manager(manager: str) -> None:
    if not manager:
        message = 'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        raise ApiError(422, "Invalid", message)


def check_subresource(kind: Kind, subresource: str) -> None:
    if subresource not in ("", "status"):
        raise method_not_allowed()
    if subresource and not kind.has_status:
        raise ApiError(404, "NotFound", "the server could not find the requested resource")


def check_lock(kind: Kind, old: Object, body: Object) -> None:
    """The optimistic lock: the version and the UID that the client saw, if it names them."""
    before, after = metadata_of(old), metadata_of(body)
    name = before["name"]
    if after.get("uid") not in (None, "", before["uid"]):
        detail = f"Precondition failed: UID in precondition: {after['uid']}, UID in object meta: {before['uid']}"
        raise conflict(kind.resource, name, detail)
    if after.get("resourceVersion") not in (None, "", before["resourceVersion"]):
        raise modified(kind.resource, name)


def check_preconditions(kind: Kind, old: Object, options: DeleteOptions) -> None:
    """That a delete hits the object it was meant for."""
    meta = metadata_of(old)
    subject = f'Operation cannot be fulfilled on {kind_name(kind.resource)} "{meta["name"]}"'
    details = {"name": meta["name"], "kind": kind.resource.kind} | (
        {"group": kind.resource.group} if kind.resource.group else {}
    )
    for word, wanted, found, then in (
        ("UID", options.uid, meta["uid"], "The object might have been deleted and then recreated"),
        ("ResourceVersion", options.resource_version, meta["resourceVersion"], "The object might have been modified"),
    ):
        if wanted is not None and wanted != found:
            detail = f"the {word} in the precondition ({wanted}) does not match the {word} in record ({found}). {then}"
            raise ApiError(409, "Conflict", f"{subject}: {detail}", details=details)


def deletion_answer(kind: Kind, deleted: Object) -> Object:
    """The Status document for an object that went at once."""
    meta = metadata_of(deleted)
    group = {"group": kind.resource.group} if kind.resource.group else {}
    details = {"name": meta["name"], **group, "kind": kind.resource.plural, "uid": meta["uid"]}
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details}


def terminating(kind: Kind, namespace: str, body: Object) -> ApiError:
    """Nothing new is made in a namespace that is going."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    return forbidden(kind.resource, str(metadata_of(body).get("name", "")), why, [cause])


def admit_new(kind: Kind, body: Object, options: WriteOptions) -> Object:
    """A stamped body as it is stored: completed, and valid. Raises Invalid, BadRequest."""
    if kind.structure is None:
        kind.default(body)
        new, checks = body, kind.validate
    else:
        if kind.has_status:
            body.pop("status", None)
        new, unknown = kind.structure.complete(body, None)
        _report(kind, unknown, options)
        checks = kind.structure.causes
    causes = [*metadata_causes(kind, new["metadata"]), *checks(new, None)]
    if causes:
        raise invalid(kind.resource, str(new["metadata"].get("name", "")), causes)
    _warn_of_finalizers(new, options)
    return new


def admit_update(kind: Kind, old: Object, body: Object, subresource: str, options: WriteOptions) -> Object:
    """What an update stores: status and all else never change together. Raises Invalid, BadRequest."""
    meta = carried_over(body["metadata"], metadata_of(old))
    if subresource:
        new = _with_status(old, body)
        managed = meta.get("managedFields")
        new["metadata"] = {**metadata_of(old), **({"managedFields": managed} if managed else {})}
    else:
        new = _with_status(body, old) if kind.has_status else dict(body)
        new["metadata"] = meta
    new = _completed(kind, old, new, subresource, options)
    _check_update(kind, old, new, subresource)
    _warn_of_finalizers(new, options)
    if kind.generation and spec_changed(new, old):
        next_generation(new["metadata"])
    return new


def _completed(kind: Kind, old: Object, new: Object, subresource: str, options: WriteOptions) -> Object:
    if kind.structure is not None:
        completed, unknown = kind.structure.complete(new, old)
        _report(kind, unknown, options)
        # The stamp writes into metadata: it must not be the old version's.
        return {**completed, "metadata": {**completed["metadata"]}}
    if not subresource:
        # Defaults are filled in place: parts shared with the old version would change with it.
        new = own_copy(new)
        kind.default(new)
    return new


def _check_update(kind: Kind, old: Object, new: Object, subresource: str) -> None:
    causes = []
    if not subresource:
        causes = [*changeable_causes(new["metadata"]), *_finalizer_causes(old, new)]
    if kind.structure is not None:
        causes += kind.structure.causes(new, old)
    elif not subresource:
        causes += kind.validate(new, old)
    if causes:
        raise invalid(kind.resource, new["metadata"]["name"], causes)


def _with_status(base: Object, source: Mapping[str, Any]) -> Object:
    kept = {name: value for name, value in base.items() if name != "status"}
    if "status" in source:
        kept["status"] = source["status"]
    return kept


def _finalizer_causes(old: Object, new: Object) -> list[Any]:
    if "deletionTimestamp" not in metadata_of(old):
        return []
    before = metadata_of(old).get("finalizers") or ()
    added = [name for name in new["metadata"].get("finalizers") or () if name not in before]
    if not added:
        return []
    listed = ", ".join(f'"{name}"' for name in added)
    detail = "no new finalizers can be added if the object is being deleted, found new finalizers"
    detail += f" []string{{{listed}}}"
    return [field_forbidden("metadata.finalizers", detail)]


def _warn_of_finalizers(new: Object, options: WriteOptions) -> None:
    for name in new["metadata"].get("finalizers") or ():
        if "/" not in name:
            advice = "prefer a domain-qualified finalizer name to avoid accidental conflicts"
            options.warn(f'metadata.finalizers: "{name}": {advice} with other finalizer writers')


def _report(kind: Kind, unknown: list[str], options: WriteOptions) -> None:
    """Refuse unknown fields, or say that they were dropped, as the request wants it."""
    if not unknown or options.fields == "Ignore":
        return
    sentences = [f'unknown field "{path}"' for path in sorted(unknown)]
    if options.fields == "Strict":
        word = kind.resource.kind
        what = f'{word} in version "{kind.resource.version}" cannot be handled as a {word}'
        raise bad_request(f"{what}: strict decoding error: {', '.join(sentences)}")
    for sentence in sentences:
        options.warn(sentence)


def version_number(version: str) -> int:
    """A resourceVersion as a number. Raises BadRequest for one that this server cannot have given."""
    if not version.isdigit():
        message = f'resourceVersion: Invalid value: "{version}": strconv.ParseUint: parsing "{version}": invalid syntax'
        raise bad_request(message)
    return int(version)
