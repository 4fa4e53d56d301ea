"""The metadata that the server owns: who an object is, which version, since when, and how often its spec changed.

Decides what a create stamps and what an update may not touch. The clock and the random source are handed in.
"""

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from random import Random
from typing import Any, TypeAlias
from uuid import UUID

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import Cause, bad_request, invalid_value, required
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.names import annotation_causes, label_causes, qualified_complaint

Clock: TypeAlias = Callable[[], datetime]

# No vowels and no look-alikes: generated names spell nothing.
ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
SUFFIX = 5
LONGEST_PREFIX = 63 - SUFFIX

_OWNER_FIELDS = (
    ("apiVersion", "version must not be empty"),
    ("kind", "must not be empty"),
    ("name", "must not be empty"),
    ("uid", "must not be empty"),
)

KEPT = ("uid", "creationTimestamp", "generation", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink")


def timestamp(moment: datetime) -> str:
    """Kubernetes' time format: UTC, whole seconds."""
    return moment.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_timestamp(text: str) -> datetime:
    """The moment of a Kubernetes time, with or without a fraction."""
    return datetime.fromisoformat(text)


def new_uid(random: Random) -> str:
    return str(UUID(int=random.getrandbits(128), version=4))


def generated_name(prefix: str, random: Random) -> str:
    return prefix[:LONGEST_PREFIX] + "".join(random.choices(ALPHABET, k=SUFFIX))


def stamp(kind: Kind, namespace: str, body: Object, clock: Clock, random: Random) -> None:
    """Make a fresh body's metadata that of a new object, in place."""
    meta = body.setdefault("metadata", {})
    if not meta.get("name") and meta.get("generateName"):
        meta["name"] = generated_name(meta["generateName"], random)
    for owned in (*KEPT, "resourceVersion"):
        meta.pop(owned, None)
    if kind.resource.namespaced:
        meta["namespace"] = namespace
    else:
        meta.pop("namespace", None)
    meta["uid"] = new_uid(random)
    meta["creationTimestamp"] = timestamp(clock())
    if kind.generation:
        meta["generation"] = 1


def carried_over(new: Mapping[str, Any], old: Mapping[str, Any]) -> Object:
    """An update's metadata with what the server owns taken from the stored object."""
    merged = {key: value for key, value in new.items() if key not in KEPT}
    merged |= {key: old[key] for key in KEPT if key in old}
    for identity in ("name", "namespace", "generateName"):
        if identity in old:
            merged[identity] = old[identity]
    merged["resourceVersion"] = old["resourceVersion"]
    return merged


def spec_changed(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    """Whether anything but metadata and status differs: that is a new generation."""
    if new.get("spec") != old.get("spec"):
        return True
    apart = ("metadata", "status", "spec")
    return {k: v for k, v in new.items() if k not in apart} != {k: v for k, v in old.items() if k not in apart}


def next_generation(meta: Object) -> None:
    if meta.get("generation"):
        meta["generation"] += 1


def metadata_causes(kind: Kind, meta: Mapping[str, Any]) -> list[Cause]:
    """What is wrong with a new object's metadata."""
    name = meta.get("name")
    if not name:
        return [required("metadata.name", "name or generateName is required")]
    if not isinstance(name, str):
        what = f'{kind.resource.kind} in version "{kind.resource.version}" cannot be handled as a {kind.resource.kind}'
        go = {int: "number", float: "number", bool: "bool", list: "array", dict: "object"}[type(name)]
        raise bad_request(f"{what}: json: cannot unmarshal {go} into Go struct field ObjectMeta.name of type string")
    complaint = kind.name_complaint(name)
    named = [invalid_value("metadata.name", name, complaint)] if complaint else []
    return named + changeable_causes(meta)


def changeable_causes(meta: Mapping[str, Any]) -> list[Cause]:
    """What is wrong with the metadata that an update may change."""
    return [
        *label_causes(meta.get("labels") or {}),
        *annotation_causes(meta.get("annotations") or {}),
        *_owner_causes(meta.get("ownerReferences") or ()),
        *_finalizer_causes(meta.get("finalizers") or ()),
    ]


def _owner_causes(owners: Any) -> list[Cause]:
    causes = [
        invalid_value(f"metadata.ownerReferences.{name}", "", complaint)
        for owner in owners
        for name, complaint in _OWNER_FIELDS
        if not owner.get(name)
    ]
    controllers = [f"{owner.get('kind')}/{owner.get('name')}" for owner in owners if owner.get("controller")]
    if len(controllers) > 1:
        found = " and ".join(controllers[:2])
        detail = f'Only one reference can have Controller set to true. Found "true" in references for {found}'
        causes.append(invalid_value("metadata.ownerReferences", list(owners), detail))
    return causes


def _finalizer_causes(finalizers: Any) -> list[Cause]:
    return [
        invalid_value("metadata.finalizers", name, complaint)
        for name in finalizers
        if (complaint := qualified_complaint(name))
    ]
