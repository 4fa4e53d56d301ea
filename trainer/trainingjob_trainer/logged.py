"""Where self.log puts its values: Lightning's collection, which does not check anew what it knows already.

For a value that is logged as it was the last time (the same hook, name, options and device) only the sum is updated.
Lightning walks through every attribute of the metric to move it to the device it is on: 0.3 ms per value.
"""

from typing import Any

from pytorch_lightning.trainer.connectors.logger_connector.result import _ResultCollection
from torch import Tensor


class KnownResults(_ResultCollection):
    """The metrics of one loop."""

    def __init__(self, training: bool) -> None:
        super().__init__(training)
        self._known: dict[str, dict[str, Any]] = {}

    def log(self, fx: str, name: str, value: Any, batch_size: int | None = None, **options: Any) -> None:
        """One value of one hook; see LightningModule.log."""
        key = f"{fx}.{name}"
        metric = self.get(key)
        if metric is None or not _fits(metric.value, value) or self._known.get(key) != options or self.dataloader_idx:
            super().log(fx, name, value, batch_size=batch_size, **options)
            self._known[key] = options
            return
        value = value.detach()
        metric.forward(value, self._extract_batch_size(metric, batch_size, metric.meta))
        metric.has_reset = False


def _fits(before: Any, value: Any) -> bool:
    """Whether both are tensors of one device, so that the sum can go on where it is."""
    return isinstance(value, Tensor) and isinstance(before, Tensor) and before.device == value.device
