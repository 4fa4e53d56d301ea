"""Which objects a selector means."""

import pytest

from support.api_objects import configmap, new_store, pod, run_on
from trainingjob_operator.api.resources import EVENTS, NODES, PODS
from trainingjob_operator.cluster.api import MERGE_PATCH, ApiError
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store.selectors import label_matcher

LABELLED = {"metadata": {"labels": {"app": "web", "tier": "2", "on": ""}}}


@pytest.mark.parametrize(
    ("selector", "matches"),
    [
        ("", True),
        ("app", True),
        ("!app", False),
        ("missing", False),
        ("!missing", True),
        ("app=web", True),
        ("app==web", True),
        ("app = web , tier=2", True),
        ("app=db", False),
        ("app!=db", True),
        ("missing!=x", True),
        ("on=", True),
        ("app in (db, web)", True),
        ("app in (db)", False),
        ("app notin (db)", True),
        ("missing notin (db)", True),
        ("tier>1", True),
        ("tier<2", False),
        ("app>1", False),
        ("app in (web),!missing,tier!=3", True),
        ("example.dev/job=x", False),
    ],
)
def test_labels_are_selected_by_equality_and_by_sets(selector: str, matches: bool) -> None:
    assert label_matcher(selector)(LABELLED) is matches


def test_an_object_without_labels_matches_what_asks_for_none() -> None:
    assert label_matcher("!app")({"metadata": {}})
    assert not label_matcher("app")({})


@pytest.mark.parametrize(
    ("selector", "complaint"),
    [
        ("a in b", "found 'b' expected: '\\('"),
        ("a=b=c", "found '=', expected: ','"),
        ("a in (b", "expected: '\\)'"),
        (",", "expected: identifier"),
        ("a>x", "the value must be an integer"),
    ],
)
def test_a_selector_that_cannot_be_read_is_a_bad_request(selector: str, complaint: str) -> None:
    with pytest.raises(ApiError, match=complaint) as refused:
        label_matcher(selector)

    assert refused.value.status == 400


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("metadata.name=a", ["a"]),
        ("metadata.name!=a", ["b", "c"]),
        ("spec.nodeName=n1", ["a"]),
        ("spec.nodeName=", ["c"]),
        ("status.phase=Running", ["b"]),
        ("status.phase!=Running,spec.nodeName!=n1", ["c"]),
        ("metadata.namespace=default", ["a", "b", "c"]),
        ("spec.restartPolicy=Always", ["a", "b", "c"]),
    ],
)
def test_pods_are_selected_by_their_fields(selector: str, names: list[str]) -> None:
    store = new_store()
    run_on(store, "a", "n1")
    run_on(store, "b", "n2")
    store.create(PODS, "default", pod("c"))
    status = {"status": {"phase": "Running"}}
    store.patch(PODS, "default", "b", status, content_type=MERGE_PATCH, subresource="status")

    assert _names(store, selector) == names


def test_a_field_that_a_kind_does_not_offer_is_a_bad_request() -> None:
    with pytest.raises(ApiError, match=r"field label not supported: spec\.image"):
        new_store().list(PODS, fields="spec.image=x")


def test_events_are_selected_by_the_object_they_are_about() -> None:
    store = new_store()
    for name in ("a", "b"):
        involved = {"kind": "Pod", "name": name, "namespace": "default", "uid": f"uid-{name}"}
        store.create(EVENTS, "default", configmap(name) | {"kind": "Event", "involvedObject": involved})

    found = store.list(EVENTS, fields="involvedObject.kind=Pod,involvedObject.uid=uid-b").records

    assert [record.object["metadata"]["name"] for record in found] == ["b"]


def test_nodes_are_selected_by_whether_they_take_pods() -> None:
    store = new_store()
    store.create(NODES, None, {"metadata": {"name": "open"}})
    store.create(NODES, None, {"metadata": {"name": "closed"}, "spec": {"unschedulable": True}})

    found = store.list(NODES, fields="spec.unschedulable=false").records

    assert [record.object["metadata"]["name"] for record in found] == ["open"]


def _names(store: Store, fields: str) -> list[str]:
    return [record.object["metadata"]["name"] for record in store.list(PODS, fields=fields).records]
