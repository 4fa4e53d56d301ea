"""Binds PersistentVolumeClaims: on this machine a claim is a folder, made when the claim is applied.

Writes each claim's status once. Where a controller manager binds claims too, the last word is its own; pods here start
on the claim's existence, not on its phase.
"""

import logging
from collections.abc import Callable, Collection, Coroutine
from typing import Any

from trainingjob_operator.api.resources import CLAIMS
from trainingjob_operator.cluster.api import Api, ApiError
from trainingjob_sandbox.node.prepare import ClaimFolders

Object = dict[str, Any]
logger = logging.getLogger(__name__)

Spawn = Callable[[Coroutine[Any, Any, None]], None]


class Claims:
    """A reflector's sink that binds what it sees."""

    def __init__(self, api: Api, folders: ClaimFolders, spawn: Spawn) -> None:
        self._api = api
        self._folders = folders
        self._spawn = spawn
        self._seen: set[str] = set()

    def put(self, raw: Object) -> None:
        uid = raw["metadata"]["uid"]
        if uid not in self._seen and is_unbound(raw):
            self._seen.add(uid)
            self._spawn(self._bind(raw))

    def remove(self, raw: Object) -> None:
        # The folder stays: a claim's data is the user's.
        self._seen.discard(raw["metadata"]["uid"])

    def retain(self, uids: Collection[str], _version: str) -> None:
        self._seen &= set(uids)

    async def _bind(self, claim: Object) -> None:
        metadata = claim["metadata"]
        try:
            self._folders.folder(metadata["namespace"], metadata["name"]).mkdir(parents=True, exist_ok=True)
            body = {"metadata": {"uid": metadata["uid"]}, "status": bound_status(claim)}
            await self._api.patch(CLAIMS, metadata["namespace"], metadata["name"], body, subresource="status")
        except (ApiError, OSError, TimeoutError) as error:
            self._seen.discard(metadata["uid"])
            logger.warning("claim %s/%s: %s", metadata["namespace"], metadata["name"], error)


def is_unbound(claim: Object) -> bool:
    """Whether nobody has bound the claim yet."""
    phase = (claim.get("status") or {}).get("phase", "Pending")
    return phase == "Pending" and not claim["spec"].get("volumeName")


def bound_status(claim: Object) -> Object:
    """The status of a bound claim: it has what it asked for."""
    requests = (claim["spec"].get("resources") or {}).get("requests") or {}
    capacity = {"storage": requests["storage"]} if "storage" in requests else {}
    return {"phase": "Bound", "accessModes": claim["spec"].get("accessModes") or [], "capacity": capacity}
