"""Label and field selectors: which objects a list or watch is about.

Decides whether an object matches. Never looks anything up: it sees one object at a time.
"""

import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any, TypeAlias

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import bad_request

Matcher: TypeAlias = Callable[[Object], bool]
FieldGetter: TypeAlias = Callable[[Object], str]

_TOKEN = re.compile(r"\s*(?:(?P<op>==|!=|=|!|>|<|\(|\)|,)|(?P<word>[^\s=!<>(),]+))")


def everything(_: Object) -> bool:
    return True


def field_at(*path: str) -> FieldGetter:
    """The text at a path of an object, empty if there is nothing."""

    def read(found: Object) -> str:
        value: Any = found
        for name in path:
            if not isinstance(value, dict):
                return ""
            value = value.get(name)
        return "" if value is None else str(value).lower() if isinstance(value, bool) else str(value)

    return read


METADATA_FIELDS: Mapping[str, FieldGetter] = {
    "metadata.name": field_at("metadata", "name"),
    "metadata.namespace": field_at("metadata", "namespace"),
}


@lru_cache(maxsize=512)
def label_matcher(selector: str) -> Matcher:
    """``a=b,c!=d,e in (f,g),h notin (i),j,!k,l>1``. Raises BadRequest for anything else."""
    if not selector.strip():
        return everything
    requirements = _Parser(selector).requirements()

    def matches(found: Object) -> bool:
        labels = (found.get("metadata") or {}).get("labels") or {}
        return all(requirement(labels) for requirement in requirements)

    return matches


def field_matcher(selector: str, known: Mapping[str, FieldGetter]) -> Matcher:
    """``a=b,c!=d`` over the fields that the kind offers. Raises BadRequest for any other field."""
    if not selector.strip():
        return everything
    terms = [_field_term(term, known) for term in selector.split(",") if term.strip()]

    def matches(found: Object) -> bool:
        return all((read(found) == value) is wanted for read, value, wanted in terms)

    return matches


def _field_term(term: str, known: Mapping[str, FieldGetter]) -> tuple[FieldGetter, str, bool]:
    found = re.fullmatch(r"\s*([^=!]+?)\s*(==|!=|=)\s*(.*?)\s*", term)
    if found is None:
        raise bad_request(f"invalid selector: '{term}'; can't understand '{term}'")
    name, operator, value = found.groups()
    if name not in known:
        raise bad_request(f"field label not supported: {name}")
    return known[name], value, operator != "!="


Requirement: TypeAlias = Callable[[Mapping[str, str]], bool]


class _Parser:
    """A reader of one label selector, token by token."""

    def __init__(self, text: str) -> None:
        self.tokens = [found.group("op") or found.group("word") for found in _TOKEN.finditer(text)]
        self.at = 0

    def requirements(self) -> list[Requirement]:
        if self.peek() in ("=", "==", "!=", "(", ")", "<", ">"):
            raise bad_request(f"found '{self.peek()}', expected: !, identifier, or 'end of string'")
        found = [self.requirement()]
        while self.peek() is not None:
            if self.peek() != ",":
                raise bad_request(f"found '{self.peek()}', expected: ',' or 'end of string'")
            self.take()
            if self.peek() == ",":
                raise bad_request("found ',', expected: identifier after ','")
            found.append(self.requirement())
        return found

    def requirement(self) -> Requirement:
        if self.peek() == "!":
            self.take()
            absent = self.word()
            return lambda labels: absent not in labels
        key = self.word()
        operator = self.peek()
        if operator in (None, ","):
            return lambda labels: key in labels
        self.take()
        return self.comparison(key, operator or "")

    def comparison(self, key: str, operator: str) -> Requirement:
        match operator:
            case "=" | "==":
                value = self.value()
                return lambda labels: labels.get(key) == value
            case "!=":
                value = self.value()
                return lambda labels: labels.get(key) != value
            case "in":
                values = self.values()
                return lambda labels: labels.get(key) in values
            case "notin":
                values = self.values()
                return lambda labels: labels.get(key) not in values
            case ">" | "<":
                return _numeric(key, operator, self.word())
        raise bad_request(f"unable to parse requirement: found '{operator}', expected: in, notin, =, ==, !=, gt, lt")

    def values(self) -> frozenset[str]:
        self.expect("(")
        found = {self.value()}
        while self.peek() == ",":
            self.take()
            found.add(self.value())
        self.expect(")")
        return frozenset(found)

    def value(self) -> str:
        """A value may be empty: ``a=``, ``a in (,b)``."""
        return "" if self.peek() in (None, ",", ")") else self.word()

    def word(self) -> str:
        token = self.peek()
        if token is None or not re.fullmatch(r"[^\s=!<>(),]+", token):
            raise bad_request(f"unable to parse requirement: found '{token or ''}', expected: identifier")
        self.take()
        return token

    def expect(self, wanted: str) -> None:
        token = self.peek()
        if token != wanted:
            raise bad_request(f"unable to parse requirement: found '{token or ''}' expected: '{wanted}'")
        self.take()

    def peek(self) -> str | None:
        return self.tokens[self.at] if self.at < len(self.tokens) else None

    def take(self) -> None:
        self.at += 1


def _numeric(key: str, operator: str, text: str) -> Requirement:
    if not re.fullmatch(r"-?\d+", text):
        why = "for 'Gt', 'Lt' operators, the value must be an integer"
        raise bad_request(f'unable to parse requirement: values[0]: Invalid value: "{text}": {why}')
    bound = int(text)

    def matches(labels: Mapping[str, str]) -> bool:
        value = labels.get(key, "")
        if not re.fullmatch(r"-?\d+", value):
            return False
        return int(value) > bound if operator == ">" else int(value) < bound

    return matches
