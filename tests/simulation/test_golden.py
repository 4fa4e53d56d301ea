"""The exact writes of nineteen lives of a job, kept as text (tests/simulation/golden) and read in reviews as a diff.

After a change that is meant, `make golden` writes them anew.
"""

import difflib
import os
from pathlib import Path

import pytest

from simulation.played import played
from simulation.recorded import RecordedProcess, record
from simulation.scenarios import GOLDEN, SCENARIOS

FOLDER = Path(__file__).with_name("golden")
RENEW = "If this is meant, run `make golden` and read `git diff`."


def _told(name: str) -> str:
    scene = played(SCENARIOS[name], process=RecordedProcess)
    assert scene.oracle.violations == []
    return "\n".join([*record(scene), ""])


@pytest.mark.parametrize("name", GOLDEN)
def test_every_write_of_a_life_is_the_one_that_was_reviewed(name: str) -> None:
    path, told = FOLDER / f"{name}.txt", _told(name)
    if os.environ.get("WRITE_GOLDEN") == "1":
        path.write_text(told)
    kept = path.read_text() if path.exists() else ""

    diff = difflib.unified_diff(kept.splitlines(), told.splitlines(), f"kept {path.name}", "now", lineterm="")
    assert told == kept, "\n".join(["the operator writes something else:", *diff, RENEW])


def test_a_life_is_told_the_same_way_each_time() -> None:
    assert _told("quota-then-room") == _told("quota-then-room")


def test_no_kept_life_is_left_over() -> None:
    assert {path.stem for path in FOLDER.glob("*.txt")} == set(GOLDEN)
