"""`trainingjob plot`: which files are read, how attempts are put together, what is drawn."""

import os
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner

from trainingjob_cli.commands import main
from trainingjob_cli.plot import Curves, find_attempts, merge


def write(output: Path, attempt: str, text: str, age: float = 0) -> Path:
    path = output / "logs" / attempt / "metrics.csv"
    path.parent.mkdir(parents=True)
    path.write_text(text)
    os.utime(path, (1_000_000 - age, 1_000_000 - age))
    return path


def row(step: int, loss: float) -> dict[str, str]:
    return {"step": str(step), "epoch": "0", "loss": str(loss), "samples_per_second": ""}


def test_only_the_newest_jobs_attempts_are_read_in_their_order(tmp_path: Path) -> None:
    write(tmp_path, "aaaa-1", "", age=50)
    attempts = [write(tmp_path, f"bbbb-{number}", "", age=20 - number) for number in (2, 10, 1)]

    assert find_attempts(tmp_path) == [attempts[2], attempts[0], attempts[1]]
    assert find_attempts(tmp_path / "logs") == find_attempts(tmp_path)


def test_a_later_attempt_replaces_the_steps_that_it_repeats() -> None:
    first, second = [row(0, 9), row(10, 8), row(20, 7)], [row(11, 5), row(21, 4)]

    assert merge([first, second]) == Curves({"loss": [(0, 9), (10, 8), (11, 5), (21, 4)]}, [11])


def test_a_line_that_was_cut_off_ends_the_curve() -> None:
    cut: list[dict[str, str]] = [row(0, 9), {"step": "1", "epoch": "0", "loss": "8."}, {"step": ""}]

    assert merge([cut]).points == {"loss": [(0, 9.0), (1, 8.0)]}


@pytest.mark.parametrize(
    "text", ["step,loss\n1,2\n2,3,4,5\n", "step,loss\n1,2\n\udcff\udcfe,\0\n", "step,loss\n1,nan\n2,inf\n"]
)
def test_what_a_torn_file_holds_beside_the_curve_is_passed_over(text: str, tmp_path: Path) -> None:
    write(tmp_path, "aaaa-1", "").write_bytes(text.encode(errors="surrogateescape"))

    done = CliRunner().invoke(main, ["plot", str(tmp_path)])

    assert done.exit_code == 0, done.output


def test_a_picture_that_cannot_be_written_is_told_with_the_remedy(tmp_path: Path) -> None:
    write(tmp_path, "aaaa-1", "step,loss\n9,1\n")

    done = CliRunner().invoke(main, ["plot", str(tmp_path), "-o", str(tmp_path / "none" / "a.png")])

    assert done.exit_code == 1
    assert "cannot be written (No such file or directory): name another file with --output" in done.output


def test_a_picture_is_drawn(tmp_path: Path) -> None:
    write(tmp_path, "aaaa-1", "step,loss,samples_per_second,val_loss\n9,2.5,100,\n19,2.0,110,\n19,,,2.1\n")
    write(tmp_path, "aaaa-2", "step,loss,samples_per_second,val_loss\n19,1.9,90,\n29,1.5,95,\n")

    done = CliRunner().invoke(main, ["plot", str(tmp_path)])

    assert done.exit_code == 0, done.output
    picture = Path(done.output.strip())
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 10_000


def test_a_folder_without_metrics_is_told_which_one_to_name(tmp_path: Path) -> None:
    done = CliRunner().invoke(main, ["plot", str(tmp_path)])

    assert done.exit_code == 1
    assert f"below {tmp_path}: name the folder that was the job's output" in done.output

    write(tmp_path, "aaaa-1", "step,accuracy\n9,1\n")
    assert (
        "neither a loss nor samples_per_second was logged" in CliRunner().invoke(main, ["plot", str(tmp_path)]).output
    )


def test_without_matplotlib_the_remedy_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path, "aaaa-1", "step,loss\n9,1\n")
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)

    done = CliRunner().invoke(main, ["plot", str(tmp_path)])

    assert done.exit_code == 1
    assert "matplotlib is not installed: pip install matplotlib" in done.output
