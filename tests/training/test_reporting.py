"""Progress as rank 0 tells it: the page, the server, and the callback that Lightning finds by itself."""

import errno
import math
import pickle
import socket
import threading
import time
from contextlib import suppress
from importlib.metadata import entry_points
from types import SimpleNamespace
from typing import Any
from urllib.request import urlopen

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from pytorch_lightning import Callback, LightningModule, Trainer
from torch.utils.data import DataLoader

from trainingjob_operator.core.readings import Measured, measured
from trainingjob_trainer import reporting
from trainingjob_trainer.pace import Count, Pace
from trainingjob_trainer.page import Numbers, labels_of, page
from trainingjob_trainer.page_server import PageServer

POD = {
    "TRAININGJOB_NAMESPACE": "ml",
    "TRAININGJOB_NAME": "digits",
    "TRAININGJOB_UID": "u",
    "TRAININGJOB_ATTEMPT": "2",
    "TRAININGJOB_POD_IP": "127.0.0.1",
    "TRAININGJOB_PROGRESS_PORT": "0",  # any that is free
}


def test_the_operator_reads_what_the_trainer_tells() -> None:
    numbers = Numbers(120, 150, 5, 220, 1866.5, 20.5, 0.25, 110, saved_at=7.0)

    assert measured(page(numbers, labels_of(POD), now=10.5), "u", 2) == Measured(
        120, 150, 220, 5, 1866.5, 20.5, 0.25, 110, 3.5
    )


def test_what_is_not_known_is_not_told() -> None:
    assert "loss" not in page(Numbers(step=1), {}, now=0)
    assert math.isnan(measured(page(Numbers(loss=math.nan), {}, now=0), "u", 1).loss)


@given(st.lists(st.floats(0.1, 20), min_size=2, max_size=50), st.integers(1, 1000))
def test_a_steady_pace_is_told_as_it_is(gaps: list[float], rate: int) -> None:
    pace, at = Pace(), 0.0
    for gap in gaps:
        at += gap
        pace.add(Count(at, 0, round(at * rate * 1000)))
    assert pace.samples_per_second() == pytest.approx(rate * 1000, rel=0.01)


def test_the_pace_of_long_ago_is_forgotten() -> None:
    pace = Pace()
    for second in range(0, 101, 2):
        pace.add(Count(second, second * 100, 0))
    for second in range(102, 140, 2):
        pace.add(Count(second, 10_000 + second, 0))
    assert pace.steps_per_second() == pytest.approx(1, rel=0.1)
    assert pace.samples_per_second() is None


def test_one_count_makes_no_pace() -> None:
    pace = Pace()
    assert pace.steps_per_second() is None
    pace.add(Count(1.0, 5, 5))
    assert pace.steps_per_second() is None


def test_every_request_gets_the_page_of_its_moment() -> None:
    texts = iter(["one", "two"])
    server = PageServer("127.0.0.1", 0, lambda: next(texts))
    assert [get(server.port), get(server.port)] == ["one", "two"]
    server.close()


def test_a_reader_that_says_nothing_delays_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainingjob_trainer.page_server.ANSWER_SECONDS", 0.05)
    server = PageServer("127.0.0.1", 0, lambda: "page")
    with socket.create_connection(("127.0.0.1", server.port)):
        assert get(server.port) == "page"
    server.close()


def test_a_reader_that_trickles_delays_nobody_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("trainingjob_trainer.page_server.ANSWER_SECONDS", 0.05)
    server = PageServer("127.0.0.1", 0, lambda: "page")
    with socket.create_connection(("127.0.0.1", server.port)) as trickling:
        threading.Thread(target=trickle, args=(trickling,), daemon=True).start()
        assert get(server.port) == "page"
    server.close()


def test_a_process_without_descriptors_for_a_moment_goes_on_telling(monkeypatch: pytest.MonkeyPatch) -> None:
    accept, failures = socket.socket.accept, [OSError(errno.EMFILE, "Too many open files")]

    def short(listener: socket.socket) -> Any:
        if failures:
            raise failures.pop()
        return accept(listener)

    monkeypatch.setattr(socket.socket, "accept", short)
    server = PageServer("127.0.0.1", 0, lambda: "page")
    assert get(server.port) == "page"
    server.close()


def trickle(connection: socket.socket) -> None:
    """A byte every few milliseconds, for as long as anybody listens."""
    with suppress(OSError):
        while connection.send(b"x"):
            time.sleep(0.01)


def test_a_closed_server_refuses_even_if_a_forked_data_loader_holds_its_socket() -> None:
    server = PageServer("127.0.0.1", 0, lambda: "page")
    port = server.port
    with server._listener.dup():
        server.close()
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))


def get(port: int) -> str:
    with urlopen(f"http://127.0.0.1:{port}/metrics", timeout=60) as answer:
        text: str = answer.read().decode()
        return text


class Line(LightningModule):
    """A model of one weight."""

    def __init__(self) -> None:
        super().__init__()
        self.net = torch.nn.Linear(1, 1)

    def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
        return self.net(batch).pow(2).mean()

    def validation_step(self, batch: torch.Tensor, batch_idx: int) -> None:
        self.net(batch)

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Reader(Callback):
    """Reads the page at some moments of the training."""

    def __init__(self) -> None:
        self.seen: list[Measured] = []
        self.port = 0

    def _look(self, trainer: Trainer) -> None:
        (report,) = reports(trainer)
        if report._run is not None:
            self.port = report._run.server.port
            found = measured(get(self.port), "u", 2)
            assert found is not None
            self.seen.append(found)

    def on_train_batch_start(self, trainer: Trainer, *_: Any) -> None:
        self._look(trainer)

    def on_train_epoch_end(self, trainer: Trainer, *_: Any) -> None:
        self._look(trainer)


def reports(trainer: Trainer) -> list[Any]:
    return [callback for callback in trainer.callbacks if isinstance(callback, reporting.Report)]


def trainer_in(pod: dict[str, str], patch: pytest.MonkeyPatch, tmp_path: Any, **settings: Any) -> Trainer:
    for name, value in pod.items():
        patch.setenv(name, value)
    patch.setattr(reporting, "SAMPLE_EVERY", 0.0)
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False, "accelerator": "cpu"}
    return Trainer(**quiet, default_root_dir=tmp_path, **settings)


def batches(count: int) -> DataLoader[torch.Tensor]:
    return DataLoader(torch.ones(count * 4, 1), batch_size=4)


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::FutureWarning", "ignore::DeprecationWarning")
class TestInATrainer:
    def test_any_lightning_script_in_a_pod_tells_its_progress(self, monkeypatch: Any, tmp_path: Any) -> None:
        reader = Reader()
        trainer = trainer_in(POD, monkeypatch, tmp_path, max_epochs=3, callbacks=[reader])

        trainer.fit(Line(), batches(5), batches(2))

        first, last = reader.seen[0], reader.seen[-1]
        assert (first.step, first.max_steps) == (0, 15)
        assert (last.step, last.epoch, last.batches) == (15, 2, 3 * 5 + 3 * 2)
        assert last.loss is not None
        assert last.samples_per_second == pytest.approx(4 * (last.steps_per_second or 0), rel=0.01)
        assert last.checkpoint_step == 10
        with pytest.raises(OSError, match="refused"):
            get(reader.port)

    def test_outside_a_pod_there_is_no_callback(self, monkeypatch: Any, tmp_path: Any) -> None:
        assert reports(trainer_in({}, monkeypatch, tmp_path)) == []

    def test_a_port_that_is_taken_never_breaks_training(self, monkeypatch: Any, tmp_path: Any, capsys: Any) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            port = str(taken.getsockname()[1])
            pod = POD | {"TRAININGJOB_PROGRESS_PORT": port}
            trainer = trainer_in(pod, monkeypatch, tmp_path, max_epochs=1, enable_checkpointing=False)

            trainer.fit(Line(), batches(2))

        assert trainer.global_step == 2
        assert f"TRAININGJOB_PROGRESS_PORT={port} cannot be served" in capsys.readouterr().err

    def test_an_error_in_training_ends_the_telling(self, monkeypatch: Any, tmp_path: Any) -> None:
        class Breaks(Line):
            def training_step(self, batch: torch.Tensor, batch_idx: int) -> torch.Tensor:
                raise ValueError("no")

        trainer = trainer_in(POD, monkeypatch, tmp_path, max_epochs=1, enable_checkpointing=False)
        with pytest.raises(ValueError, match="no"):
            trainer.fit(Breaks(), batches(2))
        assert reports(trainer)[0]._run is None

    def test_the_callback_survives_being_sent_to_a_spawned_process(self, monkeypatch: Any, tmp_path: Any) -> None:
        (report,) = reports(trainer_in(POD, monkeypatch, tmp_path))

        assert isinstance(pickle.loads(pickle.dumps(report)), reporting.Report)


def test_both_packages_of_lightning_are_told_where_to_find_it() -> None:
    for group in ("pytorch_lightning.callbacks_factory", "lightning.pytorch.callbacks_factory"):
        assert "trainingjob" in {entry.name for entry in entry_points(group=group)}


@pytest.mark.parametrize(
    ("outputs", "loss"),
    [
        ({"loss": torch.tensor(0.5)}, 0.5),
        (torch.tensor(0.5), 0.5),
        (None, None),
        ({}, None),
        ({"loss": torch.ones(2)}, None),
        ("no loss", None),
    ],
)
def test_a_loss_is_told_if_it_is_one_number(outputs: Any, loss: float | None) -> None:
    assert reporting.loss_of(outputs) == loss


@pytest.mark.parametrize(
    ("settings", "steps"),
    [
        ({"max_steps": 10}, 10),
        ({"max_epochs": 3}, 30),
        ({"max_epochs": 3, "max_steps": 20}, 20),
        ({"max_epochs": 3, "accumulate_grad_batches": 4}, 9),
        ({"max_epochs": -1}, None),
        ({"max_epochs": 3, "num_training_batches": math.inf}, None),
    ],
)
def test_the_end_is_told_if_it_is_known(settings: dict[str, Any], steps: int | None) -> None:
    plain = {"max_steps": -1, "max_epochs": None, "num_training_batches": 10, "accumulate_grad_batches": 1}
    assert reporting.total_steps(SimpleNamespace(**(plain | settings))) == steps
