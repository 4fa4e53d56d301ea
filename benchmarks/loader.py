"""What loading costs: samples per second of each data class, beside only reading the same bytes in the same order.

Reading means: open, read and close each file of an image folder; one pread per sample of the packed formats. Both
take turns, on files that the page cache holds, so the ratio is what decoding, cutting out and handing over cost.
Part of `make bench-trainer` (CASES=loader), or alone: PYTHONPATH=.:tests python -m benchmarks.loader
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from trainingjob_trainer import log
from trainingjob_trainer.data.claim_data import ClaimData
from trainingjob_trainer.data.image_folder import ImageFolder
from trainingjob_trainer.data.packed import PackedImages
from trainingjob_trainer.data.table import Table
from trainingjob_trainer.data.tokens import Tokens
from trainingjob_trainer.imports import without_scipy_signal
from trainingjob_trainer.prepare import prepare

with without_scipy_signal():
    import pytorch_lightning as pl

BATCH, SIZE, CONTEXT, FEATURES = 64, 96, 1024, 16
ROUNDS = 3

Row = dict[str, Any]
Read = Callable[[Sequence[int]], object]
Case = tuple[str, ClaimData, Read]


def loader(quick: bool) -> list[Row]:
    """Samples per second of every data class, and as a share of only reading the bytes."""
    log.quieten()
    with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as name:
        return [_row(*case, batches=5 if quick else 40) for case in _cases(Path(name), 400 if quick else 3000)]


def _cases(root: Path, images: int) -> Iterable[Case]:
    _photographs(root / "jpeg", images)
    folder = ImageFolder(str(root / "jpeg"), size=SIZE, batch_size=BATCH)
    files = [root / "jpeg" / path for path in folder.found.splits["train"].paths]
    yield f"ImageFolder, JPEG {2 * SIZE} px", folder, lambda rows: [files[row].read_bytes() for row in rows]

    prepare(["images", str(root / "jpeg"), str(root / "images"), "--size", str(SIZE)])
    packed = PackedImages(str(root / "images"), batch_size=BATCH)
    yield f"PackedImages, {SIZE} px", packed, _preads(root / "images" / "train" / "images.npy", 3 * SIZE * SIZE)

    np.save(root / "tokens.npy", np.random.default_rng(0).integers(0, 50_000, 4_000_000))
    prepare(["tokens", str(root / "tokens.npy"), str(root / "tokens"), "--vocabulary", "50000"])
    tokens = Tokens(str(root / "tokens"), context=CONTEXT, batch_size=BATCH)
    yield f"Tokens, {CONTEXT} per window", tokens, _preads(root / "tokens" / "train.bin", 2 * CONTEXT)

    _write_csv(root / "table.csv", 200_000)
    prepare(["table", str(root / "table.csv"), str(root / "table"), "--target", "target"])
    table = Table(str(root / "table"), batch_size=BATCH)
    yield f"Table, {FEATURES} features", table, _preads(root / "table" / "train.arrow", 4 * (FEATURES + 1))


def _row(name: str, data: ClaimData, read: Read, *, batches: int) -> Row:
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    batches = min(batches, len(data.split("train")) // BATCH)
    loading = data.train_dataloader()
    orders = [draws for _, draws in zip(range(batches), loading.batch_sampler or [], strict=False)]
    loads, reads = [], []
    for _ in range(ROUNDS):
        reads.append(_rate(batches, lambda: [read(draws) for draws in orders]))
        loads.append(_rate(batches, lambda: [None for _ in islice(loading, batches)]))
    return {
        "data class": name,
        "loader processes": loading.num_workers,
        "samples/s": round(median(loads)),
        "only reading, samples/s": round(median(reads)),
        "share": round(median(loads) / median(reads), 3),
    }


def _rate(batches: int, action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return batches * BATCH / (time.perf_counter() - begin)


def _preads(path: Path, size: int) -> Read:
    descriptor = os.open(path, os.O_RDONLY)
    last = max(1, path.stat().st_size - size)
    return lambda rows: [os.pread(descriptor, size, row * size % last) for row in rows]


def _photographs(folder: Path, count: int) -> None:
    """JPEG files of about 10 kB: smooth shapes with some grain, as photographs are."""
    from PIL import Image

    generator = np.random.default_rng(0)
    for number in range(count):
        coarse = generator.integers(0, 256, (12, 12, 3), np.uint8)
        image = np.asarray(Image.fromarray(coarse).resize((2 * SIZE, 2 * SIZE), Image.Resampling.BICUBIC), np.int16)
        grain = generator.integers(-12, 13, image.shape, np.int16)
        path = folder / f"class-{number % 10}" / f"{number}.jpg"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(np.clip(image + grain, 0, 255).astype(np.uint8)).save(path, quality=85)


def _write_csv(path: Path, rows: int) -> None:
    names = [*(f"f{number}" for number in range(FEATURES)), "target"]
    values = np.random.default_rng(0).random((rows, FEATURES + 1), np.float32)
    np.savetxt(path, values, "%.5f", ",", header=",".join(names), comments="")


def main() -> None:
    """Print the figures."""
    for row in loader(quick=bool(os.environ.get("QUICK"))):
        print(", ".join(f"{head}: {value}" for head, value in row.items()), flush=True)


if __name__ == "__main__":
    main()
