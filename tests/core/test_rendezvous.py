"""The environment contract: exactly these names, and no others."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import UID, job
from trainingjob_operator.api import names
from trainingjob_operator.core.rendezvous import environment, per_rank

ALWAYS = {
    "MASTER_ADDR", "MASTER_PORT", "NODE_RANK", "WORLD_SIZE", "LT_NUM_NODES", "LT_DEVICES", "PL_TRAINER_NUM_NODES",
    "PL_TRAINER_DEVICES", "PET_NNODES", "PET_NPROC_PER_NODE", "PET_NODE_RANK", "PET_MASTER_ADDR",
    "PET_MASTER_PORT", "NNODES", "TRAININGJOB_NAME", "TRAININGJOB_NAMESPACE", "TRAININGJOB_UID",
    "TRAININGJOB_ATTEMPT", "TRAININGJOB_NUM_NODES", "TRAININGJOB_DEVICES", "TRAININGJOB_NUM_PROCESSES",
    "TRAININGJOB_PROCESS_OFFSET", "TRAININGJOB_PROGRESS_PORT", "PYTHONUNBUFFERED", "NCCL_DEBUG",
}  # fmt: skip
THREADS = {"OMP_NUM_THREADS", "LIGHTLY_TRAIN_MAX_NUM_WORKERS_AUTO"}
# Each of these breaks one of the launchers.
NEVER = {
    "LOCAL_RANK", "GROUP_RANK", "GLOBAL_RANK", "LOCAL_WORLD_SIZE", "LT_CLI_USED", "LT_STRATEGY", "LT_PRECISION",
    "LT_ACCELERATOR", "PET_STANDALONE", "KUBERNETES_PORT",
}  # fmt: skip


def of(rank: int = 0, attempt: int = 1, **fields: object) -> dict[str, str]:
    return environment(job(**fields), attempt, rank, "cluster.local")


def test_one_process_per_node_gets_exactly_the_contract_and_rank() -> None:
    assert set(of()) == ALWAYS | {"RANK"}


def test_several_processes_per_node_get_no_rank_since_it_would_be_taken_for_a_processs() -> None:
    assert set(of(processesPerNode=2)) == ALWAYS
    assert set(of(gpusPerNode=8)) == ALWAYS


def test_progress_can_be_switched_off() -> None:
    assert set(of(progressPort=0)) == (ALWAYS | {"RANK"}) - {"TRAININGJOB_PROGRESS_PORT"}


def test_claims_and_a_cpu_limit_add_their_variables() -> None:
    claims = {"data": {"claimName": "d", "mountPath": "/in"}, "output": {"claimName": "o", "mountPath": "/out"}}

    found = of(**claims, resources={"limits": {"cpu": "8"}}, processesPerNode=4)

    assert set(found) == ALWAYS | THREADS | {"TRAININGJOB_DATA_DIR", "TRAININGJOB_OUTPUT_DIR"}
    assert (found["TRAININGJOB_DATA_DIR"], found["TRAININGJOB_OUTPUT_DIR"]) == ("/in", "/out")
    assert found["OMP_NUM_THREADS"] == found["LIGHTLY_TRAIN_MAX_NUM_WORKERS_AUTO"] == "2"


def test_the_values_of_one_rank() -> None:
    found = of(1, attempt=3, numNodes=4, gpusPerNode=2, masterPort=1234)

    address = "digits-3-0.digits.ml.svc.cluster.local"
    assert {found[name] for name in ("MASTER_ADDR", "PET_MASTER_ADDR")} == {address}
    assert {found[name] for name in ("MASTER_PORT", "PET_MASTER_PORT")} == {"1234"}
    assert {found[name] for name in ("NODE_RANK", "PET_NODE_RANK")} == {"1"}
    nodes = ("WORLD_SIZE", "NNODES", "PET_NNODES", "LT_NUM_NODES", "PL_TRAINER_NUM_NODES", "TRAININGJOB_NUM_NODES")
    assert {found[name] for name in nodes} == {"4"}
    devices = ("LT_DEVICES", "PL_TRAINER_DEVICES", "PET_NPROC_PER_NODE", "TRAININGJOB_DEVICES")
    assert {found[name] for name in devices} == {"2"}
    assert (found["TRAININGJOB_NAME"], found["TRAININGJOB_NAMESPACE"]) == ("digits", "ml")
    assert (found["TRAININGJOB_UID"], found["TRAININGJOB_ATTEMPT"]) == (UID, "3")


@given(st.integers(1, 64), st.integers(0, 8), st.one_of(st.none(), st.integers(1, 16)), st.integers(0, 1023))
def test_no_combination_sets_what_breaks_a_launcher(nodes: int, gpus: int, processes: int | None, rank: int) -> None:
    fields = {"numNodes": nodes, "gpusPerNode": gpus} | ({"processesPerNode": processes} if processes else {})

    found = of(rank % nodes, **fields)

    assert not set(found) & NEVER
    assert not any(name.startswith(("TORCHELASTIC_", "SLURM_")) for name in found)
    assert ("RANK" in found) == ((processes or gpus or 1) == 1)


def test_ranks_differ_in_the_variables_of_a_rank_and_in_nothing_else() -> None:
    one, other = of(0), of(1)

    assert {name for name in one if one[name] != other[name]} == set(per_rank(job(), 1))


def test_what_the_operator_sets_is_refused_from_users_but_for_a_few_that_may_be_tuned() -> None:
    free = {name for name in of(resources={"limits": {"cpu": 1}}) if not names.is_reserved_env(name)}

    assert free == THREADS | {"PYTHONUNBUFFERED", "NCCL_DEBUG"}


@pytest.mark.parametrize("name", sorted(NEVER - {"LOCAL_WORLD_SIZE", "KUBERNETES_PORT"}))
def test_what_breaks_a_launcher_is_refused_from_users(name: str) -> None:
    assert names.is_reserved_env(name)
