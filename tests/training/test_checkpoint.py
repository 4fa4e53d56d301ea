"""Checkpoint files: whole or not at all, owned by one attempt, and the newest whole one is found."""

from pathlib import Path
from typing import Any

import pytest
import torch

from trainingjob_trainer.checkpoint import AtomicCheckpointIO
from trainingjob_trainer.errors import ConfigurationError, StorageError, SupersededError
from trainingjob_trainer.ownership import Owner, claim, read_owner
from trainingjob_trainer.resume import find_resume_point
from trainingjob_trainer.retention import BEST, name_of, newest_first, superfluous

JOB = Owner("digits", "uid-1", 1)


def checkpoint(step: int) -> dict[str, Any]:
    """As much of Lightning's checkpoint as is looked at, and some weights."""
    progress = {"epoch_progress": {"current": {"processed": step // 10}}}
    weights = {"pytorch-lightning_version": "2.6.6", "state_dict": {"w": torch.arange(1000.0)}}
    return {"global_step": step, "loops": {"fit_loop": progress}} | weights


def write(folder: Path, step: int, owner: Owner = JOB, **options: Any) -> Path:
    """Save one checkpoint and wait until it is written."""
    io = AtomicCheckpointIO(folder, owner)
    io.save_checkpoint(checkpoint(step), folder / name_of(step), options)
    io.teardown()
    return folder / name_of(step)


def saved(folder: Path, *steps: int) -> Path:
    """A folder with these checkpoints; the path of the last one."""
    claim(folder, JOB)
    return [write(folder, step) for step in steps][-1]


def found_step(folder: Path) -> int | None:
    point = find_resume_point(folder)
    return point.step if point else None


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.name != "owner.json")


def test_the_newest_checkpoints_are_kept(tmp_path: Path) -> None:
    saved(tmp_path, 10, 20, 30)
    assert names(tmp_path) == [name_of(20), name_of(30)]
    assert torch.load(tmp_path / name_of(30))["global_step"] == 30


def test_the_best_checkpoint_stays_under_its_own_name(tmp_path: Path) -> None:
    claim(tmp_path, JOB)
    write(tmp_path, 10, best=True)
    saved(tmp_path, 20, 30)
    assert names(tmp_path) == [BEST, name_of(20), name_of(30)]
    assert torch.load(tmp_path / BEST)["global_step"] == 10


def test_only_older_checkpoints_of_ours_are_superfluous() -> None:
    files = [name_of(step) for step in (5, 10, 20, 100_000_000)] + ["epoch=1.ckpt", BEST, ".step-00000001.ckpt.7.tmp"]
    assert superfluous(files, name_of(20), keep=2) == [name_of(5)]
    assert newest_first(files)[0] == name_of(100_000_000)


def test_the_newest_valid_checkpoint_is_found(tmp_path: Path) -> None:
    assert find_resume_point(tmp_path) is None
    last = saved(tmp_path, 10, 20)
    point = find_resume_point(tmp_path)
    assert point is not None
    assert (point.path, point.epoch, point.step) == (last, 2, 20)


@pytest.mark.parametrize("damage", ["empty", "torn", "flipped", "text", "foreign", "half foreign"])
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
    if damage == "half foreign":
        whole = torch.load(last)
        torch.save({part: whole[part] for part in ("loops", "global_step")}, last)
    assert found_step(tmp_path) == 10
    assert f"{last} is skipped" in capsys.readouterr().err


def test_a_straggler_of_an_older_attempt_writes_no_more(tmp_path: Path) -> None:
    saved(tmp_path, 10)
    claim(tmp_path, Owner("digits", "uid-1", 2))
    with pytest.raises(SupersededError, match="belongs to attempt 2 of job digits"):
        write(tmp_path, 99)
    with pytest.raises(SupersededError):
        claim(tmp_path, JOB)
    assert names(tmp_path) == [name_of(10)]


def test_of_two_jobs_with_one_folder_the_later_one_stays_and_the_other_is_told(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    saved(folder, 10)
    claim(folder, Owner("letters", "uid-2", 1))
    with pytest.raises(ConfigurationError, match=r"belongs to attempt 1 of job letters .* give each job a spec.output"):
        write(folder, 99)
    assert names(folder) == []


def test_a_newer_attempt_that_starts_during_the_write_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    saved(tmp_path, 10)
    save = torch.save

    def slow(*arguments: Any) -> None:
        save(*arguments)
        claim(tmp_path, Owner("digits", "uid-1", 2))

    monkeypatch.setattr(torch, "save", slow)
    with pytest.raises(SupersededError):
        write(tmp_path, 99)
    assert names(tmp_path) == [name_of(10)]


def test_a_volume_that_cannot_be_written_to_is_told_before_training(tmp_path: Path) -> None:
    (tmp_path / "checkpoints").write_text("a file where the folder belongs")
    with pytest.raises(
        StorageError, match=r"checkpoints cannot be written to \(Not a directory\): see that the volume"
    ):
        claim(tmp_path / "checkpoints", JOB)


def test_a_namesake_starts_anew_and_loses_nothing_of_the_earlier_job(tmp_path: Path) -> None:
    folder = tmp_path / "checkpoints"
    saved(folder, 10)
    moved = claim(folder, Owner("digits", "uid-2", 1))
    assert moved == tmp_path / "checkpoints-digits-uid-1"
    assert torch.load(moved / name_of(10))["global_step"] == 10
    assert find_resume_point(folder) is None
    assert read_owner(folder) == Owner("digits", "uid-2", 1)
