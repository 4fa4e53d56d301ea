"""Every example manifest, whole, on the sandbox: it succeeds at once, as one process group of the right size.

Changed are only the port, so that examples can run beside others, and where that is said the number of steps.
"""

import re
from typing import Any

import pytest

from support.arena import SANDBOX, Arena
from support.examples import changed
from support.ports import free_ports

pytestmark = [pytest.mark.training, pytest.mark.parametrize("arena", [SANDBOX], indirect=True)]

# Processes of each pod.
SCRIPTS = {"lightning-script": (1, 1), "fabric-script": (1, 1), "torchrun-script": (2, 2)}
LAYOUTS = {"lightning-cluster": (1, 1), "one-node": (2,), "unlike-nodes": (2, 1)}
DATA = {"gpt": (1, 1), "images": (1, 1), "table": (1, 1)}


@pytest.mark.parametrize("example", SCRIPTS)
def test_a_script_trains_under_its_launcher(arena: Arena, ns: str, example: str) -> None:
    said = trained(arena, ns, {example: SCRIPTS[example]})[example]

    (accuracy,) = re.findall(r"val_acc=([0-9.]+)", said)
    assert float(accuracy) > 0.9


def test_every_way_to_lay_out_processes_forms_one_gang(arena: Arena, ns: str) -> None:
    trained(arena, ns, LAYOUTS)


def test_every_kind_of_data_is_learnt_as_its_example_says_to_prepare_it(arena: Arena, ns: str) -> None:
    # All of the text would take a minute.
    said = trained(arena, ns, DATA, gpt={"max_steps": 40})

    assert result(said["gpt"], "val_loss") < 4  # in nats per byte; a guess has ln 257 = 5.5
    assert result(said["images"], "val_acc") > 0.9
    assert result(said["table"], "val_r2") > 0.3


def trained(arena: Arena, ns: str, examples: dict[str, tuple[int, ...]], **trainer: dict[str, Any]) -> dict[str, str]:
    """Run examples side by side to their end; what the pods of each said.

    Args:
        examples: the processes of each pod
        trainer: settings of the trainer that are changed, by example
    """
    for name, port in zip(examples, free_ports(len(examples)), strict=True):
        manifest = changed(name, masterPort=port, trainer=trainer.get(name))
        arena.kubectl("apply", "-n", ns, "-f", "-", stdin=manifest)
    return {name: _said(arena, ns, name, processes) for name, processes in examples.items()}


def _said(arena: Arena, ns: str, example: str, processes: tuple[int, ...]) -> str:
    status = arena.until_state(example, ns, "Succeeded")
    said = "".join(arena.kubectl("logs", "-n", ns, f"{example}-1-{node}") for node in range(len(processes)))
    assert status["restarts"] == 0, status
    size = sum(processes)
    assert all(f"rank {rank} of {size}" in said for rank in range(size)), said
    return said


def result(said: str, metric: str) -> float:
    """The metric's plain line, of which there is one."""
    (value,) = re.findall(rf"^{metric}=([-0-9.]+)", said, re.MULTILINE)
    return float(value)
