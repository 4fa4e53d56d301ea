"""One entry to all patch formats. Decides by content type how a body changes an object."""

from datetime import datetime
from typing import Any

from trainingjob_operator.cluster.api import APPLY_PATCH, JSON_PATCH, MERGE_PATCH, Object
from trainingjob_sandbox.store.errors import bad_request, unsupported_media_type
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.metadata import timestamp
from trainingjob_sandbox.store.patches.apply import apply_patch
from trainingjob_sandbox.store.patches.json_patch import go_word, json_patch
from trainingjob_sandbox.store.patches.merge import merge_patch
from trainingjob_sandbox.store.patches.strategic import strategic_merge
from trainingjob_sandbox.store.writes import check_applied, check_manager

STRATEGIC_PATCH = "application/strategic-merge-patch+json"


def patched(
    kind: Kind, old: Object, body: Any, content_type: str, subresource: str, manager: str, force: bool, now: datetime
) -> Object:
    """The object as the patch leaves it. Raises BadRequest, Conflict (apply), UnsupportedMediaType."""
    if content_type == JSON_PATCH:
        changed: Object = json_patch(old, body)
        return changed
    if not isinstance(body, dict):
        into = "Go value of type map[string]interface {}"
        raise bad_request(f"error decoding patch: json: cannot unmarshal {go_word(body)} into {into}")
    if content_type == APPLY_PATCH:
        check_manager(manager)
        check_applied(kind, body)
        moment = timestamp(now)
        return apply_patch(old, body, kind.shape, manager=manager, subresource=subresource, force=force, now=moment)
    merged: Object
    if content_type == MERGE_PATCH:
        merged = merge_patch(old, body)
    elif content_type == STRATEGIC_PATCH and not kind.custom:
        merged = strategic_merge(old, body, kind.shape)
    else:
        strategic = () if kind.custom else (STRATEGIC_PATCH,)
        raise unsupported_media_type((JSON_PATCH, MERGE_PATCH, *strategic, APPLY_PATCH))
    return merged
