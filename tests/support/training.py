"""What a finished gang of the built-in trainer has left: exit codes, lines, metrics of each epoch."""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from support.pods import Pod, Volumes

_EPOCH = re.compile(r"trainingjob: epoch (?P<epoch>\d+)/\d+, step (?P<step>\d+): (?P<metrics>[^,]*)")


@dataclass(frozen=True)
class Run:
    """One attempt that has ended; everything by rank of the pod."""

    codes: list[int]
    lines: list[list[str]]
    errors: list[str]
    reasons: list[str]
    volumes: Volumes

    @property
    def epochs(self) -> dict[int, dict[str, float]]:
        """The metrics of each epoch's line, as rank 0 printed them."""
        found = (_EPOCH.match(line) for line in self.lines[0])
        return {int(match["epoch"]): _metrics(match["metrics"]) for match in found if match}

    @property
    def val_acc(self) -> float:
        """The final held-out accuracy, from its plain line."""
        return next(float(line.removeprefix("val_acc=")) for line in self.lines[0] if line.startswith("val_acc="))

    def line(self, text: str, rank: int = 0) -> str:
        """The first line of a pod that contains the text."""
        found = next((line for line in self.lines[rank] if text in line), None)
        assert found is not None, f"no line with {text!r} in {self.lines[rank]}, errors: {self.errors[rank]}"
        return found


def finish(pods: Sequence[Pod], volumes: Volumes) -> Run:
    """Wait until every pod has ended by itself."""
    codes = [pod.ended() for pod in pods]
    reasons = [pod.reason.read_text() for pod in pods]
    return Run(codes, [pod.lines for pod in pods], [pod.errors for pod in pods], reasons, volumes)


def _metrics(text: str) -> dict[str, float]:
    return {name: float(value) for name, value in (part.split("=") for part in text.split())}
