"""What loading costs: samples per second of each data class, beside only reading as many bytes.

Reading means: open, read and close each file of an image folder; the packed formats' files from their beginning, in
reads of 1 MiB into the same memory, which is the fastest way. All of it is in the page cache; the best of five rounds
counts, of loading and of reading. A loader also draws its samples in random order, decodes, and makes tensors.
Part of `make bench-trainer` (CASES=loader), or alone: PYTHONPATH=.:tests python -m benchmarks.loader
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from pathlib import Path
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
ROUNDS = 5
LARGEST_READ = 1 << 20

Row = dict[str, Any]
Read = Callable[[Sequence[int]], object]  # as many bytes as these samples have
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
    yield f"PackedImages, {SIZE} px", packed, _in_order(root / "images" / "train" / "images.npy", 3 * SIZE * SIZE)

    np.save(root / "tokens.npy", np.random.default_rng(0).integers(0, 50_000, 4_000_000))
    prepare(["tokens", str(root / "tokens.npy"), str(root / "tokens"), "--vocabulary", "50000"])
    tokens = Tokens(str(root / "tokens"), context=CONTEXT, batch_size=BATCH)
    yield f"Tokens, {CONTEXT} per window", tokens, _in_order(root / "tokens" / "train.bin", 2 * CONTEXT)

    _write_csv(root / "table.csv", 200_000)
    prepare(["table", str(root / "table.csv"), str(root / "table"), "--target", "target"])
    table = Table(str(root / "table"), batch_size=BATCH)
    yield f"Table, {FEATURES} features", table, _in_order(root / "table" / "train.arrow", 4 * (FEATURES + 1))


def _row(name: str, data: ClaimData, read: Read, *, batches: int) -> Row:
    data.trainer = pl.Trainer(accelerator="cpu", logger=False, enable_checkpointing=False)
    batches = min(batches, len(data.split("train")) // BATCH)
    loading = data.train_dataloader()
    rows = [row for draws in islice(loading.batch_sampler or [], batches) for row in draws]
    loads, reads = [], []
    for _ in range(ROUNDS):
        reads.append(_rate(batches, lambda: read(rows)))
        loads.append(_rate(batches, lambda: [None for _ in islice(loading, batches)]))
    return {
        "data class": name,
        "loader processes": loading.num_workers,
        "samples/s": round(max(loads)),
        f"ms per batch of {BATCH}": round(BATCH / max(loads) * 1000, 2),
        "only reading, samples/s": round(max(reads)),
        "share": round(max(loads) / max(reads), 3),
    }


def _rate(batches: int, action: Callable[[], object]) -> float:
    begin = time.perf_counter()
    action()
    return batches * BATCH / (time.perf_counter() - begin)


def _in_order(path: Path, size: int) -> Read:
    """Samples of ``size`` bytes, from the file's beginning."""
    file, memory = path.open("rb", buffering=0), memoryview(bytearray(LARGEST_READ))

    def read(rows: Sequence[int]) -> None:
        file.seek(0)
        left = len(rows) * size
        while left > 0 and (got := file.readinto(memory[:left])):
            left -= got

    return read


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
