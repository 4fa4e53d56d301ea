"""Nodes that are not alike (`spec.nodeOverrides`): which ranks an override is about, and what it changes.

Environment and node selector are added to the common ones in core/pod.py; the other fields replace the common value.
"""

from functools import cached_property
from typing import Annotated

from pydantic import ConfigDict, Field, StringConstraints

from trainingjob_operator.api.container import EnvVar, Resources
from trainingjob_operator.api.model import Model, map_by

Label = Annotated[str, StringConstraints(max_length=63)]
RANKS = r"^[0-9]{1,4}(-[0-9]{1,4})?(,[0-9]{1,4}(-[0-9]{1,4})?)*$"


class NodeOverride(Model):
    """What is different on some nodes."""

    model_config = ConfigDict(ignored_types=(cached_property,))

    ranks: Annotated[str, StringConstraints(pattern=RANKS, max_length=1024)] = Field(
        description='Ranks of the nodes, e.g. "0" or "0,2-3".'
    )
    gpus_per_node: int | None = Field(default=None, ge=0, le=64, description="GPUs of these nodes' pods.")
    processes_per_node: int | None = Field(
        default=None, ge=1, le=256, description="Training processes on these nodes. Default: one per GPU."
    )
    resources: Resources | None = Field(default=None, description="CPU and memory of these nodes' pods.")
    node_selector: dict[str, Label] = Field(
        default={}, max_length=32, description="Labels that these nodes must have, besides those of the pod template."
    )
    env: list[EnvVar] = Field(
        default=[],
        max_length=256,
        description="Additional environment variables on these nodes, e.g. another NCCL_SOCKET_IFNAME.",
        json_schema_extra=map_by("name"),
    )

    @cached_property
    def spans(self) -> tuple[tuple[int, int], ...]:
        """First and last rank of each part, as written."""
        parts = (part.partition("-") for part in self.ranks.split(","))
        return tuple((int(first), int(last or first)) for first, _, last in parts)

    @cached_property
    def members(self) -> frozenset[int]:
        """The ranks as numbers. Each is counted once, however often it is named: a pass must not wait for this."""
        found: set[int] = set()
        behind = 0
        for first, last in sorted(self.spans):
            found.update(range(max(first, behind), last + 1))
            behind = max(behind, last + 1)
        return frozenset(found)

    @property
    def processes(self) -> int | None:
        """Processes on these nodes, as stated or as its GPUs imply; None leaves the common number."""
        if self.gpus_per_node is None:
            return self.processes_per_node
        return self.processes_per_node or self.gpus_per_node or 1

    def changes(self) -> dict[str, object]:
        """The fields of the spec that it replaces. Other GPUs mean another number of processes, unless it is stated."""
        found: dict[str, object] = {}
        if self.gpus_per_node is not None:
            found |= {"gpus_per_node": self.gpus_per_node, "processes_per_node": None}
        if self.processes_per_node is not None:
            found["processes_per_node"] = self.processes_per_node
        if self.resources is not None:
            found["resources"] = self.resources
        return found
