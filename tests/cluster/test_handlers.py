"""kopf's part: what it hands over, and what it was told not to do."""

import inspect
import itertools
import logging

import kopf
import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer
from kubernetes import client

from support.builders import UID, raw_job
from trainingjob_operator import handlers
from trainingjob_operator.cluster.cache import JobCache, Key

KEY = Key("ml", "digits")


@pytest.fixture
def jobs() -> JobCache:
    return JobCache(lambda _: None)


@pytest.mark.parametrize("kind", [None, "ADDED", "MODIFIED"])
def test_what_is_seen_goes_into_the_cache(jobs: JobCache, kind: str | None) -> None:
    handlers.take(jobs, kind, raw_job())

    assert jobs.get(KEY) is not None


def test_what_is_deleted_leaves_it(jobs: JobCache) -> None:
    handlers.take(jobs, "ADDED", raw_job())
    handlers.take(jobs, "DELETED", raw_job())

    assert jobs.get(KEY) is None


def test_a_job_with_a_status_that_is_not_ours_is_reported_and_left_alone(
    jobs: JobCache, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level(logging.ERROR):
        handlers.take(jobs, "ADDED", raw_job(status={"attempt": "many"}))

    assert jobs.get(KEY) is None
    assert "ml/digits: its status was not written by this operator" in caplog.text


def not_asked() -> kopf.AiohttpSession:
    raise AssertionError("nobody logs in")


async def test_the_one_handler_feeds_the_cache(jobs: JobCache) -> None:
    (handler,) = handlers.registry(jobs, not_asked)._watching.get_all_handlers()

    await handler.fn(event={"type": "ADDED", "object": raw_job()}, name="ignored")

    found = jobs.get(KEY)
    assert found is not None
    assert found.uid == UID


def test_no_handler_leaves_the_event_loop(jobs: JobCache) -> None:
    """kopf runs plain functions in threads, and neither cache nor queue may be touched there."""
    found = handlers.registry(jobs, not_asked)

    every = [*found._watching.get_all_handlers(), *found._activities.get_all_handlers()]
    assert all(inspect.iscoroutinefunction(handler.fn) for handler in every)


async def test_kopf_logs_in_with_a_session_that_asks_for_credentials_each_time(jobs: JobCache) -> None:
    seen: list[str | None] = []

    async def answer(request: web.Request) -> web.Response:
        seen.append(request.headers.get("Authorization"))
        return web.json_response({})

    app = web.Application()
    app.router.add_get("/api", answer)
    async with TestServer(app) as server:
        given = client.Configuration(host=str(server.make_url("")).rstrip("/"))
        given.api_key = {"authorization": "Bearer secret"}
        (login,) = handlers.registry(jobs, lambda: handlers.connection(given))._activities.get_all_handlers()

        found = await login.fn(logger="ignored")
        async with found.aiohttp_session as session, session.get(f"{found.server}/api"):
            pass

    assert seen == ["Bearer secret"]


def test_kopf_writes_nothing_and_never_gives_up() -> None:
    found = handlers.settings()

    assert (found.posting.enabled, found.scanning.disabled, found.peering.standalone) == (False, True, True)
    assert isinstance(found.networking.error_backoffs, handlers.EndlessBackoff)
    assert (found.persistence.diffbase_storage.build(body={}), found.persistence.diffbase_storage.fetch(body={})) == (
        {},
        None,
    )


def test_the_backoff_grows_to_half_a_minute_and_never_ends() -> None:
    waits = list(itertools.islice(handlers.EndlessBackoff(), 200))

    assert 0.25 <= waits[0] <= 0.75
    assert all(15 <= wait <= 45 for wait in waits[6:])
    assert len(set(waits)) > 100
