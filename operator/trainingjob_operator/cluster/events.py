"""Publishes announcements as Kubernetes events on a job. An event that cannot be published is logged and forgotten:
what it says stands in the status as well.
"""

import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import aiohttp

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import EVENTS
from trainingjob_operator.cluster.api import Api, ApiError, Object
from trainingjob_operator.core.announce import Announcement
from trainingjob_operator.core.observed import Job

logger = logging.getLogger(__name__)


async def publish(api: Api, job: Job, announcements: Iterable[Announcement], now: datetime) -> None:
    """Write the events of one pass, in their order."""
    for announcement in announcements:
        try:
            await api.create(EVENTS, job.namespace, _event(job, announcement, now))
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("event %s of %s/%s: %s", announcement.reason, job.namespace, job.name, error)


def _event(job: Job, announcement: Announcement, now: datetime) -> Object:
    at = now.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {"generateName": f"{job.name}-", "namespace": job.namespace},
        "involvedObject": {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "namespace": job.namespace,
            "name": job.name,
            "uid": job.uid,
            "resourceVersion": job.resource_version,
        },
        "type": announcement.type,
        "reason": announcement.reason,
        "message": announcement.message,
        "source": {"component": names.MANAGED_BY},
        "reportingComponent": names.MANAGED_BY,
        "firstTimestamp": at,
        "lastTimestamp": at,
        "count": 1,
    }
