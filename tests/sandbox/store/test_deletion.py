"""When a deleted object goes, and when it stays for a while."""

import pytest

from support.api_objects import WIDGETS, Clock, configmap, finalized, new_store, pod, run_on, widget
from trainingjob_operator.api.resources import CONFIGMAPS, PODS
from trainingjob_operator.cluster.api import MERGE_PATCH, ApiError
from trainingjob_sandbox.store import DeleteOptions, Store


def test_a_running_pod_stays_until_its_node_deletes_it_with_no_grace() -> None:
    store = new_store()
    run_on(store, "p", "n")

    store.delete(PODS, "default", "p")
    meta = store.get(PODS, "default", "p").object["metadata"]
    assert meta["deletionGracePeriodSeconds"] == 30
    assert meta["deletionTimestamp"] == "2026-01-02T03:04:35Z"
    assert meta["generation"] == 2

    store.delete(PODS, "default", "p", DeleteOptions(grace_seconds=0))
    assert not store.exists(PODS, "default", "p")


def test_the_pods_own_grace_period_counts_and_the_requests_goes_before_it() -> None:
    store = new_store()
    store.create(PODS, "default", pod("own", node="n", terminationGracePeriodSeconds=7))
    store.create(PODS, "default", pod("asked", node="n", terminationGracePeriodSeconds=7))

    store.delete(PODS, "default", "own")
    store.delete(PODS, "default", "asked", DeleteOptions(grace_seconds=3))

    assert _grace(store, "own") == 7
    assert _grace(store, "asked") == 3


def test_grace_can_be_shortened_and_not_lengthened() -> None:
    clock = Clock()
    store = new_store(clock=clock)
    run_on(store, "p", "n")
    store.delete(PODS, "default", "p")
    clock.advance(2)

    store.delete(PODS, "default", "p", DeleteOptions(grace_seconds=5))
    assert _grace(store, "p") == 5
    assert store.get(PODS, "default", "p").object["metadata"]["deletionTimestamp"] == "2026-01-02T03:04:10Z"

    version = store.version
    store.delete(PODS, "default", "p", DeleteOptions(grace_seconds=50))
    store.delete(PODS, "default", "p")
    assert _grace(store, "p") == 5
    assert store.version == version


def test_an_unscheduled_pod_goes_at_once() -> None:
    store = new_store()
    store.create(PODS, "default", pod())

    store.delete(PODS, "default", "p")

    assert not store.exists(PODS, "default", "p")


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_a_terminated_pod_goes_at_once(phase: str) -> None:
    store = new_store()
    run_on(store, "p", "n")
    store.patch(PODS, "default", "p", {"status": {"phase": phase}}, content_type=MERGE_PATCH, subresource="status")

    store.delete(PODS, "default", "p")

    assert not store.exists(PODS, "default", "p")


def test_a_finalizer_holds_an_object_until_it_is_removed() -> None:
    store = new_store()
    store.create(WIDGETS, "default", finalized(widget(), "example.dev/hold"))

    store.delete(WIDGETS, "default", "w")
    assert "deletionTimestamp" in store.get(WIDGETS, "default", "w").object["metadata"]

    store.patch(WIDGETS, "default", "w", {"metadata": {"finalizers": []}}, content_type=MERGE_PATCH)
    assert not store.exists(WIDGETS, "default", "w")


def test_no_finalizer_is_added_to_an_object_that_is_going() -> None:
    store = new_store()
    store.create(WIDGETS, "default", finalized(widget(), "example.dev/hold"))
    store.delete(WIDGETS, "default", "w")

    with pytest.raises(ApiError, match="no new finalizers can be added if the object is being deleted"):
        store.patch(
            WIDGETS,
            "default",
            "w",
            {"metadata": {"finalizers": ["example.dev/hold", "example.dev/more"]}},
            content_type=MERGE_PATCH,
        )


def test_a_client_cannot_take_a_deletion_back() -> None:
    store = new_store()
    run_on(store, "p", "n")
    store.delete(PODS, "default", "p")

    store.patch(PODS, "default", "p", {"metadata": {"deletionTimestamp": None}}, content_type=MERGE_PATCH)

    assert "deletionTimestamp" in store.get(PODS, "default", "p").object["metadata"]


def test_a_delete_meant_for_another_life_of_the_name_is_refused() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())

    with pytest.raises(ApiError, match="the UID in the precondition \\(other\\) does not match") as refused:
        store.delete(CONFIGMAPS, "default", "c", DeleteOptions(uid="other"))

    assert (refused.value.status, refused.value.reason) == (409, "Conflict")
    assert store.exists(CONFIGMAPS, "default", "c")


def test_a_delete_meant_for_another_version_is_refused() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())

    with pytest.raises(ApiError, match="the ResourceVersion in the precondition \\(1\\) does not match"):
        store.delete(CONFIGMAPS, "default", "c", DeleteOptions(resource_version="1"))


def test_a_delete_answers_with_the_object_while_it_stays_and_with_success_once_it_is_gone() -> None:
    store = new_store()
    store.create(WIDGETS, "default", finalized(widget("held"), "example.dev/hold"))
    store.create(WIDGETS, "default", widget("free"))
    store.create(PODS, "default", pod())

    assert store.deleted(WIDGETS, "default", "held")["kind"] == "Widget"
    assert store.deleted(WIDGETS, "default", "free")["status"] == "Success"
    assert store.deleted(PODS, "default", "p")["kind"] == "Pod"


def test_an_evicted_pod_says_that_it_was_disrupted() -> None:
    store = new_store()
    run_on(store, "p", "n")

    store.evict("default", "p")

    found = store.get(PODS, "default", "p").object
    assert "deletionTimestamp" in found["metadata"]
    assert found["status"]["conditions"][0]["type"] == "DisruptionTarget"


def test_a_missing_object_cannot_be_deleted() -> None:
    with pytest.raises(ApiError, match=r'widgets\.example\.dev "w" not found') as refused:
        new_store().delete(WIDGETS, "default", "w")

    assert (refused.value.status, refused.value.reason) == (404, "NotFound")


def _grace(store: Store, name: str) -> int:
    return int(store.get(PODS, "default", name).object["metadata"]["deletionGracePeriodSeconds"])
