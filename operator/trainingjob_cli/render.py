"""`trainingjob render`: the children that a job would get, without any cluster."""

from collections.abc import Iterator
from typing import Any

from trainingjob_operator.core.children import children
from trainingjob_operator.core.observed import Job, job_from
from trainingjob_operator.core.pod import pods

NO_UID = "00000000-0000-0000-0000-000000000000"


def rendered(raw: dict[str, Any], *, attempt: int, cluster_domain: str) -> Iterator[dict[str, Any]]:
    """Service, NetworkPolicy, ConfigMap and pods of one attempt of a valid TrainingJob, in the order of creation."""
    job = _unborn(raw)
    assert job.spec is not None
    for _, body in children(job):
        yield body
    yield from pods(job, attempt, range(job.spec.num_nodes), cluster_domain)


def _unborn(raw: dict[str, Any]) -> Job:
    """The job as the API server would hand it out, but for the UID that only the API server gives."""
    return job_from(raw | {"metadata": raw["metadata"] | {"uid": NO_UID}, "status": {}})
