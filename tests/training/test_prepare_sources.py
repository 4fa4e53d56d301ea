"""What `prepare` reads: images, text, tables; and what a source that cannot be used is told."""

import csv
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from trainingjob_trainer.data.description import read_description
from trainingjob_trainer.data.image_file import CENTRE, View, box_of, read_image
from trainingjob_trainer.data.packed import read_split
from trainingjob_trainer.data.table_file import columns_of, read_arrow
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare import prepare


def write_image(path: Path, size: tuple[int, int] = (6, 4), colour: tuple[int, int, int] = (250, 10, 10)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new("RGB", size, colour).save(path)


# --- images ---


def test_packed_files_are_the_files_pixels(digits: Path, digit_files: Path, tmp_path: Path) -> None:
    prepare(["images", str(digit_files), str(tmp_path), "--size", "8", "--channels", "1"])
    original = read_split(digits, "val", read_description(digits, "images"))
    packed = read_split(tmp_path, "val", read_description(tmp_path, "images"))

    # PNG files have 255 for 16; the packed ones are sorted by class.
    order = np.argsort(original.labels, kind="stable")
    assert np.array_equal(packed.labels, original.labels[order])
    assert np.array_equal(packed.images, original.images[order].astype(np.uint16) * 255 // 16)


def test_a_photograph_keeps_its_proportions_and_its_upright_side(tmp_path: Path) -> None:
    wide = Image.new("RGB", (300, 100))
    wide.paste((255, 255, 255), (100, 0, 200, 100))
    wide.save(tmp_path / "wide.png")
    assert read_image(tmp_path / "wide.png", 10, 3)[:, 1:-1, 1:-1].min() == 255  # the middle square is white

    turned = Image.new("L", (40, 40))
    turned.paste(255, (0, 0, 40, 20))
    exif = Image.Exif()
    exif[0x0112] = 3  # the camera was upside down
    turned.save(tmp_path / "turned.jpg", exif=exif)
    upright = read_image(tmp_path / "turned.jpg", 8, 1)
    assert upright.shape == (1, 8, 8)
    assert upright[0, 0].max() < 10
    assert upright[0, 7].min() > 245


def test_a_view_lies_within_the_image() -> None:
    assert box_of((300, 100), CENTRE) == (100, 0, 200, 100)
    assert box_of((300, 100), View(x=1.0, y=0.0, scale=0.5)) == (250, 0, 300, 50)


def test_an_unreadable_image_is_named_and_replaced(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for number in range(130):
        write_image(tmp_path / "src" / "cat" / f"{number:03}.png")
        write_image(tmp_path / "src" / "dog" / f"{number:03}.jpg")
    bad = tmp_path / "src" / "dog" / "100.jpg"
    good = bad.read_bytes()
    bad.write_bytes(good[:200])
    command = ["images", str(tmp_path / "src"), str(tmp_path / "out"), "--size", "4"]
    with pytest.raises(ConfigurationError, match=rf"{bad} cannot be read as an image .*: replace it, or remove it"):
        prepare(command)

    bad.write_bytes(good)
    assert prepare(command) == 0
    assert "the sources have changed" in capsys.readouterr().err
    description = read_description(tmp_path / "out", "images")
    assert description.splits == {"train": 234, "val": 26}
    assert description.about["classes"] == ["cat", "dog"]


@pytest.mark.parametrize(
    ("files", "told"),
    [
        ([], "has no sub-folders: put the images of each class into one"),
        (["cat/1.png", "dog/notes.txt"], "dog holds no images .* fill it, or remove the empty class"),
        (["train/cat/1.png", "val/dog/1.png"], "must hold the same classes; in only one of them: cat, dog"),
    ],
)
def test_a_folder_without_images_is_told_what_it_lacks(tmp_path: Path, files: list[str], told: str) -> None:
    for name in files:
        write_image(tmp_path / "src" / name) if name.endswith(".png") else _touch(tmp_path / "src" / name)
    (tmp_path / "src").mkdir(exist_ok=True)
    with pytest.raises(ConfigurationError, match=told):
        prepare(["images", str(tmp_path / "src"), str(tmp_path / "out")])


def _touch(path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("no image")


# --- tokens ---


def test_text_becomes_its_bytes_and_the_end_of_each_document_is_held_out(tmp_path: Path) -> None:
    (tmp_path / "src" / "b").mkdir(parents=True)
    (tmp_path / "src" / "a.txt").write_text("0123456789")
    (tmp_path / "src" / "b" / "c.md").write_text("ümläut")
    (tmp_path / "src" / "ignored.bin").write_text("x")
    prepare(["tokens", str(tmp_path / "src"), str(tmp_path / "out"), "--held-out", "0.2"])

    train, val = (np.fromfile(tmp_path / "out" / f"{split}.bin", "<u2").tolist() for split in ("train", "val"))
    assert train == [*b"01234567", 256, *"ümlä".encode(), 256]
    assert val == [*b"89", 256, *b"ut", 256]
    description = read_description(tmp_path / "out", "tokens")
    assert description.about == {"vocabulary": 257, "dtype": "<u2", "end_of_text": 256}
    assert description.splits == {"train": len(train), "val": len(val)}


def test_large_texts_are_taken_in_pieces(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainingjob_trainer.prepare.tokens.TOKENS_PER_PIECE", 7)
    text = bytes(range(100))
    (tmp_path / "a.txt").write_bytes(text)
    prepare(["tokens", str(tmp_path / "a.txt"), str(tmp_path / "out"), "--held-out", "0.5"])
    assert np.fromfile(tmp_path / "out" / "train.bin", "<u2").tolist() == [*text[:50], 256]


def test_tokens_of_any_tokenizer_are_taken_as_numbers(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.arange(0, 90_000, 1000))
    command = ["tokens", str(tmp_path / "a.npy"), str(tmp_path / "out")]
    with pytest.raises(ConfigurationError, match="say with --vocabulary how many there are"):
        prepare(command)
    with pytest.raises(ConfigurationError, match=r"holds the token 8[0-9]000, beyond --vocabulary 50000"):
        prepare([*command, "--vocabulary", "50000"])

    again = ["tokens", str(tmp_path / "a.npy"), str(tmp_path / "again"), "--vocabulary", "100000"]
    assert prepare(again) == 0
    assert read_description(tmp_path / "again", "tokens").about["dtype"] == "<u4"
    assert np.fromfile(tmp_path / "again" / "val.bin", "<u4").tolist()[-1] == 89_000


def test_text_that_is_not_there_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="does not exist: name a folder or a file"):
        prepare(["tokens", str(tmp_path / "none"), str(tmp_path / "out")])
    with pytest.raises(ConfigurationError, match=r"holds no files that end with .txt, .md: fill it first"):
        prepare(["tokens", str(tmp_path), str(tmp_path / "out")])
    (tmp_path / "a.txt").touch()
    with pytest.raises(ConfigurationError, match="every file is empty"):
        prepare(["tokens", str(tmp_path / "a.txt"), str(tmp_path / "out")])


# --- tables ---


def write_csv(path: Path, rows: int, header: str = "x,y,word", first: int = 0) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(header.split(","))
        writer.writerows([number, number * 0.5, f"w{number}"] for number in range(first, first + rows))


def test_rows_of_csv_and_parquet_become_one_table(tmp_path: Path) -> None:
    write_csv(tmp_path / "src" / "a.csv", 300)
    table = pa.table({"y": [150.0 + i / 2 for i in range(100)], "x": list(range(300, 400))})
    pq.write_table(table, tmp_path / "src" / "b.parquet")
    prepare(["table", str(tmp_path / "src"), str(tmp_path / "out"), "--target", "y", "--held-out", "0.25"])

    description = read_description(tmp_path / "out", "table")
    assert (description.about["features"], description.about["target"]) == (["x"], "y")
    assert sum(description.splits.values()) == 400
    assert 60 < description.splits["val"] < 140
    parts = [columns_of(read_arrow(tmp_path / "out" / f"{split}.arrow"), ["x", "y"]) for split in ("train", "val")]
    rows = np.concatenate([part.rows(np.arange(len(part))) for part in parts])
    assert sorted(rows[:, 0].tolist()) == list(range(400))
    assert np.array_equal(rows[:, 1], rows[:, 0] / 2)
    train = parts[0].rows(np.arange(len(parts[0])))
    assert description.about["mean"] == pytest.approx(train.mean(axis=0).tolist())
    assert description.about["std"] == pytest.approx(train.std(axis=0).tolist())


def test_the_last_rows_of_a_time_series_are_held_out(tmp_path: Path) -> None:
    write_csv(tmp_path / "src" / "a.csv", 60)
    write_csv(tmp_path / "src" / "b.csv", 40, first=60)
    prepare(["table", str(tmp_path / "src"), str(tmp_path / "out"), "--target", "y", "--ordered"])
    val = columns_of(read_arrow(tmp_path / "out" / "val.arrow"), ["x"])
    assert val.rows(np.arange(10))[:, 0].tolist() == list(range(90, 100))


@pytest.mark.parametrize(
    ("header", "options", "told"),
    [
        ("x,y,word", ["--target", "z"], "a.csv has no column z; it has x, y, word"),
        ("x,y,word", ["--target", "word"], "a.csv: column word holds no numbers"),
        ("x,y,word", ["--target", "y", "--features", "x,word"], "column word holds no numbers: encode it"),
        ("y,more,word", ["--target", "y", "--features", "x"], "has no column x"),
    ],
)
def test_a_wrong_column_is_named(tmp_path: Path, header: str, options: list[str], told: str) -> None:
    write_csv(tmp_path / "a.csv", 5, header)
    command = ["table", str(tmp_path / "a.csv"), str(tmp_path / "out"), *options]
    with pytest.raises(ConfigurationError, match=told):
        prepare(command)


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (b"x,y\n1,2\n3,inf\n", "column y holds NaN, or a number too large for float32"),
        (b"x,y\n1e300,2\n3,4\n", "column x holds NaN, or a number too large for float32"),
        (b"", "a.csv cannot be read as a table .Empty CSV file"),
        (b"x,y\n1,2\n3\n", "a.csv cannot be read as a table .CSV parse error: Expected 2 columns, got 1"),
        (b"\xff\xfex,y\n1,2\n", "a.csv cannot be read as a table"),
    ],
)
def test_a_table_that_cannot_be_trained_on_is_named(tmp_path: Path, content: bytes, told: str) -> None:
    (tmp_path / "a.csv").write_bytes(content)
    with pytest.raises(ConfigurationError, match=told):
        prepare(["table", str(tmp_path / "a.csv"), str(tmp_path / "out"), "--target", "y"])


def test_empty_cells_and_text_among_numbers_are_named(tmp_path: Path) -> None:
    write_csv(tmp_path / "a.csv", 5)
    with (tmp_path / "a.csv").open("a") as file:
        file.write("6,,w6\n")
    with pytest.raises(ConfigurationError, match="column y has empty cells: fill them, or drop those rows"):
        prepare(["table", str(tmp_path / "a.csv"), str(tmp_path / "out"), "--target", "y"])
    np.savetxt(tmp_path / "b.csv", np.ones((3, 2)), delimiter=",", header="x,y", comments="")
    with (tmp_path / "b.csv").open("a") as file:
        file.write("1,oops\n")
    with pytest.raises(ConfigurationError, match="column y holds no numbers"):
        prepare(["table", str(tmp_path / "b.csv"), str(tmp_path / "out2"), "--target", "y"])
