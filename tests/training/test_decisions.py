"""The trainer's small decisions: exit codes, when ranks agree, how progress is worded."""

import errno
import gc
import sys
from collections.abc import Callable
from subprocess import run

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from lightning_fabric.utilities.exceptions import MisconfigurationException
from lightning_fabric.utilities.seed import seed_everything
from torch.utils.data import DataLoader, Dataset

from trainingjob_trainer.__main__ import main
from trainingjob_trainer.errors import ConfigurationError, PreemptedError, SupersededError
from trainingjob_trainer.exit_codes import CONFIGURATION, USER_ERROR, exit_code
from trainingjob_trainer.imports import without_collections
from trainingjob_trainer.local_ranks import pod_exit_code
from trainingjob_trainer.preemption import MAX_STEPS, Rhythm, steps_until_next
from trainingjob_trainer.progress import epoch_line, held_out, samples_in


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (ConfigurationError("no"), 2),
        (PreemptedError(7, None), 143),
        (SupersededError("no"), 1),
        (MisconfigurationException("max_epochs must be a non-negative integer or -1"), 2),
        (ValueError("Connection reset by peer"), 1),
        (RuntimeError("shape mismatch"), 1),
        (RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:547] Connection closed by peer"), 75),
        (torch.distributed.DistBackendError("NCCL error: remote process exited"), 75),
        (torch.distributed.DistNetworkError("The client socket has timed out after 30000ms"), 75),
        (torch.distributed.DistNetworkError("port: 29500, Address already in use"), 1),
    ],
)
def test_an_ending_has_its_exit_code(error: Exception, code: int) -> None:
    assert exit_code(error) == code


def test_a_full_volume_is_told_with_its_remedy_whatever_was_being_written(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(arguments: list[str]) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("trainingjob_trainer.prepare.prepare", full)
    monkeypatch.setattr(sys, "argv", ["trainer", "prepare"])

    assert main() == 1
    assert "No space left on device; free space in the claim of spec.output" in capsys.readouterr().err


def test_an_error_that_a_library_wrapped_keeps_its_exit_code() -> None:
    outer = RuntimeError("training failed")
    outer.__cause__ = RuntimeError("gloo/transport/tcp/pair.cc Connection closed by peer")
    assert exit_code(outer) == 75


@pytest.mark.parametrize(
    "refused",
    [
        lambda: torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=-1),
        lambda: seed_everything(-1, verbose=False),
    ],
)
def test_what_a_library_refuses_is_the_configurations_fault(refused: Callable[[], object]) -> None:
    with pytest.raises(ValueError) as raised:
        refused()
    assert exit_code(raised.value) == CONFIGURATION


def test_a_value_error_of_the_training_code_is_the_codes_own_fault() -> None:
    with pytest.raises(ValueError) as raised:
        list(zip([1], [], strict=True))
    assert exit_code(raised.value) == USER_ERROR


def test_what_a_loader_process_said_is_told_without_its_traceback(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(_: object) -> int:
        list(DataLoader(Unreadable(), num_workers=1))
        return 0

    monkeypatch.setattr("trainingjob_trainer.__main__._train", train)
    monkeypatch.setattr(sys, "argv", ["trainer", "fit"])

    assert main() == CONFIGURATION
    assert capsys.readouterr().err == "trainingjob: error: 7.png is no image: replace it\n"


class Unreadable(Dataset[int]):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> int:
        try:
            raise OSError("broken data stream")
        except OSError as error:
            raise ConfigurationError("7.png is no image: replace it") from error


def test_a_hidden_cause_is_the_one_that_is_told(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(_: object) -> int:
        raise RuntimeError("something failed") from ConfigurationError("data.size is 0: it must be 1 or more")

    monkeypatch.setattr("trainingjob_trainer.__main__._train", train)
    monkeypatch.setattr(sys, "argv", ["trainer", "fit"])

    assert main() == CONFIGURATION
    assert capsys.readouterr().err == "trainingjob: error: data.size is 0: it must be 1 or more\n"


@pytest.mark.parametrize(
    ("codes", "pod"), [([0, 0], 0), ([75, 1], 1), ([75, -9], 137), ([0, 75], 75), ([2, 1], 2), ([143, 143], 143)]
)
def test_a_pod_ends_like_its_first_process_with_a_cause_of_its_own(codes: list[int], pod: int) -> None:
    assert pod_exit_code(codes) == pod


@given(st.floats(min_value=0, max_value=1000))
def test_ranks_agree_about_once_a_second(seconds_per_step: float) -> None:
    steps = steps_until_next(seconds_per_step)
    assert 1 <= steps <= MAX_STEPS
    assert steps == 1 or steps * seconds_per_step <= 1


def test_ranks_of_unlike_speed_agree_after_the_same_steps() -> None:
    fast, slow = Rhythm(), Rhythm()
    for rhythm in (fast, slow):
        assert rhythm.is_due(1)
        rhythm.advance(1, slowest=0.25)
    assert fast.next_step == slow.next_step == 5


def test_an_epochs_line_is_plain() -> None:
    line = epoch_line(3, 10, 66, {"val_acc": 0.97222, "train_loss": 0.1}, 5210.4)
    assert line == "epoch 3/10, step 66: train_loss=0.1 val_acc=0.9722, 5210 samples/s"
    assert epoch_line(3, -1, 66, {}, None) == "epoch 3, step 66: no metrics logged"


def test_accuracy_comes_first_in_the_result() -> None:
    assert list(held_out({"val_loss": 1.0, "train_loss": 2.0, "val_acc": 0.5})) == ["val_acc", "val_loss"]


def test_samples_are_counted_in_any_shape_of_batch() -> None:
    images = torch.zeros(8, 3)
    assert [samples_in(batch) for batch in (images, (images, 1), {"x": [images]}, "text", [])] == [8, 8, 8, 0, 0]


def test_imports_are_not_searched_for_garbage_while_they_come_nor_later() -> None:
    known = gc.get_freeze_count()
    with without_collections():
        assert not gc.isenabled()
    assert gc.isenabled()
    assert gc.get_freeze_count() > known
    gc.unfreeze()


def test_a_run_that_is_done_waits_for_threads_and_for_what_is_to_be_done_at_exit() -> None:
    done = run([sys.executable, "-c", DONE_WITH_A_LOGGER], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "sent\nclosed\n", "")


DONE_WITH_A_LOGGER = """
import atexit, threading
from trainingjob_trainer.__main__ import _leave

def send():
    threading.main_thread().join()
    print("sent")

atexit.register(print, "closed")
threading.Thread(target=send).start()
_leave(0)
"""


@pytest.mark.parametrize(
    ("given", "code", "told"), [(None, 0, ""), (3, 3, ""), ("no weights", 1, "trainingjob: error: no weights\n")]
)
def test_the_users_code_may_end_the_run(
    given: object, code: int, told: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(_: object) -> int:
        sys.exit(given)  # type: ignore[arg-type]

    monkeypatch.setattr("trainingjob_trainer.__main__._train", train)
    monkeypatch.setattr(sys, "argv", ["trainer", "fit"])

    assert main() == code
    assert capsys.readouterr().err == told


def test_importing_the_trainer_imports_neither_torch_nor_kopf() -> None:
    modules = "trainingjob_trainer, trainingjob_trainer.__main__, trainingjob_trainer.local_ranks"
    check = f"import sys, {modules}; sys.exit(bool({{'torch', 'kopf', 'numpy'}} & set(sys.modules)))"
    assert run([sys.executable, "-c", check], check=False).returncode == 0
