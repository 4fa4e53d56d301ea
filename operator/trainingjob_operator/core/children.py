"""The desired children of a job besides its pods: Service, NetworkPolicy and ConfigMap, all called like the job.

They are the same for every attempt, owned by the job's UID, and left to the garbage collector when the job goes.
"""

from typing import Any

import yaml

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import CONFIGMAPS, NETWORKPOLICIES, SERVICES, Resource
from trainingjob_operator.core.observed import Job
from trainingjob_operator.core.pod import needs_config_map, owner_reference

Body = dict[str, Any]


def children(job: Job, operator_namespace: str | None = None) -> list[tuple[Resource, Body]]:
    """What must exist before the first pod of an attempt. Needs a valid job."""
    spec = job.spec
    assert spec is not None
    found = [(SERVICES, _service(job))]
    if spec.network_policy.enabled:
        found.append((NETWORKPOLICIES, _network_policy(job, operator_namespace)))
    if needs_config_map(spec):
        found.append((CONFIGMAPS, _config_map(job)))
    return found


def _object(job: Job, resource: Resource, body: Body) -> Body:
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": job.name,
            "namespace": job.namespace,
            "labels": names.job_labels(job.name, job.uid),
            "ownerReferences": [owner_reference(job)],
        },
    } | body


def _service(job: Job) -> Body:
    """Headless, and it publishes addresses of pods that are not ready: ranks look for each other before they are."""
    assert job.spec is not None
    port = {"name": names.MAIN_PORT_NAME, "port": job.spec.master_port}
    spec = {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {names.LABEL_JOB_UID: job.uid},
        "ports": [port],
    }
    return _object(job, SERVICES, {"spec": spec})


def _network_policy(job: Job, operator_namespace: str | None) -> Body:
    """Pods of this job reach each other on every port (NCCL and gloo choose theirs).

    Nothing else comes in but the operator, which reads the progress, on that port. An operator outside the cluster is
    no pod that a policy could name.
    """
    assert job.spec is not None
    ours = {"matchLabels": {names.LABEL_JOB_UID: job.uid}}
    ingress: list[Body] = [{"from": [{"podSelector": ours}]}]
    if operator_namespace and job.spec.progress_port:
        operator = {
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": operator_namespace}},
            "podSelector": {"matchLabels": names.OPERATOR_LABELS},
        }
        ingress.append({"from": [operator], "ports": [{"port": job.spec.progress_port, "protocol": "TCP"}]})
    spec = {"podSelector": ours, "policyTypes": ["Ingress"], "ingress": ingress}
    return _object(job, NETWORKPOLICIES, {"spec": spec})


def _config_map(job: Job) -> Body:
    spec = job.spec
    assert spec is not None
    data = {names.file_key(path): text for path, text in spec.files.items()}
    if spec.run.trainer:
        data[names.CONFIG_KEY] = yaml.safe_dump(spec.run.trainer.config, sort_keys=False)
    return _object(job, CONFIGMAPS, {"immutable": True, "data": data})
