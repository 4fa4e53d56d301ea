"""Checkpoint files: whole or not at all, owned by one attempt, and the newest whole one is found."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainingjob_trainer.checkpoint import LAST, PREVIOUS, AtomicCheckpointIO
from trainingjob_trainer.errors import SupersededError
from trainingjob_trainer.ownership import Owner, claim, read_owner
from trainingjob_trainer.resume import find_resume_point

JOB = Owner("digits", "uid-1", 1)


def checkpoint(step: int) -> dict[str, Any]:
    """As much of Lightning's checkpoint as is looked at, and some weights."""
    progress = {"epoch_progress": {"current": {"processed": step // 10}}}
    return {"global_step": step, "loops": {"fit_loop": progress}, "state_dict": {"w": torch.arange(1000.0)}}


def saved(folder: Path, *steps: int) -> Path:
    claim(folder, JOB)
    for step in steps:
        AtomicCheckpointIO(folder, JOB).save_checkpoint(checkpoint(step), folder / LAST)
    return folder / LAST


def test_the_checkpoint_before_the_last_is_kept(tmp_path: Path) -> None:
    saved(tmp_path, 10, 20, 30)
    assert torch.load(tmp_path / LAST)["global_step"] == 30
    assert torch.load(tmp_path / PREVIOUS)["global_step"] == 20


def test_the_newest_valid_checkpoint_is_found(tmp_path: Path) -> None:
    assert find_resume_point(tmp_path) is None
    last = saved(tmp_path, 10, 20)
    point = find_resume_point(tmp_path)
    assert point is not None
    assert (point.path, point.epoch, point.step) == (last, 2, 20)


@pytest.mark.parametrize("damage", ["empty", "torn", "flipped", "text", "foreign"])
def test_a_damaged_checkpoint_is_named_and_skipped(
    damage: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    last = saved(tmp_path, 10, 20)
    content = bytearray(last.read_bytes())
    match damage:
        case "empty":
            content = bytearray()
        case "torn":
            content = content[: len(content) // 2]
        case "flipped":
            content[len(content) // 2] ^= 1
        case "text":
            content = bytearray(b"not a checkpoint")
    last.write_bytes(content)
    if damage == "foreign":
        torch.save({"weights": torch.ones(3)}, last)
    point = find_resume_point(tmp_path)
    assert point is not None
    assert point.step == 10
    assert f"{last} is skipped" in capsys.readouterr().err


def test_a_write_that_fails_leaves_the_last_checkpoint_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    last = saved(tmp_path, 10)

    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(torch, "save", full)
    with pytest.raises(OSError, match="No space"):
        AtomicCheckpointIO(tmp_path, JOB).save_checkpoint(checkpoint(20), last)
    point = find_resume_point(tmp_path)
    assert point is not None
    assert point.step == 10


def test_a_straggler_of_an_older_attempt_writes_no_more(tmp_path: Path) -> None:
    last = saved(tmp_path, 10)
    claim(tmp_path, Owner("digits", "uid-1", 2))
    with pytest.raises(SupersededError, match="belongs to attempt 2 of job digits"):
        AtomicCheckpointIO(tmp_path, JOB).save_checkpoint(checkpoint(99), last)
    with pytest.raises(SupersededError):
        claim(tmp_path, JOB)
    assert torch.load(last)["global_step"] == 10


def test_a_newer_attempt_that_starts_during_the_write_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    last = saved(tmp_path, 10)
    write = torch.save

    def slow(*arguments: Any) -> None:
        write(*arguments)
        claim(tmp_path, Owner("digits", "uid-1", 2))

    monkeypatch.setattr(torch, "save", slow)
    with pytest.raises(SupersededError):
        AtomicCheckpointIO(tmp_path, JOB).save_checkpoint(checkpoint(99), last)
    assert torch.load(last)["global_step"] == 10


def test_a_namesake_starts_anew_and_loses_nothing_of_the_earlier_job(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    saved(folder, 10)
    moved = claim(folder, Owner("digits", "uid-2", 1))
    assert moved == tmp_path / "checkpoints-digits-uid-1"
    assert torch.load(moved / LAST)["global_step"] == 10
    assert find_resume_point(folder) is None
    assert read_owner(folder) == Owner("digits", "uid-2", 1)
