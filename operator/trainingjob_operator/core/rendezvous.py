"""The environment of a pod: how the processes of a gang find each other (docs/environment.md).

Every name here was checked against Lightning's Trainer, Fabric, `fabric run`, torchrun and plain env:// scripts. What
is not here matters as much: LOCAL_RANK, GROUP_RANK, TORCHELASTIC_* and SLURM_* each break one of them.
"""

from trainingjob_operator.api import names
from trainingjob_operator.api.defaults import processes, threads
from trainingjob_operator.core.observed import Job

Environment = dict[str, str]


def environment(job: Job, attempt: int, rank: int, cluster_domain: str) -> Environment:
    """Variables of one rank's pod, in a stable order. Needs a valid job."""
    assert job.spec is not None
    main = names.main_address(job.name, attempt, job.namespace, cluster_domain)
    return _shared(job, attempt, main) | per_rank(job, rank)


def per_rank(job: Job, rank: int) -> Environment:
    """The variables that differ between the pods of an attempt.

    RANK is the node's rank only where a node has one process; with more, Lightning would take it for a process's.
    """
    assert job.spec is not None
    text = str(rank)
    found = {"NODE_RANK": text, "PET_NODE_RANK": text}
    return found | {"RANK": text} if processes(job.spec) == 1 else found


def _shared(job: Job, attempt: int, main: str) -> Environment:
    spec = job.spec
    assert spec is not None
    nodes, devices, port = str(spec.num_nodes), str(processes(spec)), str(spec.master_port)
    found = {
        "MASTER_ADDR": main,
        "MASTER_PORT": port,
        "WORLD_SIZE": nodes,  # the number of nodes: what Lightning's general-purpose cluster documents
        "NNODES": nodes,
        "PL_TRAINER_NUM_NODES": nodes,
        "PL_TRAINER_DEVICES": devices,
        "LT_NUM_NODES": nodes,
        "LT_DEVICES": devices,
        "PET_NNODES": nodes,
        "PET_NPROC_PER_NODE": devices,
        "PET_MASTER_ADDR": main,
        "PET_MASTER_PORT": port,
        "TRAININGJOB_NAME": job.name,
        "TRAININGJOB_NAMESPACE": job.namespace,
        "TRAININGJOB_UID": job.uid,
        "TRAININGJOB_ATTEMPT": str(attempt),
        "TRAININGJOB_NUM_NODES": nodes,
        "TRAININGJOB_DEVICES": devices,
        "PYTHONUNBUFFERED": "1",
        "NCCL_DEBUG": "WARN",
    }
    if spec.data:
        found["TRAININGJOB_DATA_DIR"] = spec.data.mount_path
    if spec.output:
        found["TRAININGJOB_OUTPUT_DIR"] = spec.output.mount_path
    limit = threads(spec)
    if limit is not None:
        found |= {"OMP_NUM_THREADS": str(limit), "LIGHTLY_TRAIN_MAX_NUM_WORKERS_AUTO": str(limit)}
    return found
