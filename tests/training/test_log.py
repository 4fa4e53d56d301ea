"""How a line of the trainer gets into the pod's log."""

import io
from collections.abc import Callable

import pytest

from trainingjob_trainer import log


class Pipe(io.StringIO):
    """Keeps what came in each write: between two of them, another process of the node may write."""

    def __init__(self) -> None:
        super().__init__()
        self.pieces: list[str] = []

    def write(self, text: str) -> int:
        self.pieces.append(text)
        return len(text)


@pytest.mark.parametrize("tell", [log.say, log.warn, log.fail])
def test_a_line_and_its_end_are_one_write(tell: Callable[[str], None], monkeypatch: pytest.MonkeyPatch) -> None:
    pipe = Pipe()
    monkeypatch.setattr("sys.stdout", pipe)
    monkeypatch.setattr("sys.stderr", pipe)

    tell("epoch 1/2")

    assert [piece.endswith("epoch 1/2\n") for piece in pipe.pieces if piece] == [True]
