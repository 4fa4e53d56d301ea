"""kopf's part: its start and end, its login, and the watch of TrainingJobs.

The one handler writes nothing: it puts what it sees into the cache, which wakes the queue. Everything that kopf would
write or watch by itself is off (docs/design.md, "kopf").
"""

import itertools
import logging
import random
from collections.abc import Callable, Iterator
from typing import Any

import kopf
from aiohttp import ClientMiddlewareType

from trainingjob_operator.api import names
from trainingjob_operator.cluster.cache import JobCache, Key
from trainingjob_operator.cluster.connect import ConfiguredCredentials, session
from trainingjob_operator.cluster.traffic import Authorization

logger = logging.getLogger(__name__)

WATCH_SECONDS = 300
REQUEST_SECONDS = 30.0


def registry(jobs: JobCache, login: Callable[[], kopf.AiohttpSession]) -> kopf.OperatorRegistry:
    """kopf's registry with our login (one configuration for both clients) and our one handler, which feeds ``jobs``."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    async def log_in(**_: Any) -> kopf.AiohttpSession:
        return login()

    @kopf.on.event(names.GROUP, names.VERSION, "trainingjobs", registry=found)
    async def changed(event: Any, **_: Any) -> None:
        # Not a plain function: kopf runs those in threads, and cache and queue belong to the event loop.
        take(jobs, event["type"], event["object"])

    return found


def connection(configuration: Any, *middlewares: ClientMiddlewareType) -> kopf.AiohttpSession:
    """kopf's connection: a session of its own, which it closes. Asked for anew when the API server answers 401."""
    authorized = Authorization(ConfiguredCredentials(configuration))
    opened = session(configuration, authorized, *middlewares)
    return kopf.AiohttpSession(server=configuration.host, aiohttp_session=opened)


def take(jobs: JobCache, kind: str | None, raw: Any) -> None:
    """One event of the TrainingJob watch; a job that cannot be read is reported and left alone."""
    meta = raw["metadata"]
    key = Key(meta["namespace"], meta["name"])
    if kind == "DELETED":
        jobs.remove(key, meta["uid"])
        return
    try:
        jobs.put(dict(raw))
    except ValueError as error:
        logger.error("%s: its status was not written by this operator: %s", key, error)


def settings() -> kopf.OperatorSettings:
    """kopf, told to write nothing and to give up never."""
    found = kopf.OperatorSettings()
    found.posting.enabled = False
    found.scanning.disabled = True
    found.peering.standalone = True
    found.networking.error_backoffs = EndlessBackoff()
    found.watching.chunk_size = 500
    found.watching.server_timeout = WATCH_SECONDS  # a stream that never ends cannot be told from a dead one
    found.networking.request_timeout = REQUEST_SECONDS
    found.queueing.idle_timeout = 0.1  # a task per object otherwise lingers for 5 s
    found.persistence.diffbase_storage = NoStorage()
    return found


class EndlessBackoff:
    """Seconds between the retries of kopf's requests, jittered, up to 30 s, for ever.

    A finite list ends the operator after an outage of a minute.
    """

    def __iter__(self) -> Iterator[float]:
        return (min(0.5 * 2.0 ** min(n, 10), 30.0) * (0.5 + random.random()) for n in itertools.count())  # noqa: S311


class NoStorage(kopf.AnnotationsDiffBaseStorage):
    """Spares four deep copies of each body per event: nothing here compares old and new."""

    def build(self, **_: Any) -> Any:
        return {}

    def fetch(self, **_: Any) -> None:
        return None
