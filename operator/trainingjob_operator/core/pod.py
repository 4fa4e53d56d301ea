"""The desired pod of one rank.

Everything that is the same for all ranks is built once (`template`); a rank's own name, labels, variables and host
alias are put into a copy (`for_rank`). For 512 pods that is the difference between building and patching. A rank that
`spec.nodeOverrides` names gets a template of its own.
"""

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from trainingjob_operator.api import names
from trainingjob_operator.api.defaults import of_rank, working_dir
from trainingjob_operator.api.overrides import NodeOverride
from trainingjob_operator.api.policies import StartPolicy
from trainingjob_operator.api.types import TrainingJobSpec
from trainingjob_operator.core.avoid import avoided_nodes
from trainingjob_operator.core.command import command
from trainingjob_operator.core.observed import Job
from trainingjob_operator.core.overlay import overlaid
from trainingjob_operator.core.rendezvous import environment, own_address, per_rank

Body = dict[str, Any]
GRACE_SECONDS = 60


def pods(
    job: Job, attempt: int, ranks: Iterable[int], cluster_domain: str, main_ip: str | None = None
) -> Iterator[Body]:
    """The pods of some ranks of an attempt. Needs a valid job."""
    assert job.spec is not None
    overridden = frozenset(rank for override in job.spec.node_overrides for rank in override.members)
    common = template(job, attempt, cluster_domain)
    for rank in ranks:
        base = template(job, attempt, cluster_domain, rank) if rank in overridden else common
        yield for_rank(job, base, attempt, rank, main_ip)


def template(job: Job, attempt: int, cluster_domain: str, rank: int | None = None) -> Body:
    """The pod of a rank without its labels and names; without a rank, of one that no override names."""
    assert job.spec is not None
    spec = job.spec if rank is None else of_rank(job.spec, rank)
    # Rank 0 may be one of the unlike nodes, and then says nothing about the others.
    whose = next((r for r in range(spec.num_nodes) if of_rank(job.spec, r) is job.spec), 0) if rank is None else rank
    overrides = [] if rank is None else [o for o in spec.node_overrides if rank in o.members]
    own: Body = {
        "restartPolicy": "Never",
        "subdomain": job.name,
        "terminationGracePeriodSeconds": GRACE_SECONDS,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,  # a Service called "master" would set MASTER_PORT
        "securityContext": {"seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container(job, spec, overrides, environment(job, attempt, whose, cluster_domain))],
        "volumes": _volumes(job.name, spec),
    }
    blamed = avoided_nodes(job.status)
    if blamed:
        own["affinity"] = {"nodeAffinity": _rather_not(blamed)}
    selector = {key: value for override in overrides for key, value in override.node_selector.items()}
    if selector:
        own["nodeSelector"] = selector
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": job.namespace,
            "ownerReferences": [owner_reference(job)],
        }
        | _annotations(spec),
        "spec": overlaid(own, spec.pod_template.spec),
    }


def for_rank(job: Job, base: Body, attempt: int, rank: int, main_ip: str | None) -> Body:
    """The pod of a rank from the template; ``main_ip`` spares it from asking DNS for rank 0."""
    spec = job.spec
    assert spec is not None
    name = names.pod_name(job.name, attempt, rank)
    labels = spec.pod_template.metadata.labels | names.pod_labels(job.name, job.uid, attempt, rank)
    pod = base | {
        "metadata": {"name": name} | base["metadata"] | {"labels": labels},
        "spec": base["spec"] | {"hostname": name},
    }
    if rank > 0:
        pod["spec"]["containers"] = [_of_rank(container, job, rank) for container in pod["spec"]["containers"]]
    elif spec.start_policy == StartPolicy.MAIN_NODE_READY:
        pod["spec"]["containers"] = [_probed(container, spec.master_port) for container in pod["spec"]["containers"]]
    if main_ip is not None:
        pod["spec"]["hostAliases"] = [*pod["spec"].get("hostAliases", []), _alias(pod, main_ip)]
    return pod


def _rather_not(nodes: list[str]) -> Body:
    field = {"key": "metadata.name", "operator": "NotIn", "values": nodes}
    return {
        "preferredDuringSchedulingIgnoredDuringExecution": [{"weight": 100, "preference": {"matchFields": [field]}}]
    }


def owner_reference(job: Job) -> Body:
    """Ties a child to this life of the job: a namesake has another UID."""
    return {
        "apiVersion": names.API_VERSION,
        "kind": names.KIND,
        "name": job.name,
        "uid": job.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }


def _annotations(spec: TrainingJobSpec) -> Body:
    found = spec.pod_template.metadata.annotations
    return {"annotations": dict(found)} if found else {}


def _of_rank(container: Body, job: Job, rank: int) -> Body:
    if container["name"] != names.MAIN_CONTAINER:
        return container
    own = per_rank(job, rank)
    env = [{"name": v["name"], "value": own[v["name"]]} if v["name"] in own else v for v in container["env"]]
    ports = [port for port in container.get("ports", []) if port.get("name") != names.MAIN_PORT_NAME]
    return {key: value for key, value in container.items() if key != "ports"} | {"env": env, "ports": ports}


def _probed(container: Body, port: int) -> Body:
    """Rank 0 is ready once it listens for the rendezvous, unless the user has another idea of ready."""
    if container["name"] != names.MAIN_CONTAINER or "readinessProbe" in container:
        return container
    # By number: an overlay may give the port another name.
    probe = {"tcpSocket": {"port": port}, "periodSeconds": 1, "failureThreshold": 3}
    return container | {"readinessProbe": probe}


def _alias(pod: Body, main_ip: str) -> Body:
    env = next(c["env"] for c in pod["spec"]["containers"] if c["name"] == names.MAIN_CONTAINER)
    return {"ip": main_ip, "hostnames": [next(v["value"] for v in env if v["name"] == "MASTER_ADDR")]}


def _container(job: Job, spec: TrainingJobSpec, overrides: Sequence[NodeOverride], variables: dict[str, str]) -> Body:
    found: Body = {
        "name": names.MAIN_CONTAINER,
        "image": spec.image,
        "command": command(spec),
        "env": _env(spec, overrides, variables),
        "ports": [{"name": names.MAIN_PORT_NAME, "containerPort": spec.master_port}],
        "resources": _resources(spec),
        "volumeMounts": _mounts(job.name, spec),
        # The last log lines become the termination message, so that status can quote them without reading logs.
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
    }
    if spec.env_from:
        found["envFrom"] = list(spec.env_from)
    directory = working_dir(spec)
    return found | {"workingDir": directory} if directory else found


def _env(spec: TrainingJobSpec, overrides: Sequence[NodeOverride], ours: dict[str, str]) -> list[Body]:
    """The user's variables come last, as they may refer to ours; where both set one, the user's wins."""
    stated = [*spec.env, *(variable for override in overrides for variable in override.env)]
    theirs = {variable.name: variable.wire() for variable in stated}
    plain = [{"name": name, "value": value} for name, value in ours.items() if name not in theirs]
    return [*plain, own_address(), *theirs.values()]


def _resources(spec: TrainingJobSpec) -> Body:
    found = spec.resources.wire()
    if spec.gpus_per_node:
        found["limits"] = found.get("limits", {}) | {spec.gpu_resource: spec.gpus_per_node}
    return {kind: amounts for kind, amounts in found.items() if amounts}


def _mounts(job: str, spec: TrainingJobSpec) -> list[Body]:
    found: list[Body] = [{"name": names.VOLUME_SHM, "mountPath": names.SHM_DIR}]
    if spec.data:
        mount = {"name": names.VOLUME_DATA, "mountPath": spec.data.mount_path, "readOnly": spec.data.read_only}
        found.append(mount | {"subPath": spec.data.sub_path} if spec.data.sub_path else mount)
    if spec.output:
        path, folder = spec.output.mount_path, spec.output.sub_path or job
        found.append({"name": names.VOLUME_OUTPUT, "mountPath": path, "subPath": folder})
    if spec.run.trainer:
        found.append(_file_mount(f"{names.CONFIG_DIR}/{names.CONFIG_FILE}", names.CONFIG_KEY))
    if spec.files:
        # The folder itself is writable: scripts leave logs and caches beside themselves.
        found.append({"name": names.VOLUME_WORKSPACE, "mountPath": names.WORKSPACE_DIR})
    return found + [_file_mount(f"{names.WORKSPACE_DIR}/{path}", names.file_key(path)) for path in spec.files]


def _file_mount(path: str, key: str) -> Body:
    return {"name": names.VOLUME_FILES, "mountPath": path, "subPath": key, "readOnly": True}


def _volumes(job: str, spec: TrainingJobSpec) -> list[Body]:
    shm: Body = {"medium": "Memory"}
    if spec.shared_memory.size_limit:
        shm["sizeLimit"] = spec.shared_memory.size_limit
    found: list[Body] = [{"name": names.VOLUME_SHM, "emptyDir": shm}]
    if spec.data:
        found.append(_claim(names.VOLUME_DATA, spec.data.claim_name))
    if spec.output:
        found.append(_claim(names.VOLUME_OUTPUT, spec.output.claim_name))
    if needs_config_map(spec):
        found.append({"name": names.VOLUME_FILES, "configMap": {"name": job}})
    if spec.files:
        found.append({"name": names.VOLUME_WORKSPACE, "emptyDir": {}})
    return found


def _claim(volume: str, claim: str) -> Body:
    return {"name": volume, "persistentVolumeClaim": {"claimName": claim}}


def needs_config_map(spec: TrainingJobSpec) -> bool:
    """Whether the job has a ConfigMap: for the trainer's configuration, the user's files or both."""
    return bool(spec.files) or spec.run.trainer is not None
