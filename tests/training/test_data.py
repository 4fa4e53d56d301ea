"""Datasets on a claim: what is read is what was written, and a wrong folder is told what it lacks."""

import re
from pathlib import Path

import numpy as np
import pytest

from trainingjob_trainer.data.description import DESCRIPTION, damaged, parse, read_description
from trainingjob_trainer.data.packed import PackedImages, read_split
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare import prepare


def test_the_splits_are_real_images_and_share_none(digits: Path) -> None:
    description = read_description(digits, "images")
    train, val = (read_split(digits, split, description) for split in ("train", "val"))
    assert (train.images.shape, val.images.shape) == ((1438, 1, 8, 8), (359, 1, 8, 8))
    assert isinstance(train.images, np.memmap)
    assert train.images.max() == description.about["maximum"] == 16
    assert sorted(set(train.labels.tolist())) == list(range(10))


def test_a_batch_is_cut_out_at_once_whatever_the_epoch_of_its_draws(digits: Path) -> None:
    split = PackedImages(str(digits)).split("val")
    images, labels = split.__getitems__([3, 359 + 5, 2 * 359 + 3])
    assert images.shape == (3, 1, 8, 8)
    assert images[0].equal(images[2])
    assert labels[0] == labels[2]
    assert not images[0].equal(images[1])


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ('{"format": "other"}', "is not of the format"),
        ("{", "is not of the format"),
        ("[]", "is not of the format"),
        (None, f"has no {DESCRIPTION}"),
    ],
)
def test_a_folder_that_is_no_dataset_is_told_so(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / DESCRIPTION).write_text(content)
    with pytest.raises(ConfigurationError, match=told):
        read_description(tmp_path, "images")


def test_a_dataset_of_another_kind_is_refused_by_name(digits: Path) -> None:
    with pytest.raises(ConfigurationError, match=re.escape(f"{digits} holds images (digits), not tokens")):
        read_description(digits, "tokens")


def test_a_truncated_file_is_found_before_training(tmp_path: Path) -> None:
    prepare(["digits", str(tmp_path)])
    with (tmp_path / "train" / "images.npy").open("r+b") as file:
        file.truncate(1000)
    with pytest.raises(ConfigurationError, match=r"train/images.npy is 1000 bytes long instead of 92160"):
        PackedImages(str(tmp_path)).check(1)


def test_every_process_needs_a_held_out_sample(digits: Path) -> None:
    with pytest.raises(ConfigurationError, match="has 359 held-out images for 720 processes"):
        PackedImages(str(digits), batch_size=720).check(720)


def test_a_flipped_bit_is_found_by_its_checksum(tmp_path: Path) -> None:
    prepare(["digits", str(tmp_path)])
    path = tmp_path / "val" / "images.npy"
    content = bytearray(path.read_bytes())
    content[-7] ^= 1
    path.write_bytes(content)
    description = parse(tmp_path)
    assert description is not None
    assert list(damaged(tmp_path, description)) == ["val/images.npy"]
