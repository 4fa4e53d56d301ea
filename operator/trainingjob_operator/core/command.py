"""The command line of a pod, from `spec.run`.

The same for every rank: what differs between ranks are variables, which the kubelet expands ($(NODE_RANK)).
"""

from trainingjob_operator.api import names
from trainingjob_operator.api.defaults import processes
from trainingjob_operator.api.run import Script
from trainingjob_operator.api.types import TrainingJobSpec


def command(spec: TrainingJobSpec) -> list[str]:
    """The command, word by word. Needs a valid spec: exactly one launcher is set."""
    run = spec.run
    if run.trainer:
        config = f"{names.CONFIG_DIR}/{names.CONFIG_FILE}"
        return ["python", "-m", "trainingjob_trainer", "fit", "--config", config]
    if run.python:
        return ["python", *_script(run.python)]
    if run.fabric:
        return ["fabric", "run", *_fabric_options(spec), *_script(run.fabric)]
    if run.torchrun:
        return ["torchrun", *_script(run.torchrun)]
    assert run.command, "a valid spec has a launcher"
    return list(run.command)


def _script(script: Script) -> list[str]:
    return [script.script, *script.args]


def _fabric_options(spec: TrainingJobSpec) -> list[str]:
    """All that `fabric run` would otherwise default: it ignores LT_DEVICES and takes one device."""
    return [
        "--node-rank=$(NODE_RANK)",
        "--main-address=$(MASTER_ADDR)",
        "--main-port=$(MASTER_PORT)",
        f"--accelerator={'cuda' if spec.gpus_per_node else 'cpu'}",
        f"--devices={processes(spec)}",
        f"--num-nodes={spec.num_nodes}",
    ]
