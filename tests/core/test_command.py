"""The command line of a pod."""

import pytest

from support.builders import job
from trainingjob_operator.core.command import command

SCRIPT = {"script": "train.py", "args": ["--lr", "0.1"]}


def words(run: object, **fields: object) -> list[str]:
    spec = job(run=run, **fields).spec
    assert spec is not None
    return command(spec)


@pytest.mark.parametrize(
    ("run", "expected"),
    [
        (
            {"trainer": {"config": {"model": {}}}},
            ["python", "-m", "trainingjob_trainer", "fit", "--config", "/etc/trainingjob/config.yaml"],
        ),
        ({"python": SCRIPT}, ["python", "train.py", "--lr", "0.1"]),
        ({"torchrun": SCRIPT}, ["torchrun", "train.py", "--lr", "0.1"]),
        ({"command": ["sh", "-c", "train $(NODE_RANK)"]}, ["sh", "-c", "train $(NODE_RANK)"]),
    ],
)
def test_each_launcher_has_its_words(run: object, expected: list[str]) -> None:
    assert words(run) == expected


def test_fabric_is_told_all_that_it_would_otherwise_default() -> None:
    options = ["--node-rank=$(NODE_RANK)", "--main-address=$(MASTER_ADDR)", "--main-port=$(MASTER_PORT)"]

    on_cpu, on_gpu = words({"fabric": SCRIPT}), words({"fabric": SCRIPT}, numNodes=3, gpusPerNode=8)

    tail = ["train.py", "--lr", "0.1"]
    assert on_cpu == ["fabric", "run", *options, "--accelerator=cpu", "--devices=1", "--num-nodes=2", *tail]
    assert on_gpu == ["fabric", "run", *options, "--accelerator=cuda", "--devices=8", "--num-nodes=3", *tail]
