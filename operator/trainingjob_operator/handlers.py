"""kopf's part: start-up, login, signals, liveness, and the watch of TrainingJobs.

The one handler writes nothing: it puts what it sees into the cache, which wakes the queue. Everything that kopf would
write or watch by itself is off (docs/design.md, "kopf").
"""

import itertools
import logging
import random
from collections.abc import Iterator
from typing import Any

import kopf

from trainingjob_operator.api import names
from trainingjob_operator.cluster.cache import JobCache, Key
from trainingjob_operator.cluster.connect import authorization_headers

logger = logging.getLogger(__name__)


def registry(jobs: JobCache, configuration: Any) -> kopf.OperatorRegistry:
    """kopf's registry with our login (one configuration for both clients) and our one handler, which feeds ``jobs``."""
    found = kopf.OperatorRegistry()

    @kopf.on.login(registry=found)
    def login(**_: Any) -> kopf.ConnectionInfo:
        return connection(configuration)

    @kopf.on.event(names.GROUP, names.VERSION, "trainingjobs", registry=found)
    def changed(event: Any, **_: Any) -> None:
        take(jobs, event["type"], event["object"])

    return found


def connection(configuration: Any) -> kopf.ConnectionInfo:
    """kopf's connection from a kubernetes Configuration; asked for anew whenever the API server answers 401."""
    authorization = authorization_headers(configuration).get("authorization", "")
    scheme, _, token = authorization.partition(" ")
    return kopf.ConnectionInfo(
        server=configuration.host,
        ca_path=configuration.ssl_ca_cert,
        insecure=not configuration.verify_ssl,
        certificate_path=configuration.cert_file,
        private_key_path=configuration.key_file,
        scheme=scheme or None,
        token=token or None,
    )


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
