"""CEL rules, one at a time: what they may read, and how their refusals read."""

from typing import Any

import pytest

from trainingjob_sandbox.store.schema.rules import ABSENT, rules_of

Object = dict[str, Any]


@pytest.mark.parametrize(
    ("rule", "value", "holds"),
    [
        ("self.a == 1", {"a": 1, "b": 2}, True),
        ("self.a == 1 && self.b == 3", {"a": 1, "b": 2}, False),
        ("!has(self.c) || self.c == 1", {"a": 1}, True),
        ("size(self) == 2", {"a": 1, "b": 2}, True),
        ("self.all(name, name in ['a', 'b'])", {"a": 1, "b": 2}, True),
        ("self.exists(name, self[name] == 3)", {"a": 1, "b": 2}, False),
        ("self == {'a': 1}", {"a": 1}, True),
        ("self.?a.orValue(5) == 5", {"b": 1}, True),
        ("self.?a.?b.orValue(5) == 7", {"a": {"b": 7}}, True),
        ("self.text != '.?a' && self.text == 'x.?b'", {"text": "x.?b"}, True),
        ("self.text.lowerAscii() == 'x'", {"text": "X"}, True),
        ("self.items.map(i, i.n).sum() == 3", {"items": [{"n": 1}, {"n": 2}]}, True),
        ("self.text.matches('^[a-z]+$')", {"text": "ab"}, True),
        ("self.a > 1 ? self.b == 1 : true", {"a": 1}, True),
        ("[has(self.a), has(self.b)].filter(x, x).size() == 1", {"a": 1, "b": 1}, False),
    ],
)
def test_a_rule_sees_the_value(rule: str, value: Object, holds: bool) -> None:
    assert (_broken({"rule": rule}, value) is None) is holds


def test_a_transition_rule_says_nothing_of_a_new_value() -> None:
    rule = {"rule": "self.a == oldSelf.a"}

    assert _broken(rule, {"a": 1}) is None
    assert _broken(rule, {"a": 1}, {"a": 1}) is None
    assert _broken(rule, {"a": 1}, {"a": 2}) == "spec: Invalid value: failed rule: self.a == oldSelf.a"


def test_a_rule_with_an_optional_old_value_judges_new_values_too() -> None:
    rule = {"rule": "oldSelf.hasValue() || self.a == 1", "optionalOldSelf": True, "message": "begin with 1"}

    assert _broken(rule, {"a": 2}) == "spec: Invalid value: begin with 1"
    assert _broken(rule, {"a": 2}, {"a": 1}) is None


@pytest.mark.parametrize(
    ("rule", "value", "told"),
    [
        ({"rule": "self.a == 2", "message": "two"}, {"a": 1}, "spec: Invalid value: two"),
        ({"rule": "self == 2", "message": "two"}, 1, "spec: Invalid value: 1: two"),
        ({"rule": "self == 'b'"}, "a", "spec: Invalid value: \"a\": failed rule: self == 'b'"),
        ({"rule": "self.a == 2", "message": "two", "fieldPath": ".a"}, {"a": 1}, "spec.a: Invalid value: two"),
        ({"rule": "self.a == 2", "message": "two", "reason": "FieldValueForbidden"}, {"a": 1}, "spec: Forbidden: two"),
        (
            {"rule": "self.a == 2", "message": "two", "reason": "FieldValueRequired"},
            {"a": 1},
            "spec: Required value: two",
        ),
        (
            {"rule": "self.a == 2", "messageExpression": "'not ' + string(self.b)"},
            {"a": 1, "b": 7},
            "spec: Invalid value: not 7",
        ),
        (
            {"rule": "self.a == 2", "messageExpression": "self.missing", "message": "two"},
            {"a": 1},
            "spec: Invalid value: two",
        ),
        (
            {"rule": "self.missing == 2"},
            {"a": 1},
            'spec: Invalid value: "object": no such key: missing evaluating rule: self.missing == 2',
        ),
    ],
)
def test_a_broken_rule_is_told_as_an_api_server_tells_it(rule: Object, value: Any, told: str) -> None:
    assert _broken(rule, value) == told


@pytest.mark.parametrize("text", ["self ==", "self.a[?'b']", "self.`a-b` == 1"])
def test_a_rule_that_the_evaluator_cannot_read_is_refused_when_the_schema_is_read(text: str) -> None:
    with pytest.raises(ValueError, match="does not compile"):
        rules_of({"x-kubernetes-validations": [{"rule": text}]})


def _broken(rule: Object, value: Any, old: Any = ABSENT) -> str | None:
    (compiled,) = rules_of({"x-kubernetes-validations": [rule]})
    cause = compiled.broken(value, old, "spec")
    return None if cause is None else str(cause)
