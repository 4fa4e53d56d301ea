"""What is wrong with a job: the field's path and the remedy."""

from typing import Any

import pytest

from support.builders import spec
from trainingjob_operator.api.schema import crd
from trainingjob_operator.api.types import TrainingJobSpec
from trainingjob_operator.api.validate import Problem, parse_spec, unknown_fields

SCHEMA = crd()["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]


def problems(name: str = "digits", **fields: Any) -> list[str]:
    parsed = parse_spec(name, spec(**fields))
    return [] if isinstance(parsed, TrainingJobSpec) else [str(problem) for problem in parsed]


def test_a_valid_spec_becomes_a_value() -> None:
    assert isinstance(parse_spec("digits", spec()), TrainingJobSpec)


def test_a_problem_reads_as_field_and_sentence() -> None:
    assert str(Problem("spec.image", "is required")) == "spec.image: is required"


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"numNodes": 0}, "spec.numNodes: input should be greater than or equal to 1, but it is 0"),
        ({"numNodes": "2"}, "spec.numNodes: input should be a valid integer, but it is '2'"),
        ({"numNodes": True}, "spec.numNodes: input should be a valid integer, but it is True"),
        ({"suspend": "yes"}, "spec.suspend: input should be a valid boolean, but it is 'yes'"),
        ({"env": [{"value": "1"}]}, "spec.env[0].name: is required"),
        ({"run": {"command": "train"}}, "spec.run.command: input should be a valid array, but it is 'train'"),
        ({"run": {}}, "spec.run: exactly one of trainer, python, fabric, torchrun, command must be set"),
        (
            {"run": {"command": ["a"], "python": {"script": "a.py"}}},
            "spec.run: exactly one of trainer, python, fabric, torchrun, command must be set, not python and command",
        ),
        ({"env": [{"name": "RANK", "value": "0"}]}, "spec.env[0].name: RANK is set by the operator: remove it"),
        ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env[1].name: A is set twice: remove one"),
        (
            {"files": {"../x": ""}},
            "spec.files[../x]: must be a relative path of letters, digits, '.', '_' and '-'",
        ),
        (
            {"files": {"a/b": "", "a__b": ""}},
            "spec.files: two names differ only in '/' and '__', or one is reserved: rename a file",
        ),
        (
            {"files": {"trainingjob.config.yaml": ""}},
            "spec.files: two names differ only in '/' and '__', or one is reserved: rename a file",
        ),
        (
            {"files": {"a": "x" * 300_000, "b": "ä" * 150_000}},
            "spec.files: 600000 bytes in all are more than 524288: put the code into the image",
        ),
        (
            {"resources": {"limits": {"nvidia.com/gpu": 1}}},
            "spec.resources.limits[nvidia.com/gpu]: GPUs are set by spec.gpusPerNode: remove it here",
        ),
        (
            {"resources": {"requests": {"memory": "lots"}}},
            "spec.resources.requests[memory]: 'lots' is not a quantity such as 500m, 2 or 16Gi",
        ),
        ({"resources": {"limits": {"cpu": -1}}}, "spec.resources.limits[cpu]: -1 is negative"),
        (
            {"numNodes": 2, "nodeOverrides": [{"ranks": "0,1-0"}]},
            "spec.nodeOverrides[0].ranks: '1-0' names no rank: write the smaller number first",
        ),
        (
            {"nodeOverrides": [{"ranks": "7-9999,3"}]},
            "spec.nodeOverrides[0].ranks: there is no rank 3: ranks are 0 to 1",
        ),
        (
            {"run": {"fabric": {"script": "a.py"}}, "nodeOverrides": [{"ranks": "1", "gpusPerNode": 2}]},
            (
                "spec.nodeOverrides: run.fabric needs the same number of processes on every node: "
                "set processesPerNode, or use run.trainer or run.torchrun"
            ),
        ),
        ({"progressPort": 80}, "spec.progressPort: must be 0 or 1024 to 65535, and not the masterPort"),
        ({"masterPort": 29490}, "spec.progressPort: must be 0 or 1024 to 65535, and not the masterPort"),
        (
            {"progressPort": 0, "failurePolicy": {"stallTimeoutSeconds": 60}},
            (
                "spec.failurePolicy.stallTimeoutSeconds: needs spec.progressPort: with 0 nobody sees whether training "
                "stands still"
            ),
        ),
        ({"podTemplate": {"spec": {"volumes": {}}}}, "spec.podTemplate.spec.volumes: must be a list"),
    ],
)
def test_one_mistake_is_one_problem(fields: dict[str, Any], problem: str) -> None:
    assert problems(**fields) == [problem]


def test_unlike_gpus_with_like_processes_suit_every_launcher() -> None:
    overrides = [{"ranks": "1", "gpusPerNode": 2, "processesPerNode": 1}]

    assert problems(numNodes=2, run={"python": {"script": "a.py"}}, nodeOverrides=overrides) == []


CLAIM = {"claimName": "c"}


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        (
            {"data": CLAIM | {"mountPath": "/"}},
            "spec.data.mountPath: '/' must be a folder below '/', without '..' and ':'",
        ),
        (
            {"data": CLAIM | {"mountPath": "/a:b"}},
            "spec.data.mountPath: '/a:b' must be a folder below '/', without '..' and ':'",
        ),
        (
            {"output": CLAIM | {"mountPath": "/data/../etc"}},
            "spec.output.mountPath: '/data/../etc' must be a folder below '/', without '..' and ':'",
        ),
        (
            {"data": CLAIM | {"mountPath": "/x"}, "output": CLAIM | {"mountPath": "/x/"}},
            "spec.output.mountPath: /x is where spec.data is mounted: choose another path",
        ),
        (
            {"data": CLAIM | {"mountPath": "/dev/shm"}},
            "spec.data.mountPath: /dev/shm is where shared memory is mounted: choose another path",
        ),
        (
            {"data": CLAIM | {"mountPath": "/etc/trainingjob"}},
            (
                "spec.data.mountPath: /etc/trainingjob is where the trainer's configuration is mounted: "
                "choose another path"
            ),
        ),
        (
            {"data": CLAIM | {"mountPath": "/workspace"}, "files": {"a": ""}},
            "spec.data.mountPath: /workspace is where spec.files is mounted: choose another path",
        ),
        ({"data": CLAIM | {"subPath": "a/../b"}}, "spec.data.subPath: must not contain '..'"),
    ],
)
def test_mounts_do_not_meet(fields: dict[str, Any], problem: str) -> None:
    assert problems(**fields) == [problem]


def test_without_files_the_workspace_is_free() -> None:
    assert problems(data=CLAIM | {"mountPath": "/workspace", "subPath": "a..b"}) == []


def test_a_large_configuration_counts_with_the_files() -> None:
    run = {"trainer": {"config": {"a": "x" * 600_000}}}

    assert len(problems(run=run)) == 1
    assert problems(run=run)[0].startswith("spec.files: 6000")


def test_all_mistakes_are_told_at_once() -> None:
    found = problems("Digits", env=[{"name": "RANK"}], files={"../x": ""}, run={})

    assert [problem.split(":")[0] for problem in found] == [
        "metadata.name",
        "spec.run",
        "spec.env[0].name",
        "spec.files[../x]",
    ]


def test_a_bad_name_is_told_together_with_bad_types() -> None:
    found = problems("2digits", numNodes=0, image="")

    assert [problem.split(":")[0] for problem in found] == ["metadata.name", "spec.numNodes", "spec.image"]
    assert "at most 50 lower-case letters, digits and '-'" in found[0]


@pytest.mark.parametrize(
    ("given", "sentence"), [(None, "is required"), ([], "must be an object"), (1, "must be an object")]
)
def test_a_spec_that_is_none_is_told_as_such(given: object, sentence: str) -> None:
    (problem,) = parse_spec("digits", given)

    assert isinstance(problem, Problem)
    assert problem.field == "spec"
    assert problem.message.startswith(sentence)


def test_what_no_json_can_hold_is_told_as_such() -> None:
    assert problems(podTemplate={"spec": {"nodeSelector": {1: "x"}}}) == [
        "spec: holds something that JSON cannot say: Dict key must be str"
    ]


def test_unknown_fields_are_ignored_by_the_controller_as_a_newer_crd_may_know_them() -> None:
    assert problems(fieldOfALaterVersion=1) == []


@pytest.mark.parametrize(
    ("value", "unknown"),
    [
        (spec(), []),
        (spec(nodes=2), ["spec.nodes"]),
        (spec(run={"mpirun": {}}), ["spec.run.mpirun"]),
        (spec(env=[{"name": "A"}, {"name": "B", "vaule": "1"}]), ["spec.env[1].vaule"]),
        (spec(files={"a.py": ""}, resources={"limits": {"anything": 1}}), []),
        (spec(podTemplate={"spec": {"anything": {"goes": 1}}}), []),
        (spec(podTemplate={"labels": {}}), ["spec.podTemplate.labels"]),
        (spec(env={"A": "1"}), []),
        ([], []),
        (None, []),
    ],
)
def test_unknown_fields_are_found_by_their_path(value: object, unknown: list[str]) -> None:
    assert unknown_fields(SCHEMA, value, "spec") == unknown
