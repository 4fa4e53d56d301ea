"""Who an object is and which version of it is stored."""

import pytest

from support.api_objects import WIDGETS, Clock, configmap, new_store, pod, widget
from trainingjob_operator.api.resources import CONFIGMAPS, PODS, SERVICES
from trainingjob_operator.cluster.api import JSON_PATCH, MERGE_PATCH, ApiError
from trainingjob_sandbox.store import WriteOptions


def test_a_new_object_gets_a_uid_a_version_a_time_and_generation_one() -> None:
    created = new_store().create(WIDGETS, "default", widget()).object

    meta = created["metadata"]
    assert len(meta["uid"]) == 36
    assert int(meta["resourceVersion"]) > 0
    assert meta["creationTimestamp"] == "2026-01-02T03:04:05Z"
    assert meta["generation"] == 1


def test_what_a_client_says_about_identity_is_ignored_at_creation() -> None:
    body = configmap()
    body["metadata"] |= {"uid": "mine", "creationTimestamp": "1999-01-01T00:00:00Z", "deletionTimestamp": "now"}

    meta = new_store().create(CONFIGMAPS, "default", body).object["metadata"]

    assert meta["uid"] != "mine"
    assert meta["creationTimestamp"].startswith("2026")
    assert "deletionTimestamp" not in meta


def test_equal_seeds_and_equal_histories_give_equal_objects() -> None:
    def history(seed: int) -> list[object]:
        store = new_store(seed=seed)
        body = {"metadata": {"generateName": "x-"}}
        return [store.create(CONFIGMAPS, "default", body).object for _ in range(3)]

    assert history(7) == history(7)
    assert history(7) != history(8)


def test_a_generated_name_keeps_its_prefix_and_stays_a_label() -> None:
    store = new_store()

    name = store.create(PODS, "default", pod() | {"metadata": {"generateName": "x" * 80}}).object["metadata"]["name"]

    assert len(name) == 63
    assert name.startswith("x" * 58)


def test_a_name_is_taken_once() -> None:
    store = new_store()
    store.create(PODS, "default", pod())

    with pytest.raises(ApiError, match='pods "p" already exists') as refused:
        store.create(PODS, "default", pod())

    assert (refused.value.status, refused.value.reason) == (409, "AlreadyExists")


def test_each_write_gets_a_higher_version_than_any_before_it() -> None:
    store = new_store()
    first = store.create(CONFIGMAPS, "default", configmap("a")).version
    second = store.create(PODS, "default", pod()).version
    third = store.patch(CONFIGMAPS, "default", "a", {"data": {"k": "v"}}, content_type=MERGE_PATCH).version

    assert first < second < third == store.version


def test_a_write_that_changes_nothing_makes_no_version() -> None:
    store = new_store()
    before = store.create(CONFIGMAPS, "default", configmap(k="v"))

    after = store.patch(CONFIGMAPS, "default", "c", {"data": {"k": "v"}}, content_type=MERGE_PATCH)

    assert after.version == before.version == store.version


def test_a_spec_change_is_a_new_generation_and_labels_and_status_are_not() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())

    def generation(body: object, subresource: str = "") -> int:
        changed = store.patch(WIDGETS, "default", "w", body, content_type=MERGE_PATCH, subresource=subresource).object
        return int(changed["metadata"]["generation"])

    assert generation({"metadata": {"labels": {"a": "b"}}}) == 1
    assert generation({"status": {"state": "Running"}}, "status") == 1
    assert generation({"spec": {"numNodes": 3}}) == 2


def test_an_old_version_cannot_be_put() -> None:
    store = new_store()
    seen = store.create(WIDGETS, "default", widget()).copy()
    store.patch(WIDGETS, "default", "w", {"spec": {"numNodes": 3}}, content_type=MERGE_PATCH)

    with pytest.raises(ApiError, match="the object has been modified") as refused:
        store.replace(WIDGETS, "default", "w", seen)

    assert (refused.value.status, refused.value.reason) == (409, "Conflict")


def test_a_patch_that_names_an_old_version_is_refused() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())

    with pytest.raises(ApiError, match="the object has been modified"):
        store.patch(WIDGETS, "default", "w", {"metadata": {"resourceVersion": "1"}}, content_type=MERGE_PATCH)


def test_a_custom_object_is_put_only_with_a_version_and_a_pod_also_without() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget())
    store.create(CONFIGMAPS, "default", configmap())

    with pytest.raises(ApiError, match="must be specified for an update"):
        store.replace(WIDGETS, "default", "w", widget(numNodes=4))

    store.replace(CONFIGMAPS, "default", "c", configmap(k="v"))


def test_a_put_for_another_life_of_the_name_is_refused() -> None:
    store = new_store()
    body = store.create(CONFIGMAPS, "default", configmap()).copy()
    body["metadata"]["uid"] = "another"

    with pytest.raises(ApiError, match="UID in precondition: another") as refused:
        store.replace(CONFIGMAPS, "default", "c", body)

    assert refused.value.status == 409


def test_status_is_written_by_its_subresource_only_and_nothing_else_is() -> None:
    store = new_store()
    store.create(WIDGETS, "default", widget() | {"status": {"state": "Early"}})
    assert "status" not in store.get(WIDGETS, "default", "w").object

    body = {"status": {"state": "Running"}, "spec": {"numNodes": 9}, "metadata": {"labels": {"a": "b"}}}
    by_status = store.patch(WIDGETS, "default", "w", body, content_type=MERGE_PATCH, subresource="status").object
    assert by_status["status"] == {"state": "Running"}
    assert by_status["spec"]["numNodes"] == 2
    assert "labels" not in by_status["metadata"]

    by_main = store.patch(WIDGETS, "default", "w", body | {"status": {"state": "X"}}, content_type=MERGE_PATCH).object
    assert by_main["status"] == {"state": "Running"}
    assert by_main["spec"]["numNodes"] == 9


def test_a_kind_without_status_has_no_such_subresource() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())

    with pytest.raises(ApiError, match="could not find the requested resource"):
        store.patch(CONFIGMAPS, "default", "c", {}, content_type=MERGE_PATCH, subresource="status")


def test_a_dry_run_answers_as_the_write_would_and_writes_nothing() -> None:
    store = new_store()
    before = store.version

    answer = store.create(WIDGETS, "default", widget(), WriteOptions(dry_run=True)).object

    assert answer["spec"] == {"image": "abc", "numNodes": 2, "policy": "A"}
    assert store.version == before
    assert not store.exists(WIDGETS, "default", "w")


def test_a_stored_object_does_not_change_with_the_body_it_was_made_from() -> None:
    store = new_store()
    body = configmap(k="v")
    store.create(CONFIGMAPS, "default", body)

    body["data"]["k"] = "changed"

    assert store.get(CONFIGMAPS, "default", "c").object["data"] == {"k": "v"}


@pytest.mark.parametrize("content_type", [MERGE_PATCH, JSON_PATCH, "application/strategic-merge-patch+json"])
def test_an_older_record_stays_as_it_was_when_the_object_is_patched(content_type: str) -> None:
    store = new_store()
    before = store.create(SERVICES, "default", _service())
    kept = before.copy()
    patch = {"spec": {"ports": [{"port": 81, "name": "b"}]}}
    operations = [{"op": "add", "path": "/spec/ports/0/name", "value": "b"}]

    store.patch(
        SERVICES, "default", "s", operations if content_type == JSON_PATCH else patch, content_type=content_type
    )

    assert before.object == kept


def test_the_clock_is_the_callers() -> None:
    clock = Clock()
    store = new_store(clock=clock)
    clock.advance(3600)

    assert store.create(PODS, "default", pod()).object["metadata"]["creationTimestamp"] == "2026-01-02T04:04:05Z"


def _service() -> dict[str, object]:
    ports = [{"port": 80, "name": "a"}]
    return {"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "ports": ports}}
