"""kopf's part: what it hands over, and what it was told not to do."""

import itertools
import logging
from typing import Any

import pytest
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


def configuration(**fields: Any) -> Any:
    """A configuration of the Kubernetes client, as connect.load gives it."""
    found = client.Configuration(host="https://10.0.0.1:6443")
    for name, value in fields.items():
        setattr(found, name, value)
    return found


def test_the_one_handler_feeds_the_cache(jobs: JobCache) -> None:
    (handler,) = handlers.registry(jobs, configuration())._watching.get_all_handlers()

    handler.fn(event={"type": "ADDED", "object": raw_job()}, name="ignored")

    found = jobs.get(KEY)
    assert found is not None
    assert found.uid == UID


def test_kopf_logs_in_with_the_configuration_of_the_other_client(jobs: JobCache) -> None:
    given = configuration(ssl_ca_cert="ca.crt", cert_file="me.crt", key_file="me.key", verify_ssl=False)
    (handler,) = handlers.registry(jobs, given)._activities.get_all_handlers()

    found = handler.fn(logger="ignored")

    assert (found.server, found.ca_path, found.insecure) == ("https://10.0.0.1:6443", "ca.crt", True)
    assert (found.certificate_path, found.private_key_path) == ("me.crt", "me.key")
    assert (found.scheme, found.token) == (None, None)


def test_a_token_is_handed_to_kopf_with_its_scheme() -> None:
    found = handlers.connection(configuration(api_key={"authorization": "Bearer secret"}))

    assert (found.scheme, found.token, found.insecure) == ("Bearer", "secret", False)


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
