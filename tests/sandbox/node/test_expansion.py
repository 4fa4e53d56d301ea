"""`$(NAME)` as the kubelet expands it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_sandbox.node.expansion import expand


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("$(A)", "1"),
        ("x$(A)y$(B)", "x1y2"),
        ("$(UNKNOWN)", "$(UNKNOWN)"),
        ("$$(A)", "$(A)"),
        ("$$$(A)", "$1"),
        ("$A ${A} $", "$A ${A} $"),
        ("$(A", "$(A"),
        ("echo $$", "echo $"),
    ],
)
def test_references_become_values(text: str, expected: str) -> None:
    assert expand(text, {"A": "1", "B": "2"}) == expected


@given(st.text())
def test_doubling_every_dollar_keeps_any_text_as_it_is(text: str) -> None:
    assert expand(text.replace("$", "$$"), {"A": "1"}) == text


@given(st.text(alphabet="ab()", max_size=20))
def test_a_value_is_not_expanded_again(value: str) -> None:
    assert expand("$(A)", {"A": f"$(B){value}", "B": "2"}) == f"$(B){value}"
