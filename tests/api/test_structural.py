"""JSON schema -> structural schema, rule by rule."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from trainingjob_operator.api.structural import structural


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


class Inner(BaseModel):
    """What an Inner is."""

    depth: int = Field(default=1, ge=0, le=9, description="How deep.")
    note: str | None = None


class Outer(BaseModel):
    """What an Outer is."""

    model_config = ConfigDict(json_schema_extra={"x-kubernetes-validations": [{"rule": "true"}]})

    word: Annotated[str, StringConstraints(pattern="^a", min_length=1, max_length=5)] = Field(description="A word.")
    colour: Colour = Field(default=Colour.RED, description="A colour.")
    inner: Inner = Field(default=Inner(), description="Not the class's own words.")
    maybe: Inner | None = Field(default=None, description="Perhaps.")
    listed: list[Inner] = Field(default=[], max_length=3, json_schema_extra={"x-kubernetes-list-type": "atomic"})
    mapped: dict[str, int | Annotated[str, StringConstraints(max_length=9)]] = Field(default={}, max_length=2)
    open: dict[str, Any] = Field(default={}, json_schema_extra={"x-kubernetes-preserve-unknown-fields": True})


SCHEMA = structural(Outer)
FIELDS = SCHEMA["properties"]
DEPTH = {"type": "integer", "description": "How deep.", "default": 1, "minimum": 0, "maximum": 9}
INNER = {"type": "object", "properties": {"depth": DEPTH, "note": {"type": "string"}}}


def test_required_fields_bounds_and_descriptions_are_kept() -> None:
    assert SCHEMA["required"] == ["word"]
    assert FIELDS["word"] == {
        "type": "string",
        "description": "A word.",
        "pattern": "^a",
        "minLength": 1,
        "maxLength": 5,
    }


def test_rules_of_a_model_are_kept() -> None:
    assert SCHEMA["x-kubernetes-validations"] == [{"rule": "true"}]


def test_an_enumeration_is_inlined() -> None:
    expected = {"type": "string", "description": "A colour.", "default": "red", "enum": ["red", "blue"]}
    assert FIELDS["colour"] == expected


def test_a_reference_is_inlined_and_the_fields_own_words_win() -> None:
    assert FIELDS["inner"] == INNER | {"description": "Not the class's own words.", "default": {"depth": 1}}


def test_what_may_be_null_is_merely_not_required_and_has_no_default() -> None:
    assert FIELDS["maybe"] == INNER | {"description": "Perhaps."}


def test_lists_and_maps_are_translated_inside() -> None:
    assert FIELDS["listed"] == {
        "type": "array",
        "default": [],
        "maxItems": 3,
        "items": INNER | {"description": "What an Inner is."},
        "x-kubernetes-list-type": "atomic",
    }
    assert FIELDS["mapped"]["additionalProperties"] == {"x-kubernetes-int-or-string": True}
    assert FIELDS["mapped"]["maxProperties"] == 2


def test_an_open_object_stays_open() -> None:
    assert FIELDS["open"] == {"type": "object", "default": {}, "x-kubernetes-preserve-unknown-fields": True}


def test_nothing_that_a_structural_schema_forbids_is_left() -> None:
    text = str(SCHEMA)

    assert not [word for word in ("$ref", "$defs", "anyOf", "title", "const", "None") if word in text]


def test_fields_keep_the_models_order() -> None:
    assert list(FIELDS) == ["word", "colour", "inner", "maybe", "listed", "mapped", "open"]
