"""Whether a deleted object goes at once, after its grace period, or when its finalizers are done.

Decides from the object and the request alone. Never removes anything and never waits: a pod leaves when its node says
so by deleting it again with grace 0.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal, TypeAlias

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.metadata import next_generation, parse_timestamp, timestamp
from trainingjob_sandbox.store.record import metadata_of

Propagation: TypeAlias = Literal["Background", "Foreground", "Orphan"]
FOREGROUND = "foregroundDeletion"
ORPHAN = "orphan"
DEFAULT_GRACE_SECONDS = 30


@dataclass(frozen=True, slots=True)
class DeleteOptions:
    """What a delete request asks for; None means that it does not say. ``grace_seconds`` counts for pods only."""

    uid: str | None = None
    resource_version: str | None = None
    grace_seconds: int | None = None
    propagation: Propagation | None = None
    dry_run: bool = False


def condemned(kind: Kind, stored: Object, options: DeleteOptions, now: datetime) -> Object:
    """The object as a delete request leaves it; the very same object if the request changes nothing."""
    meta = metadata_of(stored)
    changed = dict(meta)
    _set_propagation(changed, options.propagation)
    if "deletionTimestamp" not in meta:
        _mark(changed, _grace(kind, stored, options.grace_seconds), now)
    elif options.grace_seconds is not None:
        _shorten(changed, options.grace_seconds)
    return stored if changed == meta else kind.mark_deleted(stored | {"metadata": changed})


def may_go(marked: Object) -> bool:
    """Whether nothing keeps a condemned object any more: neither grace nor a finalizer."""
    meta = metadata_of(marked)
    if "deletionTimestamp" not in meta or meta.get("deletionGracePeriodSeconds"):
        return False
    return not meta.get("finalizers") and not (marked.get("spec") or {}).get("finalizers")


def _grace(kind: Kind, stored: Object, asked: int | None) -> int:
    if not kind.graceful:
        return 0
    spec = stored.get("spec") or {}
    finished = (stored.get("status") or {}).get("phase") in ("Succeeded", "Failed")
    if finished or not spec.get("nodeName"):
        return 0
    grace = asked if asked is not None else spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_SECONDS)
    return max(int(grace), 1) if grace < 0 else int(grace)


def _mark(meta: Object, grace: int, now: datetime) -> None:
    meta["deletionTimestamp"] = timestamp(now + timedelta(seconds=grace))
    meta["deletionGracePeriodSeconds"] = grace
    next_generation(meta)


def _shorten(meta: Object, grace: int) -> None:
    """Grace can only get shorter, counted from when the deletion was first asked for."""
    current = meta.get("deletionGracePeriodSeconds") or 0
    if grace >= current:
        return
    asked_at = parse_timestamp(meta["deletionTimestamp"]) - timedelta(seconds=current)
    meta["deletionTimestamp"] = timestamp(asked_at + timedelta(seconds=max(grace, 0)))
    meta["deletionGracePeriodSeconds"] = max(grace, 0)


def _set_propagation(meta: Object, propagation: Propagation | None) -> None:
    if propagation is None:
        return
    wanted = {"Foreground": FOREGROUND, "Orphan": ORPHAN}.get(propagation)
    kept = [name for name in meta.get("finalizers") or () if name not in (FOREGROUND, ORPHAN)]
    finalizers = [*kept, wanted] if wanted else kept
    if finalizers:
        meta["finalizers"] = finalizers
    else:
        meta.pop("finalizers", None)
