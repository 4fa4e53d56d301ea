"""Loss and speed are left under the output, in a folder per attempt."""

from pathlib import Path

import pytest
from tensorboardX.proto import event_pb2
from tensorboardX.record_writer import masked_crc32c

from support.training import Run
from trainingjob_cli.plot import find_attempts, merge, read
from trainingjob_trainer.curves import attempt_folder

pytestmark = pytest.mark.training


def test_a_run_leaves_its_curves(two_pods: Run) -> None:
    assert two_pods.volumes.output is not None
    (metrics,) = find_attempts(two_pods.volumes.output)
    curves = merge([read(metrics)])

    assert [step for step, _ in curves.points["loss"]] == [49, 99, 149, 199]
    assert all(speed > 0 for _, speed in curves.points["samples_per_second"])
    assert len(curves.points["val_acc"]) == len(curves.points["train_loss"]) == 10
    assert curves.points["val_acc"][-1][1] == pytest.approx(two_pods.val_acc, abs=1e-3)


def test_tensorboard_finds_the_same(two_pods: Run) -> None:
    assert two_pods.volumes.output is not None
    (events,) = two_pods.volumes.output.glob("logs/*/events.out.tfevents.*")
    assert {"loss", "samples_per_second", "val_acc"} <= set(tags(events))


def tags(path: Path) -> list[str]:
    """The names of all values in an event file (records of length, checksum, content, checksum)."""
    content, found, at = path.read_bytes(), list[str](), 0
    while at < len(content):
        size = int.from_bytes(content[at : at + 8], "little")
        record = content[at + 12 : at + 12 + size]
        assert int.from_bytes(content[at + 12 + size : at + 16 + size], "little") == masked_crc32c(record)
        found += [value.tag for value in event_pb2.Event.FromString(record).summary.value]
        at += 16 + size
    return found


def test_attempts_are_told_apart(tmp_path: Path) -> None:
    assert attempt_folder(tmp_path, "3f2a9c1e-0000-4000", 2) == "3f2a9c1e-2"
    assert attempt_folder(tmp_path, "", 1) == "local-1"
    (tmp_path / "local-1").mkdir()
    assert attempt_folder(tmp_path, "", 1) == "local-2"
