"""docs/api.md: generated from the schema, whole, and a table that renders."""

from pathlib import Path

import pytest
from click.testing import CliRunner

from trainingjob_cli.commands import main
from trainingjob_operator.api.schema import MUTABLE, crd

ROOT = Path(__file__).parents[2]
PROPERTIES = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
PAGE = CliRunner().invoke(main, ["reference"]).output
ROWS = [line.strip("| ").replace("\\|", "¦").split(" | ") for line in PAGE.splitlines() if line.startswith("| `")]
BY_FIELD = {row[0].strip("`"): row for row in ROWS}


def test_the_kept_page_is_what_the_command_prints() -> None:
    assert (ROOT / "docs" / "api.md").read_text() == PAGE, "run `make generate`"


@pytest.mark.parametrize("part", ["spec", "status"])
def test_every_field_has_a_row_with_its_description(part: str) -> None:
    for name, schema in PROPERTIES[part]["properties"].items():
        assert BY_FIELD[f"{part}.{name}"][-1] == schema["description"]


def test_every_row_has_as_many_cells_as_its_table_has_columns() -> None:
    assert {len(row) for row in ROWS if row[0].startswith("`spec.")} == {6}
    assert {len(row) for row in ROWS if row[0].startswith("`status.")} == {3}


def test_a_row_says_the_default_the_bounds_and_whether_it_may_change() -> None:
    assert BY_FIELD["spec.numNodes"][1:5] == ["integer", "`1`", "1 to 1024", "no"]
    assert BY_FIELD["spec.image"][2] == "**required**"
    assert BY_FIELD["status.state"][1].startswith("one of `Pending`, `Starting`")
    assert BY_FIELD["spec.run.command"][1] == "list of string"


def test_what_may_change_is_what_the_schema_lets_change() -> None:
    changing = {field.split(".")[1] for field, row in BY_FIELD.items() if field.startswith("spec.") and row[4] == "yes"}

    assert changing == MUTABLE


def test_fields_inside_lists_are_told_too() -> None:
    assert {"spec.env[].name", "status.attempts[].firstFailure.exitCode"} <= set(BY_FIELD)


def test_rules_over_several_fields_are_told_and_those_against_changes_are_not() -> None:
    rules = PAGE.split("## Rules over several fields")[1]

    assert "- `spec.run`: exactly one of trainer, python" in rules
    assert "cannot be changed" not in rules
