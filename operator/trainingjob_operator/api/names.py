"""Every name, label, annotation and length limit that the product puts into a cluster.

Pure string work. Where a name is derived (a pod of attempt 2, rank 1), it is derived here and only here, so that
two parts of the code can never disagree about it.
"""

import re
from collections.abc import Collection

GROUP = "trainingjob.dev"
VERSION = "v1alpha1"
API_VERSION = f"{GROUP}/{VERSION}"
KIND = "TrainingJob"

# Labels on every child. The job's UID, not its name, ties a child to one life of a job: names come back.
LABEL_MANAGED_BY = "app.kubernetes.io/managed-by"
LABEL_NAME = "app.kubernetes.io/name"
LABEL_COMPONENT = "app.kubernetes.io/component"
LABEL_JOB = f"{GROUP}/job"
LABEL_JOB_UID = f"{GROUP}/job-uid"
LABEL_ATTEMPT = f"{GROUP}/attempt"
LABEL_RANK = f"{GROUP}/rank"
MANAGED_BY = "trainingjob-operator"

MANAGER = f"{GROUP}/operator"

MAIN_CONTAINER = "trainer"
MAIN_PORT_NAME = "rendezvous"

# What the operator's own pods are called in the network policies of jobs, whatever the chart's release is called.
OPERATOR_LABELS = {f"{GROUP}/role": "operator"}

# <job>-<attempt>-<rank> must stay a DNS label (63): 50 + "-" + 7 digits of attempt + "-" + 4 digits of rank.
MAX_JOB_NAME = 50
JOB_NAME_PATTERN = r"^[a-z]([-a-z0-9]*[a-z0-9])?$"
MAX_NODES = 1024

WORKSPACE_DIR = "/workspace"
CONFIG_DIR = "/etc/trainingjob"
CONFIG_FILE = "config.yaml"
SHM_DIR = "/dev/shm"  # noqa: S108 - the kernel's shared memory mount, not a temporary file
DATA_DIR = "/data"
OUTPUT_DIR = "/output"

# Volume names; a podTemplate that uses one of them is refused.
VOLUME_FILES = "trainingjob-files"
VOLUME_WORKSPACE = "trainingjob-workspace"
VOLUME_SHM = "trainingjob-shm"
VOLUME_DATA = "trainingjob-data"
VOLUME_OUTPUT = "trainingjob-output"
VOLUMES = frozenset({VOLUME_FILES, VOLUME_WORKSPACE, VOLUME_SHM, VOLUME_DATA, VOLUME_OUTPUT})

# The job's ConfigMap holds run.trainer.config under this key, beside the user's files.
CONFIG_KEY = "trainingjob.config.yaml"
FILE_NAME_PATTERN = r"^[A-Za-z0-9_][A-Za-z0-9._-]*(/[A-Za-z0-9_][A-Za-z0-9._-]*)*$"
MAX_FILES_BYTES = 512 * 1024

# The environment contract (docs/environment.md). Names in RESERVED_ENV are set by the operator and refused from users.
RESERVED_ENV = (
    "MASTER_ADDR",
    "MASTER_PORT",
    "NODE_RANK",
    "WORLD_SIZE",
    "RANK",
    "LOCAL_RANK",
    "GROUP_RANK",
    "GLOBAL_RANK",
    "NNODES",
    "LT_NUM_NODES",
    "LT_DEVICES",
    "LT_CLI_USED",
    "LT_STRATEGY",
    "LT_PRECISION",
    "LT_ACCELERATOR",
    "PL_TRAINER_NUM_NODES",
    "PL_TRAINER_DEVICES",
    "PET_NNODES",
    "PET_NPROC_PER_NODE",
    "PET_NODE_RANK",
    "PET_MASTER_ADDR",
    "PET_MASTER_PORT",
    "PET_STANDALONE",
)
RESERVED_ENV_PREFIXES = ("TRAININGJOB_", "TORCHELASTIC_", "SLURM_")


def pod_name(job: str, attempt: int, rank: int) -> str:
    """Name of the pod of one rank in one attempt (attempts count from 1, ranks from 0)."""
    return f"{job}-{attempt}-{rank}"


def attempt_and_rank(pod: str) -> tuple[int, int] | None:
    """Attempt and rank in a pod's name, None if it is none of ours. Names stay; labels can be edited by anyone."""
    match = re.fullmatch(r".+-([1-9][0-9]{0,6})-(0|[1-9][0-9]{0,3})", pod)
    return (int(match[1]), int(match[2])) if match else None


def main_address(job: str, attempt: int, namespace: str, cluster_domain: str) -> str:
    """MASTER_ADDR of an attempt: rank 0's name, exactly as the kubelet writes it into that pod's /etc/hosts."""
    return f"{pod_name(job, attempt, 0)}.{job}.{namespace}.svc.{cluster_domain}"


def pod_labels(job: str, uid: str, attempt: int, rank: int) -> dict[str, str]:
    """Labels of one pod; `kubectl logs -l trainingjob.dev/job=digits,trainingjob.dev/rank=0` finds it."""
    return job_labels(job, uid) | {LABEL_ATTEMPT: str(attempt), LABEL_RANK: str(rank)}


def job_labels(job: str, uid: str) -> dict[str, str]:
    """Labels of every child of a job."""
    return {LABEL_MANAGED_BY: MANAGED_BY, LABEL_NAME: "trainingjob", LABEL_JOB: job, LABEL_JOB_UID: uid}


def job_selector(job: str) -> str:
    """Label selector of all children of any job of this name, namesakes of an earlier life among them."""
    return f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_JOB}={job}"


def jobs_selector(jobs: Collection[str]) -> str:
    """Label selector of all children of any of some jobs."""
    if len(jobs) == 1:
        return job_selector(*jobs)
    return f"{LABEL_MANAGED_BY}={MANAGED_BY},{LABEL_JOB} in ({','.join(sorted(jobs))})"


def is_job_name(name: str) -> bool:
    """Whether a job may be called so (RFC 1035 label, at most 50 characters)."""
    return len(name) <= MAX_JOB_NAME and re.fullmatch(JOB_NAME_PATTERN, name) is not None


def is_reserved_env(name: str) -> bool:
    """Whether a variable belongs to the operator: it sets it, or setting it would break one of the launchers."""
    return name in RESERVED_ENV or name.startswith(RESERVED_ENV_PREFIXES)


def file_key(path: str) -> str:
    """Key of a file in the job's ConfigMap; keys may not hold slashes."""
    return path.replace("/", "__")


def is_file_name(path: str) -> bool:
    """Whether a key of spec.files is a path inside /workspace."""
    return re.fullmatch(FILE_NAME_PATTERN, path) is not None
