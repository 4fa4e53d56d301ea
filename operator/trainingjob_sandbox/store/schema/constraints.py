"""The keywords that bound one value: enum, pattern, lengths, numbers of items, ranges, formats.

Decides whether one value keeps one keyword, and how the refusal reads. Types and nesting are somebody else's question.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeAlias

from trainingjob_sandbox.store.errors import Cause, invalid_type, invalid_value, too_long, too_many, unsupported
from trainingjob_sandbox.store.schema.formats import FORMATS

Constraint: TypeAlias = Callable[[Any, str], Cause | None]
"""(value, field path) -> what is wrong."""


def constraints_of(document: Mapping[str, Any]) -> tuple[Constraint, ...]:
    """The constraints of one schema level. Raises ValueError for a pattern that does not compile."""
    text = _made(_TEXT_KEYWORDS, document)
    # Of a text only the first fault is told.
    return (*((_first_of(text),) if text else ()), *_made(_KEYWORDS, document))


def _made(keywords: "Mapping[str, Make]", document: Mapping[str, Any]) -> list[Constraint]:
    return [make(document[word], document) for word, make in keywords.items() if document.get(word) is not None]


def _first_of(constraints: list[Constraint]) -> Constraint:
    return lambda value, field: next((found for check in constraints if (found := check(value, field))), None)


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _enum(choices: list[Any], _: Mapping[str, Any]) -> Constraint:
    def check(value: Any, field: str) -> Cause | None:
        return None if value in choices else unsupported(field, value, choices)

    return check


def _pattern(pattern: str, _: Mapping[str, Any]) -> Constraint:
    # RE2's $ is the end of the text; Python's also matches before a last newline.
    ends = pattern.endswith("$") and not pattern.endswith("\\$")
    try:
        search = re.compile(pattern[:-1] + r"\Z" if ends else pattern).search
    except re.error as error:
        raise ValueError(f"pattern {pattern!r}: {error}") from error

    def check(value: Any, field: str) -> Cause | None:
        if not isinstance(value, str) or search(value):
            return None
        return invalid_value(field, value, f"{field} in body should match '{pattern}'")

    return check


def _max_length(limit: int, _: Mapping[str, Any]) -> Constraint:
    def check(value: Any, field: str) -> Cause | None:
        return too_long(field, limit) if isinstance(value, str) and len(value) > limit else None

    return check


def _min_length(limit: int, _: Mapping[str, Any]) -> Constraint:
    def check(value: Any, field: str) -> Cause | None:
        if not isinstance(value, str) or len(value) >= limit:
            return None
        return invalid_value(field, value, f"{field} in body should be at least {limit} chars long")

    return check


def _most(kind: type[list[Any]] | type[dict[str, Any]], limit: int, _: Mapping[str, Any]) -> Constraint:
    def check(value: Any, field: str) -> Cause | None:
        return too_many(field, len(value), limit) if isinstance(value, kind) and len(value) > limit else None

    return check


def _fewest(kind: type[list[Any]] | type[dict[str, Any]], word: str, limit: int, _: Mapping[str, Any]) -> Constraint:
    def check(value: Any, field: str) -> Cause | None:
        if not isinstance(value, kind) or len(value) >= limit:
            return None
        return invalid_value(field, len(value), f"{field} in body should have at least {limit} {word}")

    return check


def _minimum(limit: float, document: Mapping[str, Any]) -> Constraint:
    exclusive = document.get("exclusiveMinimum") is True
    words = f"greater than {limit}" if exclusive else f"greater than or equal to {limit}"

    def check(value: Any, field: str) -> Cause | None:
        if not _number(value) or value > limit or (value == limit and not exclusive):
            return None
        return invalid_value(field, value, f"{field} in body should be {words}")

    return check


def _maximum(limit: float, document: Mapping[str, Any]) -> Constraint:
    exclusive = document.get("exclusiveMaximum") is True
    words = f"less than {limit}" if exclusive else f"less than or equal to {limit}"

    def check(value: Any, field: str) -> Cause | None:
        if not _number(value) or value < limit or (value == limit and not exclusive):
            return None
        return invalid_value(field, value, f"{field} in body should be {words}")

    return check


def _multiple(divisor: float, _: Mapping[str, Any]) -> Constraint:
    def check(value: Any, field: str) -> Cause | None:
        if not _number(value) or value % divisor == 0:
            return None
        return invalid_value(field, value, f"{field} in body should be a multiple of {divisor}")

    return check


def _format(name: str, _: Mapping[str, Any]) -> Constraint:
    accepts = FORMATS.get(name)

    def check(value: Any, field: str) -> Cause | None:
        if accepts is None or value is None or accepts(value):
            return None
        shown = value if isinstance(value, str) else str(value)
        return invalid_type(field, shown, f'{field} in body must be of type {name}: "{shown}"')

    return check


Make: TypeAlias = Callable[[Any, Mapping[str, Any]], Constraint]

_TEXT_KEYWORDS: Mapping[str, Make] = {"maxLength": _max_length, "minLength": _min_length, "pattern": _pattern}
_KEYWORDS: Mapping[str, Make] = {
    "enum": _enum,
    "maxItems": partial(_most, list),
    "minItems": partial(_fewest, list, "items"),
    "maxProperties": partial(_most, dict),
    "minProperties": partial(_fewest, dict, "properties"),
    "minimum": _minimum,
    "maximum": _maximum,
    "multipleOf": _multiple,
    "format": _format,
}
