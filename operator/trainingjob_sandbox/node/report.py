"""What the node writes of a pod, written until the API server takes it.

Decides what an error means: a pod that is gone, or another pod of the same name, is told apart from a server that is
away for a while, which is asked again with growing pauses.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Any

import aiohttp

from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import Api, ApiError

Object = dict[str, Any]
logger = logging.getLogger(__name__)

FIRST_RETRY, LONGEST_RETRY = 0.1, 5.0


class Gone(Exception):  # noqa: N818 - a fact, not a fault
    """The pod object is not there any more."""


async def write_status(api: Api, pod: Object, status: Object) -> Object:
    """Writes the pod's status; the object as it is then.

    Raises:
        Gone: the pod is not there any more, or a namesake is.
    """
    metadata = pod["metadata"]
    # The UID is a precondition: the status of this pod is no business of a namesake.
    body = {"metadata": {"uid": metadata["uid"]}, "status": status}

    async def write() -> Object:
        return await api.patch(PODS, metadata["namespace"], metadata["name"], body, subresource="status")

    return await _persist(api, pod, write, "status")


async def delete(api: Api, pod: Object) -> None:
    """Removes the pod object itself; nothing happens if it is gone."""
    metadata = pod["metadata"]

    async def remove() -> Object:
        return await api.delete(PODS, metadata["namespace"], metadata["name"], uid=metadata["uid"], grace_seconds=0)

    try:
        await _persist(api, pod, remove, "deletion")
    except Gone:
        return


async def _persist(api: Api, pod: Object, write: Callable[[], Awaitable[Object]], what: str) -> Object:
    """Tries until it works, or the pod is gone, or the server says that it will never take it (any other 4xx)."""
    pause = FIRST_RETRY
    while True:
        try:
            return await write()
        except ApiError as error:
            # Another UID is a conflict for a delete and an invalid change for a patch.
            if error.status == 404 or (error.status in (409, 422) and await _is_gone(api, pod)):
                raise Gone from error
            if 400 <= error.status < 500 and error.status not in (409, 429):
                raise
            trouble: Exception = error
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            trouble = error
        name = pod["metadata"]["name"]
        logger.warning("%s of pod %s: %s; again in %.1f s", what, name, trouble or type(trouble).__name__, pause)
        await asyncio.sleep(pause)
        pause = min(pause * 2, LONGEST_RETRY)


async def _is_gone(api: Api, pod: Object) -> bool:
    """Whether a refusal means that the name belongs to another pod by now."""
    metadata = pod["metadata"]
    try:
        found = await api.get(PODS, metadata["namespace"], metadata["name"])
    except ApiError as error:
        return error.status == 404
    return bool(found["metadata"]["uid"] != metadata["uid"])
