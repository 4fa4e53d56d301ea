"""What the operator tells a process: its place in the gang, its folders, its share of the CPUs.

Reads a mapping once and gives a frozen value; nobody else in the trainer looks at these variables. Without the
operator every value has a default that means "one process on this machine".
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from trainingjob_trainer.errors import ConfigurationError

DEFAULT_PORT = 29500


@dataclass(frozen=True, slots=True)
class Environment:
    """One process of a gang of ``num_nodes`` pods, with ``devices`` processes in this one (all ranks count from 0).

    ``offset`` is the number of processes in the pods before this one, ``world_size`` that of all.
    (The injected WORLD_SIZE is the number of nodes.)
    """

    job: str
    uid: str
    attempt: int
    num_nodes: int
    node_rank: int
    devices: int
    local_rank: int
    main_address: str
    main_port: int
    data_dir: Path
    output_dir: Path | None
    cpus: int
    offset: int
    world_size: int

    @property
    def rank(self) -> int:
        """This process's rank among all processes of the gang."""
        return self.offset + self.local_rank

    @property
    def is_even(self) -> bool:
        """Whether every pod has as many processes as this one, as far as can be told from here."""
        return (self.offset, self.world_size) == (self.node_rank * self.devices, self.num_nodes * self.devices)


def read_environment(env: Mapping[str, str]) -> Environment:
    """The process's place, from its environment variables. Raises ConfigurationError on a value that is no number."""
    num_nodes = _positive(env, "TRAININGJOB_NUM_NODES", "PL_TRAINER_NUM_NODES")
    devices = _positive(env, "TRAININGJOB_DEVICES", "PL_TRAINER_DEVICES")
    node_rank = _below(env, "NODE_RANK", num_nodes)
    output = env.get("TRAININGJOB_OUTPUT_DIR", "")
    return Environment(
        job=env.get("TRAININGJOB_NAME", "local"),
        uid=env.get("TRAININGJOB_UID", ""),
        attempt=_number(env, "TRAININGJOB_ATTEMPT", 1),
        num_nodes=num_nodes,
        node_rank=node_rank,
        devices=devices,
        local_rank=_below(env, "LOCAL_RANK", devices),
        main_address=env.get("MASTER_ADDR", "127.0.0.1"),
        main_port=_number(env, "MASTER_PORT", DEFAULT_PORT),
        data_dir=Path(env.get("TRAININGJOB_DATA_DIR", "/data")),
        output_dir=Path(output) if output else None,
        cpus=_cpus(env, devices),
        offset=_number(env, "TRAININGJOB_PROCESS_OFFSET", node_rank * devices),
        world_size=_number(env, "TRAININGJOB_NUM_PROCESSES", num_nodes * devices),
    )


def process_variables(environment: Environment) -> dict[str, str]:
    """What torch and its launchers' conventions call this process; true for every library that reads them."""
    return {
        "RANK": str(environment.rank),
        "LOCAL_RANK": str(environment.local_rank),
        "WORLD_SIZE": str(environment.world_size),
        "LOCAL_WORLD_SIZE": str(environment.devices),
    }


def _cpus(env: Mapping[str, str], devices: int) -> int:
    """CPUs of this process: the operator's division of the pod's limit, else an even share of the machine."""
    machine = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, _number(env, "OMP_NUM_THREADS", machine // devices))


def _positive(env: Mapping[str, str], *names: str) -> int:
    name = next((name for name in names if name in env), names[0])
    number = _number(env, name, 1)
    if number < 1:
        raise ConfigurationError(f"{name} is {number}: it must be 1 or more")
    return number


def _below(env: Mapping[str, str], name: str, limit: int) -> int:
    number = _number(env, name, 0)
    if not 0 <= number < limit:
        raise ConfigurationError(f"{name} is {number}: it must be 0 to {limit - 1}")
    return number


def _number(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "")
    try:
        return int(text) if text else default
    except ValueError:
        raise ConfigurationError(f"{name} is {text!r}: it must be a whole number") from None
