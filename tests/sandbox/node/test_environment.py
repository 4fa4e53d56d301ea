"""Where the variables of a container come from."""

import pytest

from support.node_world import pod
from trainingjob_sandbox.node.environment import Facts, command_line, handed_on, variables
from trainingjob_sandbox.node.quantity import parse, whole
from trainingjob_sandbox.node.sources import ConfigError, Reference, Sources

POD = pod("true") | {
    "metadata": {"name": "p", "namespace": "n", "uid": "u", "labels": {"l": "v"}, "annotations": {"a/b": "w"}}
}
FACTS = Facts(POD, "127.1.2.3", "node", {"cpu": "8", "memory": "1024Ki"})
SOURCES = Sources(
    {
        Reference("ConfigMap", "c"): {"kind": "ConfigMap", "data": {"k": "from-map"}},
        Reference("Secret", "s"): {"kind": "Secret", "data": {"k": "ZnJvbS1zZWNyZXQ="}},
    }
)


def value_from(**source: object) -> dict:
    return {"env": [{"name": "X", "valueFrom": source}]}


def x(container: dict) -> str | None:
    return variables({"name": "main"} | container, FACTS, SOURCES, {}).get("X")


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        ("metadata.name", "p"),
        ("metadata.namespace", "n"),
        ("metadata.uid", "u"),
        ("metadata.labels['l']", "v"),
        ("metadata.annotations['a/b']", "w"),
        ("metadata.labels['absent']", ""),
        ("status.podIP", "127.1.2.3"),
        ("spec.nodeName", "node"),
    ],
)
def test_a_field_of_the_pod_becomes_a_value(path: str, expected: str) -> None:
    assert x(value_from(fieldRef={"fieldPath": path})) == expected


def test_a_config_map_s_key_becomes_a_value() -> None:
    assert x(value_from(configMapKeyRef={"name": "c", "key": "k"})) == "from-map"


def test_a_secret_s_key_becomes_a_value() -> None:
    assert x(value_from(secretKeyRef={"name": "s", "key": "k"})) == "from-secret"


def test_an_optional_key_that_is_missing_sets_nothing() -> None:
    assert x(value_from(configMapKeyRef={"name": "absent", "key": "k", "optional": True})) is None


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"configMapKeyRef": {"name": "absent", "key": "k"}}, 'configmap "absent" not found'),
        ({"secretKeyRef": {"name": "s", "key": "absent"}}, 'secret "s" has no key "absent"'),
        ({"fieldRef": {"fieldPath": "spec.absent"}}, 'fieldRef "spec.absent"'),
        ({"resourceFieldRef": {"resource": "limits.absent"}}, 'resourceFieldRef "limits.absent"'),
        ({"fileKeyRef": {}}, "valueFrom.fileKeyRef"),
    ],
)
def test_what_is_missing_is_named(source: dict, words: str) -> None:
    with pytest.raises(ConfigError) as raised:
        x(value_from(**source))

    assert words in str(raised.value)


def test_limits_are_told_in_their_divisor_and_the_machine_s_where_none_is_set() -> None:
    limited = {"resources": {"limits": {"cpu": "1500m"}}}

    assert x(limited | value_from(resourceFieldRef={"resource": "limits.cpu"})) == "2"
    assert x(limited | value_from(resourceFieldRef={"resource": "limits.cpu", "divisor": "1m"})) == "1500"
    assert x(limited | value_from(resourceFieldRef={"resource": "limits.memory", "divisor": "1Ki"})) == "1024"


def test_env_from_has_its_prefix_and_env_wins_over_it() -> None:
    container = {
        "name": "main",
        "envFrom": [{"configMapRef": {"name": "c"}, "prefix": "P_"}, {"secretRef": {"name": "s"}}],
        "env": [{"name": "k", "value": "own $(P_k)"}, {"name": "later", "value": "$(k) $(later)"}],
    }

    found = variables(container, FACTS, SOURCES, {"BASE": "b"})

    assert found == {"BASE": "b", "P_k": "from-map", "k": "own from-map", "later": "own from-map $(later)"}


def test_command_and_arguments_are_expanded() -> None:
    container = {"name": "main", "command": ["run", "$(A)"], "args": ["--x=$(A)"]}

    assert command_line(container, {"A": "1"}) == ["run", "1", "--x=1"]


def test_only_arguments_are_no_command() -> None:
    with pytest.raises(ConfigError, match="no command"):
        command_line({"name": "main", "args": ["x"]}, {})


def test_the_node_s_programs_come_first_and_strange_variables_stay_behind() -> None:
    found = handed_on({"PATH": "/bin", "HOME": "/home/me", "WORLD_SIZE": "4"}, "/venv/bin")

    assert found == {"PATH": "/venv/bin:/bin", "HOME": "/home/me"}


@pytest.mark.parametrize(
    ("text", "number"), [("2", 2), ("1Ki", 1024), ("1k", 1000), ("3e3", 3000), ("1.5Gi", 3 << 29), ("2E", 2 * 10**18)]
)
def test_quantities_are_numbers(text: str, number: int) -> None:
    assert parse(text) == number


def test_a_part_counts_as_a_whole() -> None:
    assert whole("100m") == 1


def test_what_is_no_quantity_is_refused_with_an_example() -> None:
    with pytest.raises(ValueError, match="write for example"):
        parse("two")
