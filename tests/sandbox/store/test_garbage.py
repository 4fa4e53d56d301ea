"""What goes because its owner or its namespace goes."""

import pytest

from support.api_objects import WIDGETS, configmap, new_store, owned, pod, run_on, widget
from trainingjob_operator.api.resources import CONFIGMAPS, CRDS, NAMESPACES, PODS
from trainingjob_operator.cluster.api import ApiError
from trainingjob_sandbox.store import DeleteOptions, Store


def test_dependents_go_after_their_owner_when_garbage_is_collected() -> None:
    store, owner = _owner()
    store.create(CONFIGMAPS, "default", owned(configmap(), owner))

    store.delete(WIDGETS, "default", "w")
    assert store.exists(CONFIGMAPS, "default", "c")

    assert store.collect_garbage() > 0
    assert not store.exists(CONFIGMAPS, "default", "c")
    assert store.collect_garbage() == 0


def test_a_dependent_of_a_dependent_goes_too() -> None:
    store, owner = _owner()
    child = store.create(CONFIGMAPS, "default", owned(configmap("child"), owner)).object
    store.create(CONFIGMAPS, "default", owned(configmap("grandchild"), child))

    store.delete(WIDGETS, "default", "w")
    store.collect_garbage()

    assert store.list(CONFIGMAPS).records == []


def test_an_object_whose_owner_never_existed_is_collected() -> None:
    store, owner = _owner()
    stranger = owner | {"metadata": owner["metadata"] | {"uid": "never-was"}}
    store.create(CONFIGMAPS, "default", owned(configmap(), stranger))

    store.collect_garbage()

    assert not store.exists(CONFIGMAPS, "default", "c")


def test_a_namesake_of_the_owner_does_not_keep_the_dependents() -> None:
    store, owner = _owner()
    store.create(CONFIGMAPS, "default", owned(configmap(), owner))
    store.delete(WIDGETS, "default", "w")
    store.create(WIDGETS, "default", widget())

    store.collect_garbage()

    assert not store.exists(CONFIGMAPS, "default", "c")


def test_a_dependent_of_two_stays_with_the_one_that_is_left() -> None:
    store, owner = _owner()
    other = store.create(WIDGETS, "default", widget("other")).object
    store.create(CONFIGMAPS, "default", owned(configmap(), owner, other))

    store.delete(WIDGETS, "default", "w")
    store.collect_garbage()

    references = store.get(CONFIGMAPS, "default", "c").object["metadata"]["ownerReferences"]
    assert [reference["name"] for reference in references] == ["other"]


def test_collected_pods_get_their_grace_period() -> None:
    store, owner = _owner()
    store.create(PODS, "default", owned(pod(node="n"), owner))

    store.delete(WIDGETS, "default", "w")
    store.collect_garbage()

    assert "deletionTimestamp" in store.get(PODS, "default", "p").object["metadata"]


def test_foreground_deletion_waits_for_the_dependents_that_block() -> None:
    store, owner = _owner()
    store.create(PODS, "default", owned(pod(node="n"), owner, blocking=True))

    store.delete(WIDGETS, "default", "w", DeleteOptions(propagation="Foreground"))
    store.collect_garbage()
    assert "deletionTimestamp" in store.get(PODS, "default", "p").object["metadata"]
    assert store.get(WIDGETS, "default", "w").object["metadata"]["finalizers"] == ["foregroundDeletion"]

    store.delete(PODS, "default", "p", DeleteOptions(grace_seconds=0))
    store.collect_garbage()
    assert not store.exists(WIDGETS, "default", "w")


def test_foreground_deletion_of_an_owner_without_dependents_is_done_at_once() -> None:
    store, _ = _owner()

    store.delete(WIDGETS, "default", "w", DeleteOptions(propagation="Foreground"))
    store.collect_garbage()

    assert not store.exists(WIDGETS, "default", "w")


def test_orphans_stay_and_forget_their_owner() -> None:
    store, owner = _owner()
    store.create(CONFIGMAPS, "default", owned(configmap(), owner))

    store.delete(WIDGETS, "default", "w", DeleteOptions(propagation="Orphan"))
    store.collect_garbage()

    assert not store.exists(WIDGETS, "default", "w")
    assert "ownerReferences" not in store.get(CONFIGMAPS, "default", "c").object["metadata"]


def test_a_closed_owner_that_is_itself_garbage_is_looked_at_once_only() -> None:
    store, owner = _owner()
    child = owned(configmap("child"), owner)
    store.create(CONFIGMAPS, "default", child)
    store.delete(WIDGETS, "default", "w")
    store.delete(CONFIGMAPS, "default", "child", DeleteOptions(propagation="Foreground"))

    store.collect_garbage()

    assert not store.exists(CONFIGMAPS, "default", "child")


def test_an_owner_in_another_namespace_is_no_owner() -> None:
    store, owner = _owner()
    store.create(NAMESPACES, None, {"metadata": {"name": "team"}})
    store.create(CONFIGMAPS, "team", owned(configmap(namespace="team"), owner))

    store.collect_garbage()

    assert not store.exists(CONFIGMAPS, "team", "c")


def test_a_dependent_that_waits_for_its_own_dependents_goes_on_waiting_when_its_owner_goes() -> None:
    store, owner = _owner()
    child = store.create(CONFIGMAPS, "default", owned(configmap("child"), owner)).object
    store.create(PODS, "default", owned(pod(node="n"), child, blocking=True))
    store.delete(CONFIGMAPS, "default", "child", DeleteOptions(propagation="Foreground"))

    store.delete(WIDGETS, "default", "w")
    store.collect_garbage()

    assert store.get(CONFIGMAPS, "default", "child").object["metadata"]["finalizers"] == ["foregroundDeletion"]


def test_nothing_is_made_in_a_namespace_that_does_not_exist() -> None:
    with pytest.raises(ApiError, match='namespaces "nowhere" not found') as refused:
        new_store().create(CONFIGMAPS, "nowhere", configmap(namespace="nowhere"))

    assert refused.value.status == 404


def test_a_deleted_namespace_lets_nothing_in_and_goes_when_its_last_pod_has() -> None:
    store = new_store()
    store.create(NAMESPACES, None, {"metadata": {"name": "team"}})
    store.create(CONFIGMAPS, "team", configmap(namespace="team"))
    run_on(store, "p", "n", namespace="team")

    store.delete(NAMESPACES, None, "team")
    assert store.get(NAMESPACES, None, "team").object["status"] == {"phase": "Terminating"}
    with pytest.raises(ApiError, match="because it is being terminated") as refused:
        store.create(CONFIGMAPS, "team", configmap("late", namespace="team"))
    assert refused.value.reason == "Forbidden"

    store.collect_garbage()
    assert not store.exists(CONFIGMAPS, "team", "c")
    assert "deletionTimestamp" in store.get(PODS, "team", "p").object["metadata"]
    assert store.exists(NAMESPACES, None, "team")

    store.delete(PODS, "team", "p", DeleteOptions(grace_seconds=0))
    store.collect_garbage()
    assert not store.exists(NAMESPACES, None, "team")


def test_an_empty_namespace_goes_at_the_next_collection() -> None:
    store = new_store()
    store.create(NAMESPACES, None, {"metadata": {"name": "team"}})

    store.delete(NAMESPACES, None, "team")
    store.collect_garbage()

    assert not store.exists(NAMESPACES, None, "team")


def test_the_objects_of_a_kind_go_with_its_definition() -> None:
    store, owner = _owner()
    store.create(CONFIGMAPS, "default", owned(configmap(), owner))

    store.delete(CRDS, None, "widgets.example.dev")
    store.collect_garbage()

    assert not store.exists(CONFIGMAPS, "default", "c")
    with pytest.raises(ApiError, match="could not find the requested resource"):
        store.list(WIDGETS)


def _owner() -> tuple[Store, dict[str, object]]:
    store = new_store()
    return store, store.create(WIDGETS, "default", widget()).object
