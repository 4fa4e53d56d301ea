"""How progress is worded: one line per epoch, and the final metrics.

Pure; knows no trainer.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from torch import Tensor


def epoch_line(
    epoch: int, epochs: int | None, step: int, metrics: Mapping[str, float], samples_per_second: float | None
) -> str:
    """`epoch 3/10, step 66: train_loss=0.1204 val_acc=0.9722, 5210 samples/s` (epochs count from 1; -1: endless)."""
    of = f"/{epochs}" if epochs and epochs > 0 else ""
    values = " ".join(metric_text(name, value) for name, value in sorted(metrics.items()))
    speed = f", {samples_per_second:.0f} samples/s" if samples_per_second else ""
    return f"epoch {epoch}{of}, step {step}: {values or 'no metrics logged'}{speed}"


def metric_text(name: str, value: float) -> str:
    """`val_acc=0.9722`, four significant digits."""
    return f"{name}={value:.4g}"


def held_out(metrics: Mapping[str, float]) -> dict[str, float]:
    """The metrics of held-out data, by Lightning's custom of calling them val_... or test_...; accuracy first."""
    names = sorted((n for n in metrics if n.startswith(("val", "test"))), key=lambda n: ("acc" not in n, n))
    return {name: metrics[name] for name in names}


def samples_in(batch: Any) -> int:
    """Number of samples in a batch: the first dimension of the first tensor in it, 0 if it holds none."""
    if type(batch) in (tuple, list) and batch and type(batch[0]) is Tensor:
        batch = batch[0]  # the common case, asked at every step
    if isinstance(batch, Tensor):
        return int(batch.shape[0]) if batch.ndim else 1
    parts: Iterable[Any] = ()
    if isinstance(batch, Mapping):
        parts = batch.values()
    elif isinstance(batch, list | tuple):
        parts = batch
    return next((count for part in parts if (count := samples_in(part))), 0)
