"""The environment of a pod: how the processes of a gang find each other (docs/environment.md).

Every name here was checked against Lightning's Trainer, Fabric, `fabric run`, torchrun and plain env:// scripts. What
is not here matters as much: LOCAL_RANK, GROUP_RANK, TORCHELASTIC_* and SLURM_* each break one of them.
"""

from trainingjob_operator.api import names
from trainingjob_operator.api.defaults import num_processes, of_rank, process_offset, processes, threads
from trainingjob_operator.core.observed import Job

Environment = dict[str, str]


def environment(job: Job, attempt: int, rank: int, cluster_domain: str) -> Environment:
    """Variables of one rank's pod, in a stable order. Needs a valid job."""
    main = names.main_address(job.name, attempt, job.namespace, cluster_domain)
    return _of_the_job(job, attempt, main) | _of_the_node(job, rank) | per_rank(job, rank)


def own_address() -> dict[str, object]:
    """The variable with the pod's own address, which only the kubelet knows: where the others of the gang see it."""
    return {"name": "TRAININGJOB_POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}


def per_rank(job: Job, rank: int) -> Environment:
    """The variables that differ between pods which are otherwise alike.

    RANK is the node's rank only where every node has one process; with more, Lightning would take it for a process's.
    """
    assert job.spec is not None
    text = str(rank)
    found = {
        "NODE_RANK": text,
        "PET_NODE_RANK": text,
        "TRAININGJOB_PROCESS_OFFSET": str(process_offset(job.spec, rank)),
    }
    return found | {"RANK": text} if num_processes(job.spec) == job.spec.num_nodes else found


def _of_the_job(job: Job, attempt: int, main: str) -> Environment:
    spec = job.spec
    assert spec is not None
    nodes, port = str(spec.num_nodes), str(spec.master_port)
    found = {
        "MASTER_ADDR": main,
        "MASTER_PORT": port,
        "WORLD_SIZE": nodes,  # the number of nodes: what Lightning's general-purpose cluster documents
        "NNODES": nodes,
        "PL_TRAINER_NUM_NODES": nodes,
        "LT_NUM_NODES": nodes,
        "PET_NNODES": nodes,
        "PET_MASTER_ADDR": main,
        "PET_MASTER_PORT": port,
        "TRAININGJOB_NAME": job.name,
        "TRAININGJOB_NAMESPACE": job.namespace,
        "TRAININGJOB_UID": job.uid,
        "TRAININGJOB_ATTEMPT": str(attempt),
        "TRAININGJOB_NUM_NODES": nodes,
        "TRAININGJOB_NUM_PROCESSES": str(num_processes(spec)),
        "PYTHONUNBUFFERED": "1",
        "NCCL_DEBUG": "WARN",
    }
    if spec.progress_port:
        found["TRAININGJOB_PROGRESS_PORT"] = str(spec.progress_port)
    if spec.data:
        found["TRAININGJOB_DATA_DIR"] = spec.data.mount_path
    if spec.output:
        found["TRAININGJOB_OUTPUT_DIR"] = spec.output.mount_path
    return found


def _of_the_node(job: Job, rank: int) -> Environment:
    """What follows from the node's own processes and CPUs; the same everywhere without spec.nodeOverrides."""
    assert job.spec is not None
    spec = of_rank(job.spec, rank)
    devices, limit = str(processes(spec)), threads(spec)
    found = dict.fromkeys(("PL_TRAINER_DEVICES", "LT_DEVICES", "PET_NPROC_PER_NODE", "TRAININGJOB_DEVICES"), devices)
    if limit is not None:
        found |= {"OMP_NUM_THREADS": str(limit), "LIGHTLY_TRAIN_MAX_NUM_WORKERS_AUTO": str(limit)}
    return found
