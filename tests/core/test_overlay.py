"""How a podTemplate is laid over a pod."""

from copy import deepcopy
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from trainingjob_operator.core.overlay import KEYS, overlaid

WORDS = st.sampled_from(["a", "b", "c"])
SCALARS = st.one_of(st.integers(0, 3), WORDS, st.booleans())


def named(inside: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    """A list of things with unique names, as Kubernetes demands."""
    entries = st.fixed_dictionaries({"name": WORDS}, optional={"image": WORDS, "env": inside, "args": st.lists(WORDS)})
    return st.lists(entries, max_size=3, unique_by=lambda entry: entry["name"])


ENV = st.lists(st.fixed_dictionaries({"name": WORDS, "value": WORDS}), max_size=3, unique_by=lambda one: one["name"])
SPECS = st.fixed_dictionaries(
    {},
    optional={
        "containers": named(ENV),
        "volumes": named(st.just([])),
        "nodeSelector": st.dictionaries(WORDS, WORDS),
        "securityContext": st.dictionaries(WORDS, st.one_of(SCALARS, st.dictionaries(WORDS, SCALARS))),
        "priority": SCALARS,
    },
)


def paths(value: Any, under: str = "", field: str = "") -> set[str]:
    """Every place in a value; entries of merged lists count by their name."""
    if isinstance(value, dict):
        return {under} | {path for key in value for path in paths(value[key], f"{under}.{key}", key)}
    if isinstance(value, list) and field in KEYS:
        return {under} | {path for one in value for path in paths(one, f"{under}[{one[KEYS[field]]}]")}
    return {under}


@given(SPECS, SPECS)
def test_nothing_of_the_base_or_of_the_overlay_is_lost(base: Any, over: Any) -> None:
    merged = paths(overlaid(base, over))

    replaced = {"", *(path for path in paths(base) if "securityContext" in path)}
    assert paths(base) - replaced <= merged
    assert paths(over) <= merged


@given(SPECS, SPECS)
def test_the_inputs_stay_as_they_are(base: Any, over: Any) -> None:
    before = deepcopy((base, over))

    overlaid(base, over)

    assert (base, over) == before


@given(SPECS)
def test_a_value_laid_over_itself_and_an_empty_overlay_change_nothing(spec: Any) -> None:
    assert overlaid(spec, spec) == spec
    assert overlaid(spec, {}) == spec
    assert overlaid({}, spec) == spec


@given(SPECS, SPECS)
def test_laying_an_overlay_twice_is_laying_it_once(base: Any, over: Any) -> None:
    once = overlaid(base, over)

    assert overlaid(once, over) == once


def test_the_overlay_wins_where_both_say_something() -> None:
    base = {"a": 1, "m": {"x": 1, "y": 1}, "l": [1], "t": {"k": 1}}

    assert overlaid(base, {"a": 2, "m": {"x": 2}, "l": [2], "t": 3}) == {
        "a": 2,
        "m": {"x": 2, "y": 1},
        "l": [2],
        "t": 3,
    }


def test_lists_of_named_things_are_merged_by_name_in_the_bases_order() -> None:
    base = {"containers": [{"name": "trainer", "image": "t"}, {"name": "side", "image": "s"}]}
    over = {"containers": [{"name": "new"}, {"name": "side", "image": "s2"}, {"name": "trainer", "tty": True}]}

    assert overlaid(base, over)["containers"] == [
        {"name": "trainer", "image": "t", "tty": True},
        {"name": "side", "image": "s2"},
        {"name": "new"},
    ]


def test_each_kind_of_list_has_its_own_key() -> None:
    base = {
        "volumeMounts": [{"mountPath": "/data", "name": "data"}],
        "ports": [{"containerPort": 29500, "name": "rendezvous"}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["a"]}],
    }
    over = {
        "volumeMounts": [{"mountPath": "/data", "subPath": "x"}, {"mountPath": "/cache", "name": "data"}],
        "ports": [{"containerPort": 9090}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}],
    }

    assert overlaid(base, over) == {
        "volumeMounts": [
            {"mountPath": "/data", "name": "data", "subPath": "x"},
            {"mountPath": "/cache", "name": "data"},
        ],
        "ports": [{"containerPort": 29500, "name": "rendezvous"}, {"containerPort": 9090}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["b"]}],
    }


def test_tolerations_are_added() -> None:
    base, over = {"tolerations": [{"key": "a"}]}, {"tolerations": [{"key": "b"}]}

    assert overlaid(base, over) == {"tolerations": [{"key": "a"}, {"key": "b"}]}
