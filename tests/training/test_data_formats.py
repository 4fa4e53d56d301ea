"""Windows of tokens, images decoded while training, rows and windows of tables."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_trainer.data.image_folder import ImageFolder
from trainingjob_trainer.data.table import RowWindows, Table
from trainingjob_trainer.data.table_file import Columns
from trainingjob_trainer.data.tokens import Tokens, TokenWindows
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare import prepare

# --- tokens ---


@given(st.integers(2, 200), st.integers(1, 30), st.integers(0, 4), st.sampled_from([None, 0, 9]))
def test_windows_of_an_epoch_lie_side_by_side_within_the_text(
    length: int, context: int, epoch: int, seed: int | None
) -> None:
    windows = TokenWindows(np.arange(length, dtype=np.uint16), context, seed)
    count = len(windows)
    if count == 0:
        assert length <= context
        return
    batch = windows.__getitems__(range(epoch * count, (epoch + 1) * count))
    assert batch.shape == (count, context + 1)
    first = int(batch[0, 0])
    assert first < context
    assert batch.flatten().tolist() == [first + i * context + j for i in range(count) for j in range(context + 1)]
    # What is left out at both ends is less than two windows.
    assert length - count * context <= 2 * context


def test_training_windows_begin_elsewhere_in_every_epoch_and_validation_windows_do_not() -> None:
    tokens = np.arange(10_000, dtype=np.uint16)
    train, val = TokenWindows(tokens, 64, seed=3), TokenWindows(tokens, 64, seed=None)
    assert len({train.start(epoch * len(train)) for epoch in range(20)}) > 10
    assert {val.start(epoch * len(val)) for epoch in range(20)} == {0}


@pytest.mark.parametrize(("dtype", "highest"), [("uint16", 65_535), ("uint32", 4_000_000)])
def test_plain_token_files_need_only_their_type(tmp_path: Path, dtype: str, highest: int) -> None:
    for split in ("train", "val"):
        np.arange(highest - 99, highest + 1).astype(dtype).tofile(tmp_path / f"{split}.bin")
    data = Tokens(str(tmp_path), context=10, dtype=dtype, batch_size=2)
    data.check(2)
    batch = data.on_after_batch_transfer(data.split("val").__getitems__([0, 1]), 0)
    assert batch.dtype == torch.int64
    assert batch[1].tolist() == list(range(highest - 89, highest - 78))
    assert len(data.fingerprint()) == 16


def test_a_text_shorter_than_a_window_is_told(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("short")
    prepare(["tokens", str(tmp_path / "a.txt"), str(tmp_path / "out")])
    with pytest.raises(ConfigurationError, match=r"train.bin holds 6 tokens, fewer than a window of data.context \+ 1"):
        Tokens(str(tmp_path / "out"), context=256).check(1)


# --- images ---


def test_an_image_folder_is_read_as_it_is(digit_files: Path) -> None:
    data = ImageFolder(str(digit_files), size=8, channels=1, augment=False)
    data.check(2)
    assert data.classes == [str(digit) for digit in range(10)]
    assert (len(data.split("train")), len(data.split("val"))) == (1438, 359)
    images, labels = data.on_after_batch_transfer(data.split("train").__getitems__([0, 1437]), 0)
    assert images.shape == (2, 1, 8, 8)
    assert 0 <= float(images.min()) < float(images.max()) <= 1
    assert labels.tolist() == [0, 9]


def test_a_share_of_each_class_is_held_out_where_no_split_is_given(digit_files: Path) -> None:
    data = ImageFolder(str(digit_files / "val"), held_out=0.25)
    train, val = (set(data.found.splits[split].paths) for split in ("train", "val"))
    assert not train & val
    assert len(train | val) == 359
    assert {path.split("/")[0] for path in val} == set(data.classes)
    assert 80 < len(val) < 100


def test_an_augmented_image_follows_from_its_draw_alone(digit_files: Path) -> None:
    one, two = (ImageFolder(str(digit_files), size=16, channels=1).split("train") for _ in range(2))
    draws = [5, 1438 + 5, 2 * 1438 + 5]
    first, _ = one.__getitems__(draws)
    assert first.equal(two.__getitems__(draws)[0])
    assert first[1].equal(one.__getitems__([draws[1]])[0][0])
    assert not first[0].equal(first[1])


# --- tables ---


@given(st.lists(st.integers(0, 9), min_size=1, max_size=5), st.data())
def test_rows_come_out_right_over_any_chunks(sizes: list[int], data: st.DataObject) -> None:
    bounds = np.cumsum([0, *sizes])
    whole = np.arange(2 * bounds[-1], dtype=np.float32).reshape(-1, 2)
    chunks = [whole[a:b].T for a, b in pairwise(bounds)]
    columns = Columns([list(chunk) for chunk in chunks], bounds)
    wanted = np.array(data.draw(st.lists(st.integers(0, max(0, int(bounds[-1]) - 1)), max_size=20)), dtype=np.int64)
    if len(columns) and len(wanted):
        assert np.array_equal(columns.rows(wanted), whole[wanted])


@given(st.integers(1, 4), st.integers(0, 3), st.integers(8, 20))
def test_a_window_sees_rows_before_its_target_only(window: int, horizon: int, rows: int) -> None:
    feature = np.arange(rows, dtype=np.float32)
    windows = RowWindows(Columns([[feature, feature * 10]], np.array([0, rows])), window, horizon, (0, rows))
    features, targets = windows.__getitems__(range(len(windows)))
    last = features if window == 1 else features[:, -1]
    assert features.shape == ((len(windows), 1) if window == 1 else (len(windows), window, 1))
    assert torch.equal(last[:, 0] + horizon, targets / 10)
    assert float(targets[-1]) == 10 * (rows - 1)


def test_a_prepared_table_is_standardised_with_its_training_rows(tmp_path: Path) -> None:
    prepare(["diabetes", str(tmp_path / "csv")])
    prepare(["table", str(tmp_path / "csv"), str(tmp_path / "out"), "--target", "progression"])
    data = Table(str(tmp_path / "out"), batch_size=32)
    data.check(2)
    assert data.inputs == 10
    rows = len(data.split("train"))
    features, targets = data.on_after_batch_transfer(data.split("train").__getitems__(range(rows)), 0)
    assert features.mean(dim=0).abs().max() < 1e-4
    assert targets.std(correction=0) == pytest.approx(1, abs=1e-4)

    fewer = Table(str(tmp_path / "out"), features=["bmi", "bp"])
    features, _ = fewer.on_after_batch_transfer(fewer.split("val").__getitems__([0]), 0)
    assert features.shape == (1, 2)
    with pytest.raises(ConfigurationError, match="has no column height; it has age"):
        Table(str(tmp_path / "out"), features=["height"]).check(1)


def test_parquet_files_are_read_as_they_are(tmp_path: Path) -> None:
    for number in range(2):
        x = np.arange(50.0) + 50 * number
        pq.write_table(pa.table({"x": x, "y": 2 * x, "name": ["n"] * 50}), tmp_path / f"{number}.parquet")
    data = Table(str(tmp_path), target="y", features=["x"], window=3, horizon=1, held_out=0.2)
    data.check(1)
    assert (len(data.split("train")), len(data.split("val"))) == (80 - 3, 20 - 3)
    features, target = data.split("val").__getitems__([0])
    assert features.flatten().tolist() == [80, 81, 82]
    assert target.tolist() == [166]
    scaled, _ = data.on_after_batch_transfer((torch.full((1, 3, 1), 39.5), target), 0)
    assert scaled.abs().max() < 1e-6

    with pytest.raises(ConfigurationError, match="is not prepared, so name them"):
        Table(str(tmp_path)).check(1)
    with pytest.raises(ConfigurationError, match=r"fewer than data.window"):
        Table(str(tmp_path), target="y", features=["x"], window=91).check(1)


def test_a_folder_without_a_table_is_told_how_to_make_one(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match=r"has no dataset.json: write the dataset with `python -m .* prepare table"
    ):
        Table(str(tmp_path)).check(1)
