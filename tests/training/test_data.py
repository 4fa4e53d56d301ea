"""Packed datasets and how samples are dealt out."""

import re
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_trainer.data.packed import divide_batch
from trainingjob_trainer.data.packed_format import DESCRIPTION, is_intact, read_description, read_split
from trainingjob_trainer.data.sampler import EvalSampler, Share, TrainSampler
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare import prepare


def global_batches(samples: int, world_size: int, local: int, epoch: int, done: int = 0) -> list[list[int]]:
    """The batches of an epoch as all ranks see them together."""
    ranks = []
    for rank in range(world_size):
        sampler = TrainSampler(samples, Share(rank, world_size, local), seed=7, resume=(epoch, done))
        ranks.append(list(sampler))
    steps = range(len(ranks[0]) // local)
    return [[i for rank in ranks for i in rank[step * local : (step + 1) * local]] for step in steps]


@given(st.integers(12, 200), st.sampled_from([1, 2, 3, 4, 6, 12]), st.integers(0, 5))
def test_the_batches_are_the_same_for_any_number_of_processes(samples: int, world_size: int, epoch: int) -> None:
    batches = global_batches(samples, world_size, 12 // world_size, epoch)
    assert batches == global_batches(samples, 1, 12, epoch)
    seen = [index for batch in batches for index in batch]
    assert len(seen) == len(set(seen)) == samples // 12 * 12


@given(st.integers(12, 200), st.sampled_from([1, 2, 4]), st.data())
def test_a_resumed_epoch_repeats_and_skips_nothing(samples: int, world_size: int, data: st.DataObject) -> None:
    whole = global_batches(samples, world_size, 12 // world_size, epoch=3)
    done = data.draw(st.integers(0, len(whole)))
    assert global_batches(samples, world_size, 12 // world_size, epoch=3, done=done) == whole[done:]


def test_the_epoch_after_a_resumed_one_is_whole() -> None:
    sampler = TrainSampler(40, Share(0, 1, 4), seed=0, resume=(2, 7))
    assert len(list(sampler)) == 12
    sampler.set_epoch(3)
    assert len(list(sampler)) == len(sampler) == 40


@given(st.integers(0, 50), st.integers(1, 7))
def test_every_held_out_sample_is_seen_once(samples: int, world_size: int) -> None:
    seen = [index for rank in range(world_size) for index in EvalSampler(samples, Share(rank, world_size, 8))]
    assert sorted(seen) == list(range(samples))


def test_a_batch_that_cannot_be_shared_out_evenly_is_refused_with_one_that_can() -> None:
    assert divide_batch(64, 4) == 16
    with pytest.raises(ConfigurationError, match=r"data.batch_size is 63.*use a multiple of 2, for example 64"):
        divide_batch(63, 2)


def test_preparing_again_verifies_and_leaves_alone(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in digits.rglob("*.*")}
    assert prepare(["digits", str(digits)]) == 0
    assert {path: path.stat().st_mtime_ns for path in digits.rglob("*.*")} == before
    assert "checksums verified" in capsys.readouterr().err


def test_a_damaged_dataset_is_written_anew(tmp_path: Path, digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    prepare(["digits", str(tmp_path)])
    (tmp_path / "train" / "images.npy").write_bytes(b"damaged")
    prepare(["digits", str(tmp_path)])
    assert "damaged" in capsys.readouterr().err
    assert is_intact(tmp_path, read_description(tmp_path))
    # The same seed gives the same bytes, so all machines hold the same split.
    assert (tmp_path / DESCRIPTION).read_bytes() == (digits / DESCRIPTION).read_bytes()


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigurationError, match="holds other files"):
        prepare(["digits", str(tmp_path)])
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_the_splits_are_real_images_and_share_none(digits: Path) -> None:
    description = read_description(digits)
    train, val = (read_split(digits, split, description) for split in ("train", "val"))
    assert (train.images.shape, val.images.shape) == ((1438, 1, 8, 8), (359, 1, 8, 8))
    assert isinstance(train.images, np.memmap)
    assert train.images.max() == description.maximum == 16
    assert sorted(set(train.labels.tolist())) == list(range(10))


def test_a_dataset_of_another_format_is_refused(tmp_path: Path) -> None:
    (tmp_path / DESCRIPTION).write_text('{"format": "other"}')
    with pytest.raises(ConfigurationError, match=re.escape(f"{tmp_path}: its {DESCRIPTION} is not of the format")):
        read_description(tmp_path)
