"""Preparing a dataset: it can be killed at any moment and goes on, and it is verified."""

import errno
import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from support.eventually import eventually
from trainingjob_trainer.data.description import DESCRIPTION, damaged, read_description
from trainingjob_trainer.errors import ConfigurationError
from trainingjob_trainer.prepare import ledger as ledger_module
from trainingjob_trainer.prepare import prepare
from trainingjob_trainer.prepare.folder import put, verify
from trainingjob_trainer.prepare.ledger import LEDGER
from trainingjob_trainer.prepare.work import Piece

Files = dict[str, bytes]


class Numbers:
    """A small work: five pieces for two files, with a beginning and an end."""

    kind, name, unit, total = "numbers", "numbers", "numbers", 10

    def made_from(self) -> dict[str, Any]:
        return {"numbers": 10}

    def opening(self) -> Mapping[str, bytes]:
        return {"train/a.bin": b"<", "b.bin": b"["}

    def pieces(self, skip: int) -> Iterator[Piece]:
        for number in range(skip, 5):
            yield Piece(2, {"train/a.bin": bytes([number] * 5), "b.bin": bytes([number])})

    def closing(self) -> Mapping[str, bytes]:
        return {"train/a.bin": b">", "b.bin": b"]"}

    def describe(self, folder: Path) -> tuple[dict[str, int], dict[str, Any]]:
        return {"train": 10}, {}


class KilledError(BaseException):
    """Nothing in the program catches it."""


class Reaper:
    """Kills at the n-th moment: before a flush, or before or after a rename."""

    def __init__(self, moment: int) -> None:
        self.left = moment

    def strike(self) -> None:
        self.left -= 1
        if self.left == 0:
            raise KilledError

    def install(self, patch: pytest.MonkeyPatch) -> None:
        fsync, replace = os.fsync, Path.replace

        def killed_fsync(descriptor: int) -> None:
            self.strike()
            fsync(descriptor)

        def killed_replace(path: Path, target: Path) -> Path:
            self.strike()
            done = replace(path, target)
            self.strike()
            return done

        patch.setattr(os, "fsync", killed_fsync)
        patch.setattr(Path, "replace", killed_replace)
        patch.setattr(ledger_module, "COMMIT_SECONDS", 0.0)


def content(folder: Path) -> Files:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


@pytest.fixture
def undisturbed(tmp_path: Path) -> Files:
    assert put(tmp_path / "undisturbed", Numbers()) == 0
    return content(tmp_path / "undisturbed")


def killed_at(moment: int, folder: Path) -> bool:
    """Whether the run was killed; what it had not flushed is garbage afterwards."""
    with pytest.MonkeyPatch.context() as patch:
        Reaper(moment).install(patch)
        try:
            put(folder, Numbers())
        except KilledError:
            _spoil_what_is_not_safe(folder)
            return True
    return False


def _spoil_what_is_not_safe(folder: Path) -> None:
    """After a power cut the end of a file, beyond what was flushed, can hold anything."""
    if (folder / DESCRIPTION).exists() or not (folder / LEDGER).exists():
        return
    for name, (size, _) in json.loads((folder / LEDGER).read_text())["files"].items():
        written = (folder / name).read_bytes()
        (folder / name).write_bytes(written[:size] + b"?" * (len(written) - size + 3))


def test_a_run_that_is_killed_at_any_moment_goes_on_to_the_same_bytes(tmp_path: Path, undisturbed: Files) -> None:
    moment = 1
    while killed_at(moment, tmp_path / str(moment)):
        assert put(tmp_path / str(moment), Numbers()) == 0
        assert content(tmp_path / str(moment)) == undisturbed, moment
        moment += 1
    assert moment > 25


def test_a_run_that_is_killed_again_and_again_gets_on(tmp_path: Path, undisturbed: Files) -> None:
    # Twelve moments are enough for one piece with the ledger's entry behind it, and for the end.
    runs = 1
    while killed_at(12, tmp_path / "job"):
        runs += 1
        assert runs < 20
    assert runs > 3
    assert content(tmp_path / "job") == undisturbed


def test_what_is_unfinished_passes_for_no_dataset(tmp_path: Path) -> None:
    assert killed_at(8, tmp_path)
    with pytest.raises(ConfigurationError, match="is unfinished: run the command that prepares it again"):
        verify(tmp_path)
    with pytest.raises(ConfigurationError, match=f"has no {DESCRIPTION}"):
        read_description(tmp_path, "numbers")


def test_an_unfinished_dataset_of_another_kind_is_not_undone(tmp_path: Path) -> None:
    assert killed_at(8, tmp_path)
    with pytest.raises(ConfigurationError, match="an unfinished dataset of another kind or with other options"):
        prepare(["digits", str(tmp_path)])


def test_kill_9_while_packing_real_images(tmp_path: Path, digit_files: Path) -> None:
    command = [sys.executable, "-c", _SLOW, "images", str(digit_files), str(tmp_path / "killed")]
    process = subprocess.Popen([*command, "--size", "32"], stderr=subprocess.PIPE, text=True)
    eventually("the ledger has pieces", lambda: _pieces(tmp_path / "killed") > 2)
    process.send_signal(signal.SIGKILL)
    process.communicate()

    again = subprocess.run(
        [sys.executable, "-m", "trainingjob_trainer", "prepare", *command[3:], "--size", "32"],
        check=True,
        capture_output=True,
        text=True,
    )
    assert "going on after" in again.stderr
    prepare(["images", str(digit_files), str(tmp_path / "whole"), "--size", "32"])
    assert content(tmp_path / "killed") == content(tmp_path / "whole")


_SLOW = """
import sys, time
from trainingjob_trainer.prepare import ledger, prepare
from trainingjob_trainer.prepare.arrays import PackedImagesWork
ledger.COMMIT_SECONDS = 0.0
pieces = PackedImagesWork.pieces
def slow(self, skip):
    for number, piece in enumerate(pieces(self, skip)):
        yield piece
        if number > 4:
            time.sleep(3600)
PackedImagesWork.pieces = slow
prepare(sys.argv[1:])
"""


def _pieces(folder: Path) -> int:
    path = folder / LEDGER
    return int(json.loads(path.read_text())["pieces"]) if path.exists() else 0


def test_a_full_volume_leaves_a_state_that_goes_on(tmp_path: Path, digit_files: Path) -> None:
    """A limit on the size of files, for the error that a full volume gives."""
    options = ["images", str(digit_files), str(tmp_path / "full"), "--size", "32"]
    code = f"""
import resource, signal, sys
from trainingjob_trainer.prepare import ledger, prepare
ledger.COMMIT_SECONDS = 0.0
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (2_000_000, resource.RLIM_INFINITY))
sys.exit(prepare({options!r}))
"""
    full = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert full.returncode == 1, full.stderr
    assert f"{tmp_path / 'full'} is full (File too large): make room and run the same command again" in full.stderr
    assert _pieces(tmp_path / "full") > 2

    assert prepare(options) == 0
    prepare([*options[:2], str(tmp_path / "whole"), *options[3:]])
    assert content(tmp_path / "full") == content(tmp_path / "whole")


def test_a_folder_that_is_a_file_is_told_so(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "file"
    file.write_text("here")
    table = ["table", str(tmp_path / "a.csv"), str(file), "--target", "b"]
    (tmp_path / "a.csv").write_text("a,b\n1,2\n3,4\n")
    for command in (["digits", str(file)], ["digits", str(file / "below")], ["digits", "--png", str(file)], table):
        assert prepare(command) == 2
        told = capsys.readouterr().err
        assert re.fullmatch(rf"trainingjob: error: {file}\S* is a file, or lies below one \(.*\n", told), told
    assert file.read_text() == "here"
    with pytest.raises(ConfigurationError, match="holds no prepared dataset"):
        prepare(["verify", str(file)])


@pytest.mark.parametrize(
    ("number", "name", "code", "told"),
    [
        (
            errno.EROFS,
            "/data/.prepare.lock",
            2,
            "/data/.prepare.lock cannot be written (Read-only file system): give a",
        ),
        (errno.EACCES, "/data", 2, "/data cannot be written (Permission denied): give a DIR that this user may"),
        (errno.EACCES, "/pictures/a.png", 2, "/pictures/a.png cannot be read (Permission denied): see to it"),
        (errno.ENOSPC, None, 1, "/data is full (No space left on device): make room and run the same command again"),
        (errno.EDQUOT, None, 1, "/data is full (Disk quota exceeded): make room"),
        (errno.EIO, "/data/train.bin", 1, "/data/train.bin cannot be written (Input/output error): look after the vol"),
    ],
)
def test_an_error_of_the_volume_is_told_with_its_remedy(
    number: int,
    name: str | None,
    code: int,
    told: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    def fails(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number), name)

    monkeypatch.setattr(Path, "mkdir", fails)
    assert prepare(["digits", "/data"]) == code
    assert capsys.readouterr().err.startswith(f"trainingjob: error: {told}")


def test_a_description_that_somebody_spoilt_is_named(tmp_path: Path) -> None:
    prepare(["digits", str(tmp_path)])
    (tmp_path / DESCRIPTION).write_text("nothing")
    with pytest.raises(
        ConfigurationError, match=r"dataset.json describes no dataset, it was changed or damaged: remove"
    ):
        prepare(["digits", str(tmp_path)])
    with pytest.raises(ConfigurationError, match="write one with another `prepare`"):
        prepare(["verify", str(tmp_path)])


@pytest.mark.parametrize("text", ["[]", "{}", '{"made_from": {}, "files": {"a": 5}}', '{"made_from": {}, "files": []}'])
def test_a_ledger_that_somebody_edited_is_named(tmp_path: Path, text: str) -> None:
    (tmp_path / LEDGER).write_text(text)
    with pytest.raises(ConfigurationError, match=f"{LEDGER} is not readable: remove {tmp_path} and prepare it anew"):
        prepare(["digits", str(tmp_path)])


def test_preparing_again_verifies_and_leaves_alone(digits: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path: path.stat().st_mtime_ns for path in digits.rglob("*.*")}
    assert prepare(["digits", str(digits)]) == 0
    assert {path: path.stat().st_mtime_ns for path in digits.rglob("*.*")} == before
    assert "checksums verified" in capsys.readouterr().err


def test_a_damaged_dataset_is_named_and_written_anew(
    tmp_path: Path, digits: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    prepare(["digits", str(tmp_path)])
    assert prepare(["verify", str(tmp_path)]) == 0
    (tmp_path / "train" / "images.npy").write_bytes(b"damaged")

    assert prepare(["verify", str(tmp_path)]) == 1
    assert f"{tmp_path}/train/images.npy is damaged or missing" in capsys.readouterr().err
    prepare(["digits", str(tmp_path)])
    assert "train/images.npy differ from their checksums; writing it anew" in capsys.readouterr().err
    assert not list(damaged(tmp_path, read_description(tmp_path, "images")))
    # The same seed gives the same bytes, so all machines hold the same split.
    assert (tmp_path / DESCRIPTION).read_bytes() == (digits / DESCRIPTION).read_bytes()


def test_a_folder_with_other_files_is_not_touched(tmp_path: Path) -> None:
    (tmp_path / "train").mkdir()
    (tmp_path / "train" / "thesis.tex").write_text("years of work")
    with pytest.raises(ConfigurationError, match="holds other files"):
        prepare(["digits", str(tmp_path)])
    with pytest.raises(ConfigurationError, match="holds no prepared dataset"):
        prepare(["verify", str(tmp_path)])
    assert {path.name for path in tmp_path.rglob("*.*")} == {"thesis.tex", ".prepare.lock"}


def test_another_dataset_is_not_overwritten(tmp_path: Path) -> None:
    prepare(["digits", str(tmp_path)])
    with pytest.raises(ConfigurationError, match="holds images digits, made from other sources or with other options"):
        prepare(["digits", str(tmp_path), "--seed", "1"])


def test_two_at_once_do_not_mix(tmp_path: Path) -> None:
    class Impatient(Numbers):
        def pieces(self, skip: int) -> Iterator[Piece]:
            with pytest.raises(ConfigurationError, match="another `prepare` is writing"):
                put(tmp_path, Numbers())
            return super().pieces(skip)

    assert put(tmp_path, Impatient()) == 0


def test_a_file_that_does_not_hold_what_was_written_is_found(tmp_path: Path) -> None:
    class Meddled(Numbers):
        def pieces(self, skip: int) -> Iterator[Piece]:
            yield from super().pieces(skip)
            with (tmp_path / "b.bin").open("r+b") as file:
                file.write(b"!")

    with pytest.raises(ConfigurationError, match=r"b.bin does not hold what was written to it"):
        put(tmp_path, Meddled())
    assert put(tmp_path, Numbers()) == 0


def test_preparing_needs_no_torch() -> None:
    check = "import sys, trainingjob_trainer.prepare.command as c; c._parser(); sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", check], check=False).returncode == 0


@pytest.mark.parametrize("command", ["images", "tokens", "table", "digits", "diabetes", "verify"])
def test_every_command_explains_itself(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        prepare([command, "--help"])
    assert ended.value.code == 0
    text = capsys.readouterr().out
    assert "DIR" in text
    assert "exit codes: 0 done" in text
