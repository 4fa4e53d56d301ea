"""The jobs that are submitted, and the objects that a plain client posts for the floor: the very same ones."""

from collections.abc import Iterator
from dataclasses import dataclass

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_operator.cluster.api import Object
from trainingjob_operator.core.children import children
from trainingjob_operator.core.observed import job_from
from trainingjob_operator.core.pod import pods

DOMAIN = "cluster.local"


@dataclass(frozen=True, slots=True)
class Shape:
    """So many jobs of so many pods each."""

    jobs: int
    nodes: int

    @property
    def pods(self) -> int:
        return self.jobs * self.nodes

    def __str__(self) -> str:
        return f"{self.jobs} x {self.nodes}"


def job(name: str, nodes: int, policy: str = "Parallel", manager: str = names.MANAGER) -> Object:
    """A TrainingJob that needs nothing but its pods."""
    spec = {
        "numNodes": nodes,
        "image": "image:1",
        "run": {"command": ["train"]},
        "startPolicy": policy,
        "managedBy": manager,
    }
    return {"apiVersion": names.API_VERSION, "kind": names.KIND, "metadata": {"name": name}, "spec": spec}


def objects_of(stored: Object) -> Iterator[tuple[Resource, Object]]:
    """What the operator would create for a stored job, pods last."""
    seen = job_from(stored)
    yield from children(seen)
    assert seen.spec is not None
    for body in pods(seen, 1, range(seen.spec.num_nodes), DOMAIN):
        yield PODS, body
