"""The built-in trainer in a gang: it forms, learns, and learns the same whatever the number of processes."""

import re

import pytest

from support.training import Run
from trainingjob_trainer.resume import inspect

pytestmark = pytest.mark.training


def test_the_example_reaches_its_accuracy_on_two_pods(two_pods: Run) -> None:
    assert two_pods.codes == [0, 0], two_pods.errors
    assert two_pods.val_acc >= 0.97


def test_every_rank_says_its_place_in_the_gang(two_pods: Run, four_processes: Run) -> None:
    assert two_pods.line("rank 0 of 2 (node 1 of 2, local rank 0), backend gloo on cpu")
    assert two_pods.line("rank 1 of 2 (node 2 of 2, local rank 0), backend gloo on cpu", 1)
    for rank in range(4):
        assert four_processes.line(f"rank {rank} of 4 (node {rank // 2 + 1} of 2, local rank {rank % 2})", rank // 2)


def test_the_log_holds_only_plain_lines_of_ours(two_pods: Run) -> None:
    assert two_pods.errors == ["", ""]
    assert all(re.fullmatch(r"(trainingjob: |val_)[ -~]+", line) for line in two_pods.lines[0]), two_pods.lines[0]
    assert len(two_pods.lines[0]) == 2 + 10 + 2  # its network and place, an epoch a line, accuracy and loss
    assert len(two_pods.lines[1]) == 2
    assert re.search(r"samples/s$", two_pods.line("epoch 10/10, step 220"))


def test_two_and_four_processes_train_as_one(two_pods: Run, four_processes: Run, one_process: Run) -> None:
    # Sums of floats in another order differ in the seventh digit; four are printed, and 66 steps enlarge it.
    assert four_processes.codes == [0, 0], four_processes.errors
    for epoch in (1, 2, 3):
        expected = one_process.epochs[epoch]
        assert two_pods.epochs[epoch] == pytest.approx(expected, rel=0.02), epoch
        assert four_processes.epochs[epoch] == pytest.approx(expected, rel=0.02), epoch
    assert four_processes.val_acc >= 0.97


def test_the_output_holds_the_last_checkpoint_and_the_configuration(two_pods: Run) -> None:
    output = two_pods.volumes.output
    assert output is not None
    assert (output / "config.yaml").is_file()
    assert inspect(output / "checkpoints" / "step-00000220.ckpt").step == 220
    assert inspect(output / "checkpoints" / "step-00000198.ckpt").step == 198
    assert not list(output.rglob("*.tmp"))
