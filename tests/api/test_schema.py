"""The CustomResourceDefinition: generated, bounded, described."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from click.testing import CliRunner

from trainingjob_cli.commands import main
from trainingjob_operator.api.schema import MUTABLE, crd
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.api.types import TrainingJobSpec

ROOT = Path(__file__).parents[2]
CRD = crd()
VERSION = CRD["spec"]["versions"][0]
SCHEMA = VERSION["schema"]["openAPIV3Schema"]
SPEC, STATUS = SCHEMA["properties"]["spec"], SCHEMA["properties"]["status"]
Node = dict[str, Any]


def walk(node: Node, path: str) -> Iterator[tuple[str, Node]]:
    """Every schema in a schema with its path."""
    yield path, node
    for name, child in node.get("properties", {}).items():
        yield from walk(child, f"{path}.{name}")
    for key, sign in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(node.get(key), dict):
            yield from walk(node[key], path + sign)


NODES = [*walk(SPEC, "spec"), *walk(STATUS, "status")]
SPEC_NODES = [pair for pair in NODES if pair[0].startswith("spec")]


def each(pairs: list[tuple[str, Node]]) -> Any:
    return pytest.mark.parametrize("node", [pytest.param(node, id=path) for path, node in pairs])


def fields(node: Node) -> bool:
    return "properties" in node


@pytest.mark.parametrize("copy", ["manifests/crd.yaml", "charts/trainingjob-operator/files/crd.yaml"])
def test_the_kept_copy_is_what_the_command_prints(copy: str) -> None:
    printed = CliRunner().invoke(main, ["crd"])

    assert printed.exit_code == 0
    assert printed.output == (ROOT / copy).read_text(), "run `make generate`"
    assert yaml.safe_load(printed.output) == CRD


@each(SPEC_NODES)
def test_every_string_list_and_map_that_users_write_is_bounded(node: Node) -> None:
    if node.get("x-kubernetes-preserve-unknown-fields") or node.get("x-kubernetes-int-or-string"):
        return
    if node["type"] == "string":
        assert "enum" in node or "maxLength" in node
    if node["type"] == "array":
        assert "maxItems" in node
    if node["type"] == "object" and "properties" not in node:
        assert "maxProperties" in node
    if node["type"] == "integer":
        assert {"minimum", "maximum"} <= set(node)


@each(NODES)
def test_every_schema_has_a_type_or_says_why_not(node: Node) -> None:
    assert "type" in node or node.get("x-kubernetes-int-or-string")
    assert "properties" not in node or "additionalProperties" not in node


@each([(path, node) for path, node in NODES if not path.endswith(("[]", "{}"))])
def test_every_field_is_described_in_a_sentence(node: Node) -> None:
    text = node["description"]

    assert text[0].isupper() or text[0] == "`"
    assert text.endswith((".", ")"))


@each(NODES)
def test_no_default_is_null(node: Node) -> None:
    assert node.get("default", "") is not None
    assert "None" not in str(node.get("default", ""))


@each([(path, node) for path, node in NODES if fields(node)])
def test_required_fields_exist_and_have_no_default(node: Node) -> None:
    for name in node.get("required", []):
        assert "default" not in node["properties"][name]


@each([(path, node) for path, node in SPEC_NODES if "x-kubernetes-validations" in node])
def test_every_rule_has_a_message_that_is_short_enough(node: Node) -> None:
    for one in node["x-kubernetes-validations"]:
        assert 0 < len(one["message"]) <= 2048
        assert len(one["rule"]) <= 5 * 1024 * 1024


def test_defaults_are_valid_for_the_models_they_come_from() -> None:
    filled = {name: node["default"] for name, node in SPEC["properties"].items() if "default" in node}

    required = {"image": "trainer:1", "run": {"command": ["train"]}}
    assert TrainingJobSpec.model_validate(filled | required) == TrainingJobSpec.model_validate(required)


def test_every_field_but_the_mutable_ones_has_a_rule_against_its_change() -> None:
    fixed = {name for name, node in SPEC["properties"].items() if _transition_rules(node)}

    assert fixed == set(SPEC["properties"]) - MUTABLE
    assert set(SPEC["properties"]) >= MUTABLE


def test_every_fixed_field_that_may_be_absent_has_a_rule_against_coming_and_going() -> None:
    asked = {one["fieldPath"][1:] for one in _transition_rules(SPEC)}
    present = {name for name, node in SPEC["properties"].items() if "default" in node} | set(SPEC["required"])

    assert asked == set(SPEC["properties"]) - MUTABLE - present


def _transition_rules(node: Node) -> list[Node]:
    return [one for one in node.get("x-kubernetes-validations", []) if "oldSelf" in one["rule"]]


def test_every_column_and_rule_points_at_a_field_that_exists() -> None:
    for column in VERSION["additionalPrinterColumns"]:
        node: Node = SCHEMA | {
            "properties": SCHEMA["properties"] | {"metadata": {"properties": {"creationTimestamp": {}}}}
        }
        for part in column["jsonPath"].strip(".").split("."):
            node = node["properties"][part]
    for one in SPEC["x-kubernetes-validations"]:
        node = SPEC
        for part in one["fieldPath"].strip(".").split("."):
            node = node["properties"][part]


def test_the_status_that_the_operator_writes_has_no_field_that_the_schema_would_prune() -> None:
    assert set(TrainingJobStatus.model_json_schema(by_alias=True)["properties"]) == set(STATUS["properties"])


def test_it_is_served_with_a_status_subresource_under_its_short_name() -> None:
    assert CRD["metadata"]["name"] == "trainingjobs.trainingjob.dev"
    assert CRD["spec"]["names"]["shortNames"] == ["tj"]
    assert VERSION["subresources"] == {"status": {}}
    assert SCHEMA["required"] == ["spec"]
