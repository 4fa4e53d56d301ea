"""The process group: formed once, before anything is built, and said in one plain line by every rank.

Two limits, because they mean two things: how long pods may take to come (images are pulled side by side), and how
long a collective may hang before the gang is given up. A dead gloo peer is noticed at once; the limit is for machines
that vanish without a word.
"""

import os
from dataclasses import dataclass
from datetime import timedelta
from typing import Literal

from trainingjob_trainer import interfaces, versions
from trainingjob_trainer.environment import Environment
from trainingjob_trainer.errors import ConfigurationError, PortInUseError
from trainingjob_trainer.log import say, warn
from trainingjob_trainer.store import Store as Store


@dataclass(frozen=True, slots=True)
class ProcessGroup:
    """Settings under `process_group` in the configuration.

    Args:
        timeout_seconds: after how many seconds a collective without an answer is given up (exit code 75)
        rendezvous_seconds: how long the first process waits for the last one
        backend: gloo or nccl; by default nccl on GPUs, else gloo
    """

    timeout_seconds: int = 600
    rendezvous_seconds: int = 1800
    backend: Literal["gloo", "nccl"] | None = None

    def __post_init__(self) -> None:
        """Raises ConfigurationError for a time in which nobody could come or answer."""
        for name, seconds in (
            ("timeout_seconds", self.timeout_seconds),
            ("rendezvous_seconds", self.rendezvous_seconds),
        ):
            if seconds < 1:
                raise ConfigurationError(f"process_group.{name} is {seconds}: it must be 1 or more")


def form(environment: Environment, settings: ProcessGroup, accelerator: str) -> Store | None:
    """Join the gang; returns its store, None for a gang of one.

    Raises ConfigurationError if the ranks run different software or a network interface is not there, PortInUseError on
    rank 0, and torch's DistError if a peer does not come.
    """
    backend = settings.backend or ("nccl" if accelerator == "cuda" else "gloo")
    if environment.world_size == 1:
        say(_line(environment, "none", accelerator))
        return None
    import torch.distributed as dist

    _say_network(environment, backend)
    store = _meet(environment, settings)
    versions.compare(store, environment, versions.own())
    dist.init_process_group(
        backend,
        store=store,  # type: ignore[arg-type]
        rank=environment.rank,
        world_size=environment.world_size,
        timeout=timedelta(seconds=settings.timeout_seconds),
    )
    say(f"{_line(environment, backend, accelerator)}, timeout {settings.timeout_seconds} s")
    return store


def _meet(environment: Environment, settings: ProcessGroup) -> Store:
    """Where the ranks find each other: rank 0 listens, the others come."""
    import torch.distributed as dist

    try:
        store: Store = dist.TCPStore(  # type: ignore[attr-defined]  # public, but torch does not say so in its types
            environment.main_address,
            environment.main_port,
            environment.world_size,
            is_master=environment.rank == 0,
            timeout=timedelta(seconds=settings.rendezvous_seconds),
        )
    except RuntimeError as error:
        if environment.rank == 0 and "address already in use" in str(error).lower():
            raise PortInUseError(environment.main_port) from error
        raise
    return store


def _say_network(environment: Environment, backend: str) -> None:
    """The first process of each node says over which interface it meets the others."""
    network = interfaces.look(environment.main_address, environment.main_port)
    line, doubt = interfaces.check(network, backend, os.environ)
    if environment.local_rank == 0:
        say(line)
        if doubt:
            warn(doubt)


def dissolve() -> None:
    """Leave the gang in order: a process group that is still open was measured to abort one exit in six."""
    import torch.distributed as dist

    if dist.is_initialized():
        dist.barrier()
        dist.destroy_process_group()


def _line(environment: Environment, backend: str, accelerator: str) -> str:
    return (
        f"rank {environment.rank} of {environment.world_size} "
        f"(node {environment.node_rank + 1} of {environment.num_nodes}, local rank {environment.local_rank}), "
        f"backend {backend} on {accelerator}, main {environment.main_address}:{environment.main_port}"
    )
