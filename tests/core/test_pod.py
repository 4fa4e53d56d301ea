"""The pod of one rank, as it is sent to the API server."""

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import env_of, job
from support.golden import matches
from trainingjob_operator.core.pod import for_rank, pods, template
from trainingjob_operator.core.rendezvous import environment

GOLDEN = Path(__file__).parent / "golden"
SCRIPT = {"script": "train.py", "args": ["--epochs", "3"]}
CLAIMS = {"data": {"claimName": "datasets", "subPath": "digits"}, "output": {"claimName": "runs"}}
LAUNCHERS: dict[str, dict[str, Any]] = {
    "trainer": {
        "run": {"trainer": {"config": {"model": {"class_path": "my.Model"}}}},
        "resources": {"limits": {"cpu": 8, "memory": "64Gi"}},
        **CLAIMS,
    },
    "python": {"run": {"python": SCRIPT}, "files": {"train.py": "pass", "lib/net.py": "x = 1"}},
    "fabric": {"run": {"fabric": SCRIPT}, "gpusPerNode": 8, "gpuResource": "amd.com/gpu", "workingDir": "/src"},
    "torchrun": {
        "run": {"torchrun": SCRIPT},
        "gpusPerNode": 2,
        "sharedMemory": {"sizeLimit": "16Gi"},
        "envFrom": [{"secretRef": {"name": "wandb"}}],
    },
    "command": {
        "run": {"command": ["lightly-train", "pretrain", "out=/output"]},
        "env": [{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "HF_TOKEN", "valueFrom": {"secretKeyRef": {}}}],
        "podTemplate": {
            "metadata": {"labels": {"queue": "research"}, "annotations": {"note": "mine"}},
            "spec": {
                "nodeSelector": {"gpu": "a100"},
                "tolerations": [{"key": "gpu", "operator": "Exists"}],
                "terminationGracePeriodSeconds": 300,
                "hostAliases": [{"ip": "10.1.1.1", "hostnames": ["licences"]}],
                "containers": [
                    {"name": "trainer", "ports": [{"containerPort": 9090, "name": "metrics"}]},
                    {"name": "sidecar", "image": "sidecar:1"},
                ],
            },
        },
    },
}


def made(rank: int = 0, main_ip: str | None = None, **fields: Any) -> dict[str, Any]:
    """The pod of a rank in attempt 1."""
    one = job(**fields)
    return for_rank(one, template(one, 1, "cluster.local"), 1, rank, main_ip)


def main(body: dict[str, Any]) -> Any:
    return next(one for one in body["spec"]["containers"] if one["name"] == "trainer")


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_the_main_nodes_pod_is_the_kept_one(launcher: str) -> None:
    assert matches(GOLDEN / f"{launcher}.yaml", made(**LAUNCHERS[launcher]))


def test_another_ranks_pod_is_the_kept_one() -> None:
    assert matches(GOLDEN / "command-rank-1.yaml", made(1, "10.0.0.1", **LAUNCHERS["command"]))


@given(st.sampled_from(list(LAUNCHERS)), st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "10.0.0.1"]))))
def test_making_pods_never_changes_the_template_nor_the_job(launcher: str, ranks: list[tuple[int, str | None]]) -> None:
    one = job(**LAUNCHERS[launcher] | {"numNodes": 10})
    base = template(one, 1, "cluster.local")
    before = deepcopy((one, base))

    for rank, main_ip in ranks:
        for_rank(one, base, 1, rank, main_ip)

    assert (one, base) == before


def test_two_ranks_differ_in_name_labels_rank_variables_and_the_port() -> None:
    zero, one = made(0), made(1)

    assert (one["metadata"]["name"], one["spec"]["hostname"]) == ("digits-1-1", "digits-1-1")
    assert one["metadata"]["labels"]["trainingjob.dev/rank"] == "1"
    changed = {name for name, value in env_of(one).items() if value != env_of(zero)[name]}
    assert changed == {"NODE_RANK", "PET_NODE_RANK", "RANK", "TRAININGJOB_PROCESS_OFFSET"}
    assert main(zero)["ports"] == [{"name": "rendezvous", "containerPort": 29500}]
    assert main(one)["ports"] == []


def test_the_pods_name_is_the_first_part_of_the_address_that_the_others_ask_for() -> None:
    zero = made(0)

    expected = f"{zero['spec']['hostname']}.{zero['spec']['subdomain']}.{zero['metadata']['namespace']}"
    assert env_of(made(1))["MASTER_ADDR"] == f"{expected}.svc.cluster.local"


def test_gpus_are_a_limit_of_their_resource_beside_the_users() -> None:
    assert main(made(gpusPerNode=8))["resources"] == {"limits": {"nvidia.com/gpu": 8}}
    assert main(made())["resources"] == {}
    asked = {"limits": {"cpu": 4}, "requests": {"memory": "1Gi"}}
    assert main(made(gpusPerNode=1, resources=asked))["resources"] == {
        "limits": {"cpu": 4, "nvidia.com/gpu": 1},
        "requests": {"memory": "1Gi"},
    }


def test_claims_are_mounted_where_the_job_says_and_the_output_below_its_name() -> None:
    body = made(data={"claimName": "d", "mountPath": "/in", "readOnly": False}, output={"claimName": "o"})

    mounts = {one["name"]: one for one in main(body)["volumeMounts"]}
    assert mounts["trainingjob-data"] == {"name": "trainingjob-data", "mountPath": "/in", "readOnly": False}
    assert mounts["trainingjob-output"] == {
        "name": "trainingjob-output",
        "mountPath": "/output",
        "subPath": "digits",
    }
    claims = {one["name"]: one["persistentVolumeClaim"]["claimName"] for one in body["spec"]["volumes"][1:]}
    assert claims == {"trainingjob-data": "d", "trainingjob-output": "o"}


@pytest.mark.parametrize("launcher", LAUNCHERS)
def test_every_mount_has_its_volume_and_every_volume_a_mount(launcher: str) -> None:
    body = made(**LAUNCHERS[launcher])

    volumes = [one["name"] for one in body["spec"]["volumes"]]
    assert set(volumes) == {one["name"] for one in main(body)["volumeMounts"]}
    assert len(volumes) == len(set(volumes))


def test_the_users_variable_wins_where_it_may_and_stands_after_those_it_may_refer_to() -> None:
    body = made(env=[{"name": "NCCL_DEBUG", "value": "INFO"}, {"name": "WHO", "value": "$(NODE_RANK)"}])

    listed = [one["name"] for one in main(body)["env"]]
    assert env_of(body)["NCCL_DEBUG"] == "INFO"
    assert len(listed) == len(set(listed))
    assert listed[-2:] == ["NCCL_DEBUG", "WHO"]


def test_the_alias_of_the_main_node_is_added_to_the_users_own() -> None:
    theirs = {"ip": "10.1.1.1", "hostnames": ["licences"]}
    fields = {"podTemplate": {"spec": {"hostAliases": [theirs]}}}
    ours = {"ip": "10.0.0.1", "hostnames": ["digits-1-0.digits.ml.svc.cluster.local"]}

    assert made(1, "10.0.0.1", **fields)["spec"]["hostAliases"] == [theirs, ours]
    assert made(1, **fields)["spec"]["hostAliases"] == [theirs]
    assert "hostAliases" not in made(1)["spec"]


def test_the_operators_labels_win_over_the_users() -> None:
    labels = made(podTemplate={"metadata": {"labels": {"team": "vision"}}})["metadata"]["labels"]

    assert labels["team"] == "vision"
    assert labels["trainingjob.dev/attempt"] == "1"


def test_pods_are_locked_down_and_never_restarted_alone() -> None:
    body = made()

    assert body["spec"]["restartPolicy"] == "Never"
    assert body["spec"]["automountServiceAccountToken"] is False
    assert body["spec"]["securityContext"] == {"seccompProfile": {"type": "RuntimeDefault"}}
    assert main(body)["securityContext"] == {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    assert main(body)["terminationMessagePolicy"] == "FallbackToLogsOnError"
    assert body["spec"]["volumes"][0] == {"name": "trainingjob-shm", "emptyDir": {"medium": "Memory"}}


@pytest.mark.parametrize("unlike", ["0", "1", "0,2", "0-2"])
def test_every_rank_has_its_own_environment_whichever_nodes_are_unlike(unlike: str) -> None:
    fields = {"numNodes": 3, "nodeOverrides": [{"ranks": unlike, "processesPerNode": 2}]}
    one = job(**fields)

    for rank, body in enumerate(pods(one, 1, range(3), "cluster.local")):
        wanted = environment(one, 1, rank, "cluster.local")
        assert {name: value for name, value in env_of(body).items() if name in wanted} == wanted
