"""Datasets on a claim: what is read is what was written, and a wrong folder is told what it lacks."""

import json
import re
from pathlib import Path

import numpy as np
import pytest

from trainingjob_trainer.data.description import DESCRIPTION, damaged, parse, read_description
from trainingjob_trainer.data.packed import PackedImages, read_split
from trainingjob_trainer.data.table import Table
from trainingjob_trainer.data.tokens import Tokens
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare import prepare

ABSENT = object()


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
        ("{", "is not JSON"),
        ("[]", "is not of the format"),
        (None, f"has no {DESCRIPTION}"),
    ],
)
def test_a_folder_that_is_no_dataset_is_told_so(tmp_path: Path, content: str | None, told: str) -> None:
    if content is not None:
        (tmp_path / DESCRIPTION).write_text(content)
    with pytest.raises(ConfigurationError, match=told):
        read_description(tmp_path, "images")


@pytest.mark.parametrize(
    ("where", "value", "told"),
    [
        ("name", ABSENT, "has no name, of type text"),
        ("about", [], "has no about, of type object"),
        ("splits train", "many", "has no number under splits.train"),
        ("files train/images.npy", 5, "has no bytes and sha256 under files.train/images.npy"),
        ("files train/images.npy sha256", ABSENT, "has no bytes and sha256 under files.train/images.npy"),
        ("files train/images.npy bytes", True, "has no bytes and sha256 under files.train/images.npy"),
        ("about classes", ABSENT, "has no about.classes that makes sense"),
        ("about classes", "0123456789", "has no about.classes that makes sense"),
        ("about maximum", 0, "has no about.maximum that makes sense"),
    ],
)
def test_a_description_that_somebody_edited_is_named_with_what_it_lacks(
    digits: Path, tmp_path: Path, where: str, value: object, told: str
) -> None:
    fields = json.loads((digits / DESCRIPTION).read_text())
    *outer, last = where.split()
    part = fields
    for name in outer:
        part = part[name]
    if value is ABSENT:
        del part[last]
    else:
        part[last] = value
    (tmp_path / DESCRIPTION).write_text(json.dumps(fields))
    data = PackedImages(str(tmp_path))

    with pytest.raises(ConfigurationError) as raised:
        data.check(1)

    assert str(raised.value) == (
        f"data.folder {tmp_path}: its dataset.json {told}; it was changed or damaged: remove {tmp_path} and write the "
        f"dataset anew with `python -m trainingjob_trainer prepare images ... {tmp_path}`"
    )


@pytest.mark.parametrize(
    ("kind", "name", "value"),
    [("tokens", "vocabulary", 0), ("tokens", "dtype", "<f4"), ("table", "mean", [0.5]), ("table", "features", None)],
)
def test_what_tokens_and_tables_say_of_themselves_is_checked(
    tmp_path: Path, kind: str, name: str, value: object
) -> None:
    source = tmp_path / "source.csv"
    source.write_text("a,b\n" + "1,2\n" * 50)
    options = ["--suffix", ".csv"] if kind == "tokens" else ["--target", "b"]
    folder = tmp_path / "folder"
    prepare([kind, str(source), str(folder), *options])
    fields = json.loads((folder / DESCRIPTION).read_text())
    fields["about"][name] = value
    (folder / DESCRIPTION).write_text(json.dumps(fields))
    data = Tokens(str(folder), context=2, batch_size=2) if kind == "tokens" else Table(str(folder), batch_size=2)

    with pytest.raises(ConfigurationError, match=rf"{DESCRIPTION} has .*{name}.* anew with .*prepare {kind}"):
        data.check(1)


@pytest.mark.parametrize(("label", "told"), [(10, "labels from 0 to 10, but"), (-1, "labels from -1 to 9, but")])
def test_labels_beyond_the_classes_are_told(tmp_path: Path, label: int, told: str) -> None:
    prepare(["digits", str(tmp_path)])
    path = tmp_path / "train" / "labels.npy"
    labels = np.load(path)
    labels[7] = label
    np.save(path, labels)
    with pytest.raises(ConfigurationError, match=told):
        PackedImages(str(tmp_path)).check(1)


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
