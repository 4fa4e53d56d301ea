"""Values that follow from other values of the spec, so that the CRD needs no default for them.

The schema's own defaults (numNodes: 1, ...) stand in types.py; here is what depends on several fields.
"""

import re
from decimal import Decimal
from functools import lru_cache
from itertools import accumulate

from trainingjob_operator.api import names
from trainingjob_operator.api.types import TrainingJobSpec

_SUFFIXES = {
    "": Decimal(1),
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("0.001"),
    "k": Decimal(10**3),
    "M": Decimal(10**6),
    "G": Decimal(10**9),
    "T": Decimal(10**12),
    "P": Decimal(10**15),
    "E": Decimal(10**18),
    "Ki": Decimal(2**10),
    "Mi": Decimal(2**20),
    "Gi": Decimal(2**30),
    "Ti": Decimal(2**40),
    "Pi": Decimal(2**50),
    "Ei": Decimal(2**60),
}
_QUANTITY = re.compile(
    r"(?P<number>[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+))((?P<exponent>[eE][+-]?[0-9]{1,2})|(?P<suffix>[numkMGTPE]|[KMGTPE]i))?"
)


def processes(spec: TrainingJobSpec) -> int:
    """Training processes in this spec's pods: as stated, else one per GPU, else 1."""
    return spec.processes_per_node or spec.gpus_per_node or 1


def of_rank(spec: TrainingJobSpec, rank: int) -> TrainingJobSpec:
    """The spec as it is for one rank: with the overrides that name it laid over it, in their order."""
    changes: dict[str, object] = {}
    for override in spec.node_overrides:
        if rank in override.members:
            changes |= override.changes()
    return spec.model_copy(update=changes) if changes else spec


def process_offset(spec: TrainingJobSpec, rank: int) -> int:
    """Number of processes on the nodes before this one: the global rank of its first process."""
    return _offsets(spec)[rank]


def num_processes(spec: TrainingJobSpec) -> int:
    """Processes of the whole job: the size of its process group."""
    return _offsets(spec)[spec.num_nodes]


def is_even(spec: TrainingJobSpec) -> bool:
    """Whether every node has as many processes as any other."""
    offsets = _offsets(spec)
    return all(offsets[rank] == rank * offsets[1] for rank in range(spec.num_nodes + 1))


def _offsets(spec: TrainingJobSpec) -> tuple[int, ...]:
    stated = tuple((o.members, o.processes) for o in spec.node_overrides if o.processes is not None)
    return _running_sum(spec.num_nodes, processes(spec), stated)


@lru_cache(maxsize=64)
def _running_sum(nodes: int, common: int, stated: tuple[tuple[frozenset[int], int], ...]) -> tuple[int, ...]:
    """Processes before each rank and, last, of all. Every pod of a job asks for its own: it is worked out once."""
    found = [common] * nodes
    for members, number in stated:
        for member in members:
            found[member] = number
    return tuple(accumulate(found, initial=0))


def working_dir(spec: TrainingJobSpec) -> str | None:
    """Where the command starts; None leaves it to the image."""
    return spec.working_dir or (names.WORKSPACE_DIR if spec.files else None)


def threads(spec: TrainingJobSpec) -> int | None:
    """CPU threads of each process: the container's CPU limit over its processes, at least 1.

    None without a limit. Python and torch see all of the machine's CPUs, never the container's quota.
    """
    limit = spec.resources.limits.get("cpu")
    if limit is None:
        return None
    return max(1, int(quantity(limit) / processes(spec)))


def quantity(value: int | str) -> Decimal:
    """A Kubernetes quantity as a number (``500m`` is 0.5). ValueError if it is none."""
    match = _QUANTITY.fullmatch(str(value))
    if match is None:
        raise ValueError(f"{str(value)!r} is not a quantity such as 500m, 2 or 16Gi")
    return Decimal(match["number"] + (match["exponent"] or "")) * _SUFFIXES[match["suffix"] or ""]
