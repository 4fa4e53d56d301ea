"""The gang as Lightning sees it: processes that somebody else has started, at known ranks.

With Lightning's own detection a pod's RANK or WORLD_SIZE could mean nodes or processes; here every answer comes from
the one reading in environment.py.
"""

from dataclasses import dataclass
from typing import Any

from lightning_fabric.plugins import ClusterEnvironment
from pytorch_lightning.strategies import DDPStrategy

from trainingjob_trainer.environment import Environment
from trainingjob_trainer.errors import ConfigurationError


@dataclass
class GangEnvironment(ClusterEnvironment):
    """Lightning's questions, answered from the operator's environment."""

    environment: Environment

    @property
    def creates_processes_externally(self) -> bool:
        return True

    @property
    def main_address(self) -> str:
        return self.environment.main_address

    @property
    def main_port(self) -> int:
        return self.environment.main_port

    @staticmethod
    def detect() -> bool:
        return False

    def world_size(self) -> int:
        return self.environment.world_size

    def set_world_size(self, size: int) -> None:
        """Nothing to set: validate_settings has seen to it that the trainer means the same gang."""

    def global_rank(self) -> int:
        return self.environment.rank

    def set_global_rank(self, rank: int) -> None:
        """Nothing to set, as for the world size."""

    def local_rank(self) -> int:
        return self.environment.local_rank

    def node_rank(self) -> int:
        return self.environment.node_rank

    def validate_settings(self, num_devices: int, num_nodes: int) -> None:
        """Raises ConfigurationError if the configuration asks for another gang than there is."""
        _require("trainer.devices", num_devices, self.environment.devices, "TRAININGJOB_DEVICES", "processesPerNode")
        _require("trainer.num_nodes", num_nodes, self.environment.num_nodes, "TRAININGJOB_NUM_NODES", "numNodes")


class UnevenDDPStrategy(DDPStrategy):
    """DDP over nodes with unlike numbers of processes (spec.nodeOverrides).

    Lightning deals samples out by nodes x devices, which every node would reckon differently; here by the real gang.
    """

    @property
    def distributed_sampler_kwargs(self) -> dict[str, int]:
        return {"num_replicas": self.world_size, "rank": self.global_rank}


def strategy_for(environment: Environment, asked: Any) -> Any:
    """The configuration's strategy, or, for plain DDP over unlike nodes, the one that knows them."""
    return UnevenDDPStrategy() if asked == "ddp" and not environment.is_even else asked


def _require(field: str, value: int, actual: int, variable: str, spec: str) -> None:
    if value != actual:
        raise ConfigurationError(
            f"{field} is {value}, but the job has {actual}: leave {field} out and set spec.{spec} of the TrainingJob "
            f"(without the operator: the variable {variable})"
        )
