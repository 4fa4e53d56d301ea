"""Events are told beside the passes that decided them, and lost rather than waited for."""

import asyncio
import logging

import aiohttp
import pytest

from support.builders import NOON, raw_job
from support.flaky_api import FlakyApi
from trainingjob_operator.api.resources import EVENTS
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_operator.cluster.events import Herald
from trainingjob_operator.cluster.fence import DeposedError
from trainingjob_operator.cluster.news import News
from trainingjob_operator.core.announce import Announcement
from trainingjob_operator.core.observed import Job, job_from

FAILED = Announcement("Warning", "Failed", "x")
COMPLETED = Announcement("Normal", "Completed", "y")


def job() -> Job:
    return job_from(raw_job())


def told(api: FlakyApi) -> list[Object]:
    return [record.object for record in api.store.list(EVENTS, "ml").records]


async def until_quiet(herald: Herald) -> None:
    await asyncio.gather(*herald._tasks, return_exceptions=True)


@pytest.mark.parametrize(
    "error",
    [
        ApiError(403, "Forbidden", "no events"),
        aiohttp.ClientConnectionError("reset"),
        TimeoutError(),
        OSError("no route"),
    ],
)
async def test_an_event_that_cannot_be_published_is_logged_and_forgotten(
    caplog: pytest.LogCaptureFixture, error: Exception
) -> None:
    api = FlakyApi()
    api.fail("create", error)
    herald = Herald(api, News())

    with caplog.at_level(logging.WARNING):
        herald.tell(job(), [FAILED, COMPLETED], NOON)
        await until_quiet(herald)

    assert "event Failed of ml/digits" in caplog.text
    (event,) = told(api)
    assert (event["reason"], event["message"], event["type"]) == ("Completed", "y", "Normal")
    assert event["involvedObject"]["uid"] == job().uid
    assert event["firstTimestamp"] == "2026-01-01T12:00:00Z"


async def test_who_is_no_longer_in_charge_tells_nothing(caplog: pytest.LogCaptureFixture) -> None:
    api = FlakyApi()
    api.fail("create", DeposedError())
    herald = Herald(api, News())

    herald.tell(job(), [FAILED, COMPLETED], NOON)
    await until_quiet(herald)

    assert (told(api), caplog.text) == ([], "")


async def test_events_wait_for_their_turn_and_not_the_one_who_tells() -> None:
    api, news = FlakyApi(), News()
    herald = Herald(api, news)
    assert news.enter("somebody", list)

    herald.tell(job(), [COMPLETED], NOON)
    for _ in range(10):
        await asyncio.sleep(0)
    assert told(api) == []

    news.leave("somebody")
    await until_quiet(herald)
    assert [event["reason"] for event in told(api)] == ["Completed"]


async def test_a_herald_that_is_silenced_tells_no_more_and_gives_its_turn_to_others() -> None:
    api, news = FlakyApi(), News()
    herald = Herald(api, news)
    news.enter("somebody", list)
    herald.tell(job(), [COMPLETED], NOON)
    await asyncio.sleep(0)

    herald.silence()
    await until_quiet(herald)
    news.leave("somebody")

    assert told(api) == []
    assert news.enter("somebody else", list)
