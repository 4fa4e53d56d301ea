"""Publishes announcements as Kubernetes events on a job. An event that cannot be published is logged and forgotten:
what it says stands in the status as well.

Nothing waits for an event: it is published beside the pass that decided it, when there is room for it.
"""

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import aiohttp

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import EVENTS
from trainingjob_operator.cluster.api import Api, ApiError, Object
from trainingjob_operator.cluster.cache import Key
from trainingjob_operator.cluster.fence import DeposedError
from trainingjob_operator.cluster.news import News
from trainingjob_operator.core.announce import Announcement
from trainingjob_operator.core.observed import Job

logger = logging.getLogger(__name__)


class Herald:
    """Tells what was decided. Whoever owns it ends it with ``silence``."""

    def __init__(self, api: Api, news: News) -> None:
        self._api = api
        self._news = news
        self._tasks: set[asyncio.Task[None]] = set()

    def tell(self, job: Job, announcements: Iterable[Announcement], now: datetime) -> None:
        """Publish the events of one pass, in their order, when there is room."""
        events = [_event(job, announcement, now) for announcement in announcements]
        if events:
            task = asyncio.create_task(self._publish(Key(job.namespace, job.name), events))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    def silence(self) -> None:
        """Publish no more."""
        for task in self._tasks:
            task.cancel()

    async def _publish(self, key: Key, events: Iterable[Object]) -> None:
        for event in events:
            try:
                async with self._news.turn_of_event():
                    await self._api.create(EVENTS, key.namespace, event)
            except DeposedError:
                return  # another process is in charge, which tells what it decides
            except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
                logger.warning("event %s of %s: %s", event["reason"], key, error)


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
