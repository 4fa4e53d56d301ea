"""What watchers see, and lists in pages."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.api_objects import WIDGETS, configmap, labelled, new_store, pod, widget
from trainingjob_operator.api.resources import CONFIGMAPS, PODS
from trainingjob_operator.cluster.api import MERGE_PATCH, ApiError
from trainingjob_sandbox.store import DeleteOptions, Store, Watch

Names = list[tuple[str, str]]


def test_a_watch_sees_what_happens_after_its_version() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap("before"))
    watch = store.watch(CONFIGMAPS, version=str(store.version))

    store.create(CONFIGMAPS, "default", configmap("a"))
    store.patch(CONFIGMAPS, "default", "a", {"data": {"k": "v"}}, content_type=MERGE_PATCH)
    store.delete(CONFIGMAPS, "default", "a")

    assert _taken(watch) == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]
    assert _taken(watch) == []


def test_a_deleted_object_is_shown_as_it_was_last_with_the_version_of_its_deletion() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap(k="v"))
    watch = store.watch(CONFIGMAPS, version=str(store.version))

    store.delete(CONFIGMAPS, "default", "c")

    (seen,) = watch.take()
    assert seen.record.object["data"] == {"k": "v"}
    assert seen.record.object["metadata"]["resourceVersion"] == str(store.version)


def test_a_watch_without_a_version_begins_with_what_is_there() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap("b"))
    store.create(CONFIGMAPS, "default", configmap("a"))

    assert _taken(store.watch(CONFIGMAPS)) == [("ADDED", "a"), ("ADDED", "b")]


def test_an_object_that_comes_to_match_is_added_and_one_that_stops_is_deleted() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap())
    watch = store.watch(CONFIGMAPS, labels="on=yes", version=str(store.version))

    for value in ("no", "yes", "yes", "no"):
        store.patch(CONFIGMAPS, "default", "c", {"metadata": {"labels": {"on": value}}}, content_type=MERGE_PATCH)

    assert _taken(watch) == [("ADDED", "c"), ("DELETED", "c")]


def test_a_watch_of_one_namespace_hears_nothing_of_another() -> None:
    store = new_store()
    watch = store.watch(CONFIGMAPS, "other", version=str(store.version))

    store.create(CONFIGMAPS, "default", configmap())

    assert _taken(watch) == []


def test_a_watch_from_forgotten_history_has_expired() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap("a"))
    old = str(store.version)
    store.create(CONFIGMAPS, "default", configmap("b"))
    lagging = store.watch(CONFIGMAPS, version=old)

    store.forget_history()

    with pytest.raises(ApiError, match="too old resource version") as refused:
        store.watch(CONFIGMAPS, version=old)
    assert (refused.value.status, refused.value.reason) == (410, "Expired")
    with pytest.raises(ApiError) as late:
        lagging.take()
    assert late.value.status == 410


def test_history_is_kept_for_a_number_of_changes_and_current_watches_go_on() -> None:
    store = new_store(history=5)
    watch = store.watch(CONFIGMAPS, version=str(store.version))
    beginning = str(store.version)

    for number in range(40):
        store.create(CONFIGMAPS, "default", configmap(f"c{number}"))
        assert len(watch.take()) == 1

    with pytest.raises(ApiError, match="too old"):
        store.watch(CONFIGMAPS, version=beginning)


def test_a_kind_whose_history_is_quiet_can_be_watched_from_any_version() -> None:
    store = new_store(history=5)
    beginning = str(store.version)
    for number in range(40):
        store.create(CONFIGMAPS, "default", configmap(f"c{number}"))

    assert _taken(store.watch(PODS, version=beginning)) == []


def test_watchers_are_woken_by_writes_until_they_close() -> None:
    store = new_store()
    watch = store.watch(CONFIGMAPS, version=str(store.version))
    woken: list[int] = []
    watch.notify = lambda: woken.append(store.version)

    store.create(CONFIGMAPS, "default", configmap("a"))
    store.create(PODS, "default", pod())
    watch.close()
    store.create(CONFIGMAPS, "default", configmap("b"))

    assert len(woken) == 1


def test_watchers_share_one_object_and_its_encoding() -> None:
    store = new_store()
    watches = [store.watch(CONFIGMAPS, version=str(store.version)) for _ in range(2)]

    store.create(CONFIGMAPS, "default", configmap())

    first, second = (watch.take()[0].record for watch in watches)
    assert first is second
    assert first.encoded is second.encoded


@pytest.mark.parametrize("version", ["x", "-1", "1.5"])
def test_a_version_that_is_no_number_is_refused(version: str) -> None:
    with pytest.raises(ApiError, match="resourceVersion: Invalid value") as refused:
        new_store().watch(PODS, version=version)

    assert refused.value.status == 400


def test_pages_show_the_list_as_it_was_at_the_first_one() -> None:
    store = new_store()
    for name in "dacb":
        store.create(CONFIGMAPS, "default", configmap(name))
    first = store.list(CONFIGMAPS, limit=2)
    store.delete(CONFIGMAPS, "default", "c")
    store.create(CONFIGMAPS, "default", configmap("e"))

    second = store.list(CONFIGMAPS, limit=2, token=first.token)

    assert [record.object["metadata"]["name"] for record in first.records + second.records] == list("abcd")
    assert (first.remaining, second.token) == (2, "")
    assert first.version == second.version < store.version


def test_a_page_of_a_list_that_is_no_longer_kept_has_expired() -> None:
    store = new_store()
    for name in "ab":
        store.create(CONFIGMAPS, "default", configmap(name))
    token = store.list(CONFIGMAPS, limit=1).token
    for _ in range(100):
        store.list(CONFIGMAPS, limit=1)

    with pytest.raises(ApiError) as refused:
        store.list(CONFIGMAPS, limit=1, token=token)
    assert refused.value.status == 410


Step = tuple[str, str, bool]
STEPS = st.lists(st.tuples(st.sampled_from(["create", "patch", "delete"]), st.sampled_from("abc"), st.booleans()))


@given(steps=STEPS, selector=st.sampled_from(["", "on=yes", "on!=yes"]), cut=st.integers(0, 20))
def test_a_list_and_the_watch_from_its_version_give_what_a_later_list_gives(
    steps: list[Step], selector: str, cut: int
) -> None:
    store = new_store()
    for step in steps[:cut]:
        _play(store, step)
    page = store.list(WIDGETS, labels=selector)
    seen = {record.object["metadata"]["name"]: record.object for record in page.records}
    watch = store.watch(WIDGETS, labels=selector, version=str(page.version))

    for step in steps[cut:]:
        _play(store, step)
    for event in watch.take():
        name = event.record.object["metadata"]["name"]
        assert (name in seen) is (event.type != "ADDED")
        if event.type == "DELETED":
            del seen[name]
        else:
            seen[name] = event.record.object

    assert seen == {
        record.object["metadata"]["name"]: record.object for record in store.list(WIDGETS, labels=selector).records
    }


def _play(store: Store, step: Step) -> None:
    action, name, on = step
    labels = {"on": "yes" if on else "no"}
    exists = store.exists(WIDGETS, "default", name)
    if action == "create" and not exists:
        store.create(WIDGETS, "default", labelled(widget(name), **labels))
    elif action == "patch" and exists:
        store.patch(WIDGETS, "default", name, {"metadata": {"labels": labels}}, content_type=MERGE_PATCH)
    elif action == "delete" and exists:
        store.delete(WIDGETS, "default", name, DeleteOptions())


def _taken(watch: Watch) -> Names:
    return [(seen.type, seen.record.object["metadata"]["name"]) for seen in watch.take()]
