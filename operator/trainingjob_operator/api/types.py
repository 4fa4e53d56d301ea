"""What users write: the spec of a TrainingJob. The field descriptions are the user documentation.

`kubectl explain`, the CRD and docs/api.md are generated from this file (`make generate`). What these types cannot say,
because it concerns several fields, is in validate.py; values that follow from others are in defaults.py.
"""

from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from trainingjob_operator.api import names
from trainingjob_operator.api.container import EnvVar, PodTemplate, Resources
from trainingjob_operator.api.model import OPEN, AbsolutePath, Model, Quantity, ShortText, map_by, rule, rules
from trainingjob_operator.api.overrides import NodeOverride
from trainingjob_operator.api.policies import FailurePolicy, StartPolicy
from trainingjob_operator.api.run import Run

ClaimName = Annotated[str, StringConstraints(pattern=r"^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$", max_length=253)]
SubPath = Annotated[str, StringConstraints(pattern=r"^[^/].*$", max_length=1024)]
FileText = Annotated[str, StringConstraints(max_length=512 * 1024)]


RESERVED_NAMES = "[" + ", ".join(f"'{name}'" for name in names.RESERVED_ENV) + "]"
ENV_RULES = rules(
    rule(
        f"self.all(e, !(e.name in {RESERVED_NAMES}) && "
        + " && ".join(f"!e.name.startsWith('{prefix}')" for prefix in names.RESERVED_ENV_PREFIXES)
        + ")",
        "the rendezvous variables (MASTER_ADDR, WORLD_SIZE, RANK, ... and TRAININGJOB_*) are set by the operator: "
        "remove them",
    )
)
FILE_RULES = rules(
    rule(
        f"self.all(name, name.matches('{names.FILE_NAME_PATTERN}'))",
        "a file's name must be a relative path of letters, digits, '.', '_' and '-'",
    )
)


class Data(Model):
    """The dataset: a shared claim, mounted into every pod."""

    claim_name: ClaimName = Field(description="Name of the PersistentVolumeClaim that holds the dataset.")
    sub_path: SubPath | None = Field(default=None, description="Folder inside the claim; the whole claim if absent.")
    mount_path: AbsolutePath = Field(default=names.DATA_DIR, description="Where the pods see it.")
    read_only: bool = Field(default=True, description="Mount it read-only.")


class Output(Model):
    """Where checkpoints and logs go: a shared claim, mounted into every pod."""

    claim_name: ClaimName = Field(
        description="Name of the PersistentVolumeClaim for checkpoints and logs; all pods must be able to mount it "
        "(ReadWriteMany, unless they run on one machine)."
    )
    sub_path: SubPath | None = Field(default=None, description="Folder inside the claim. Default: the job's name.")
    mount_path: AbsolutePath = Field(default=names.OUTPUT_DIR, description="Where the pods see it.")


class NetworkPolicy(Model):
    """Who may open connections to the pods."""

    enabled: bool = Field(
        default=True,
        description="Let only pods of this job connect to its pods. PyTorch's rendezvous and collectives have no "
        "authentication: anyone who reaches them can run code in the job. Outgoing traffic stays open.",
    )


class SharedMemory(Model):
    """The size of /dev/shm, which data loader workers and NCCL use."""

    size_limit: Quantity | None = Field(
        default=None,
        description="Size of the memory volume at /dev/shm; it counts against the memory limit. "
        "Default: no limit of its own (half of the node's memory).",
    )


STALL_NEEDS_PROGRESS = "needs spec.progressPort: with 0 nobody sees whether training stands still"
SPEC_RULES = rules(
    rule(
        "!has(self.data) || !has(self.output) || self.data.mountPath != self.output.mountPath",
        "spec.data and spec.output need different mount paths",
        field_path=".output.mountPath",
    ),
    rule(
        "!(self.gpuResource in self.resources.limits) && !(self.gpuResource in self.resources.requests)",
        "GPUs are set by spec.gpusPerNode: remove them from spec.resources",
        field_path=".resources",
    ),
    rule(
        "self.progressPort == 0 || self.progressPort >= 1024 && self.progressPort != self.masterPort",
        "spec.progressPort must be 0 or 1024 to 65535, and not the masterPort",
        field_path=".progressPort",
    ),
    rule(
        "!has(self.failurePolicy.stallTimeoutSeconds) || self.progressPort != 0",
        f"spec.failurePolicy.stallTimeoutSeconds {STALL_NEEDS_PROGRESS}",
        field_path=".failurePolicy.stallTimeoutSeconds",
    ),
)


class TrainingJobSpec(Model):
    """A multi-node training run."""

    model_config = ConfigDict(json_schema_extra=SPEC_RULES)

    num_nodes: int = Field(
        default=1, ge=1, le=names.MAX_NODES, description="Number of pods, one per node. Rank 0 is the main node."
    )
    gpus_per_node: int = Field(
        default=0, ge=0, le=64, description="GPUs of each pod, as a limit of spec.gpuResource; 0 trains on the CPU."
    )
    gpu_resource: Annotated[str, StringConstraints(pattern=r"^[a-z0-9.-]+/[A-Za-z0-9._-]+$", max_length=253)] = Field(
        default="nvidia.com/gpu", description="Name of the GPU resource in the cluster, e.g. amd.com/gpu."
    )
    processes_per_node: int | None = Field(
        default=None,
        ge=1,
        le=256,
        description="Training processes in each pod. Default: one per GPU, or 1 on the CPU.",
    )
    image: Annotated[str, StringConstraints(pattern=r"^[^\s]+$", min_length=1, max_length=1024)] = Field(
        description="Container image with Python, PyTorch and your code. All pods run the same."
    )
    run: Run = Field(description="What each pod runs. Exactly one launcher is set.")
    files: dict[str, FileText] = Field(
        default={},
        max_length=64,
        description="Small source files by name, 512 KiB in all, mounted at /workspace; for a script that is not in "
        "the image.",
        json_schema_extra=FILE_RULES,
    )
    working_dir: AbsolutePath | None = Field(
        default=None, description="Where the command starts. Default: /workspace with spec.files, else the image's own."
    )
    env: list[EnvVar] = Field(
        default=[],
        max_length=256,
        description="Additional environment variables. The rendezvous variables (MASTER_ADDR, WORLD_SIZE, ...) are "
        "reserved; NCCL_SOCKET_IFNAME, NCCL_DEBUG, OMP_NUM_THREADS and others of yours win over the operator's.",
        json_schema_extra=map_by("name") | ENV_RULES,
    )
    env_from: list[Annotated[dict[str, object], Field(json_schema_extra=OPEN)]] = Field(
        default=[], max_length=64, description="ConfigMaps and Secrets whose keys become variables, as in a container."
    )
    resources: Resources = Field(default=Resources(), description="CPU and memory of each pod's training container.")
    master_port: int = Field(
        default=29500, ge=1024, le=65535, description="Port on which rank 0 listens for the rendezvous."
    )
    progress_port: int = Field(
        default=29490,
        ge=0,
        le=65535,
        description="Port on which rank 0 tells how far it is; the trainer and every Lightning script with the "
        "trainingjob package do so by themselves, others may (docs/environment.md). 0 switches it off.",
    )
    data: Data | None = Field(default=None, description="The dataset's claim.")
    output: Output | None = Field(default=None, description="The claim for checkpoints and logs.")
    start_policy: StartPolicy = Field(
        default=StartPolicy.MAIN_NODE_FIRST,
        description="MainNodeFirst creates rank 0's pod first and the others when it has its address (after 2 seconds "
        "at the latest), so that they need no DNS. MainNodeReady creates the others once rank 0 listens on masterPort. "
        "Parallel creates all at once, as gang schedulers want it.",
    )
    failure_policy: FailurePolicy = Field(
        default=FailurePolicy(), description="What happens when a pod of the gang fails."
    )
    startup_timeout_seconds: int | None = Field(
        default=None,
        ge=1,
        le=604800,
        description="Fail the job if the pods of an attempt are not all running within this time, e.g. because an "
        "image cannot be pulled or no node has room. Default: wait for ever.",
    )
    active_deadline_seconds: int | None = Field(
        default=None,
        ge=1,
        le=315360000,
        description="Fail the job when it has been active for so long; the clock begins anew after a suspension. May "
        "be changed while the job runs.",
    )
    ttl_seconds_after_finished: int | None = Field(
        default=None,
        ge=0,
        le=315360000,
        description="Delete the job, its pods and their logs so long after it has finished. Default: keep it. May be "
        "changed at any time.",
    )
    suspend: bool = Field(
        default=False, description="Delete the pods and wait; false starts a new attempt. May be changed at any time."
    )
    network_policy: NetworkPolicy = Field(default=NetworkPolicy(), description="Who may connect to the pods.")
    shared_memory: SharedMemory = Field(default=SharedMemory(), description="The size of /dev/shm.")
    node_overrides: list[NodeOverride] = Field(
        default=[],
        max_length=64,
        description="What is different on some nodes: GPUs, resources, node selector, variables. For each field the "
        "last override that names a rank wins.",
    )
    managed_by: ShortText | None = Field(
        default=None,
        description="Leave this job to another controller of that name (KEP-4368); absent or "
        "trainingjob.dev/operator means this operator.",
    )
    pod_template: PodTemplate = Field(
        default=PodTemplate(), description="An overlay for everything else that a pod can have."
    )
