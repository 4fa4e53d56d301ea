"""A checkpoint's write is killed, or refused by the disk, at every single operation: one whole checkpoint is left."""

import errno
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
import torch

from support.torn import Dead, failing
from trainingjob_trainer.atomic_file import remove_drafts
from trainingjob_trainer.checkpoint import AtomicCheckpointIO
from trainingjob_trainer.errors import ConfigurationError, StorageError
from trainingjob_trainer.ownership import Owner, claim
from trainingjob_trainer.resume import find_resume_point
from trainingjob_trainer.retention import BEST, name_of

JOB = Owner("digits", "uid-1", 1)


def checkpoint(step: int, **more: Any) -> dict[str, Any]:
    loops = {"fit_loop": {"epoch_progress": {"current": {"processed": 0}}}}
    weights = {"w": torch.full((300_000,), float(step)), "b": torch.arange(10)}
    version = {"pytorch-lightning_version": "2.6.6"}
    return {"global_step": step, "loops": loops, "state_dict": weights} | version | more


def write(folder: Path, step: int, **more: Any) -> None:
    """Save one checkpoint, as a new attempt would: nothing is remembered from the last write."""
    io = AtomicCheckpointIO(folder, JOB, keep=1)
    io.save_checkpoint(checkpoint(step, **more), folder / name_of(step), {"best": True})
    io.teardown()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with one checkpoint, which is also the best."""
    claim(tmp_path, JOB)
    write(tmp_path, 10)
    return tmp_path


def test_whenever_a_write_is_killed_a_whole_checkpoint_is_left(folder: Path) -> None:
    count = _count(folder)
    for last in range(1, count + 1):
        with failing(folder, last, Dead()) as operations, suppress(Dead, RuntimeError):  # torch makes it one of its own
            write(folder, 30 + last)
        assert operations.over
        found = find_resume_point(folder)
        assert found is not None, last
        assert found.step in (30 + last, 30 + last - 1, 20), last
        whole = torch.load(found.path, weights_only=True)
        assert torch.equal(whole["state_dict"]["w"], torch.full((300_000,), float(found.step)))
        assert torch.load(folder / BEST, weights_only=True)["global_step"] <= found.step
        remove_drafts(folder)  # as the next attempt does
        write(folder, 30 + last)


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EIO])
def test_whenever_the_disk_refuses_the_run_ends_with_the_folder_and_a_remedy(folder: Path, code: int) -> None:
    count = _count(folder)
    remedy = f"free space in {folder}, or give the claim" if code == errno.ENOSPC else "volume of spec.output"
    for last in range(1, count + 1):
        told = refused(folder, 30 + last, last, OSError(code, "refused"))
        assert told is None or (remedy in told and f"the last good one is {folder}" in told)
        assert not list(folder.glob(".*.tmp"))
        found = find_resume_point(folder)
        assert found is not None
        assert found.step >= 20
        write(folder, 30 + last)


def test_an_error_of_the_writer_is_raised_in_the_training_thread(folder: Path) -> None:
    io = AtomicCheckpointIO(folder, JOB)
    with failing(folder, 3, OSError(errno.ENOSPC, "No space left on device")):
        io.save_checkpoint(checkpoint(20), folder / name_of(20))
        while io.writer.busy:
            pass
        with pytest.raises(StorageError, match="No space left on device; free space in"):
            io.writer.check()
    io.writer.check()


def test_training_goes_on_changing_what_is_being_written(folder: Path) -> None:
    io = AtomicCheckpointIO(folder, JOB)
    state = checkpoint(20)
    state["state_dict"]["tied"] = state["state_dict"]["w"]
    for step in (20, 30):
        state["global_step"] = step
        state["state_dict"]["w"].fill_(step)
        io.save_checkpoint(state, folder / name_of(step))
        state["state_dict"]["w"].fill_(-1)
        state["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] = 99
    io.teardown()
    for step in (20, 30):
        loaded = torch.load(folder / name_of(step), weights_only=True)
        assert loaded["state_dict"]["w"].unique().tolist() == [step]
        assert loaded["state_dict"]["tied"].data_ptr() == loaded["state_dict"]["w"].data_ptr()
    first = torch.load(folder / name_of(20), weights_only=True)
    assert first["loops"]["fit_loop"]["epoch_progress"]["current"]["processed"] == 0


class Odd:
    """A class that a checkpoint must not hold."""


def test_a_checkpoint_that_could_not_be_resumed_from_is_refused_when_it_is_saved(folder: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"could not be read again: .*Odd.* Let on_save_checkpoint"):
        write(folder, 20, extra=Odd())
    found = find_resume_point(folder)
    assert found is not None
    assert found.step == 10


def test_a_file_is_removed_only_after_the_one_in_flight_is_whole(folder: Path) -> None:
    io = AtomicCheckpointIO(folder, JOB, keep=5)
    io.save_checkpoint(checkpoint(20), folder / name_of(20))
    io.remove_checkpoint(folder / name_of(10))
    io.teardown()
    assert not (folder / name_of(10)).exists()
    with failing(folder, 2, OSError(errno.ENOSPC, "No space left on device")):
        io.save_checkpoint(checkpoint(30), folder / name_of(30))
        with suppress(StorageError):  # if the write has ended by now
            io.remove_checkpoint(folder / name_of(20))
        with suppress(StorageError):
            io.teardown()
    assert (folder / name_of(20)).exists()


def _count(folder: Path) -> int:
    """How many operations an undisturbed write has: of the draft, its name, the folder, the best, the old one."""
    with failing(folder, None, Dead()) as counted:
        write(folder, 20)
    assert {"open", "write", "fsync", "replace", "link", "unlink"} <= set(counted.seen)
    return len(counted.seen)


def refused(folder: Path, step: int, last: int, error: OSError) -> str | None:
    """What a run is told whose ``last`` operation is refused; None if it could do without that operation."""
    with failing(folder, last, error) as operations:
        try:
            write(folder, step)
        except StorageError as told:
            return str(told)
    # A file system without links is answered by a copy; a folder that is there need not be made, nor a draft cleared.
    return None if operations.seen[last - 1] in ("link", "unlink", "mkdir") else "no error"
