"""`trainingjob render`: the children that a job would get, without any cluster."""

from collections.abc import Iterable, Iterator
from typing import Any

import yaml

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


def as_yaml(bodies: Iterable[dict[str, Any]]) -> str:
    """A stream of YAML documents, as people write them."""
    return yaml.dump_all(bodies, Dumper=_PlainDumper, sort_keys=False, explicit_start=True)


class _PlainDumper(yaml.SafeDumper):
    """What appears twice is written twice, and a text of several lines stands as it is."""

    def ignore_aliases(self, data: object) -> bool:
        return True

    def represent_str(self, data: str) -> yaml.ScalarNode:
        return self.represent_scalar("tag:yaml.org,2002:str", data, style="|" if "\n" in data else None)


_PlainDumper.add_representer(str, _PlainDumper.represent_str)


def _unborn(raw: dict[str, Any]) -> Job:
    """The job as the API server would hand it out, but for the UID that only the API server gives."""
    return job_from(raw | {"metadata": raw["metadata"] | {"uid": NO_UID}, "status": {}})
