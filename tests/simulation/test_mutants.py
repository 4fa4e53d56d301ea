"""The mutants of the protocol: each still changes the operator as it is, and its recorded story still notices it."""

import subprocess
import sys
from pathlib import Path

import pytest

from simulation.mutation import OPERATOR, RECORD, Mutant, StaleMutantError, mutants, recorded

TESTS = Path(__file__).parents[1]


@pytest.mark.parametrize("mutant", mutants(), ids=lambda mutant: mutant.name)
def test_a_mutant_still_fits_the_code(mutant: Mutant) -> None:
    text = (OPERATOR / mutant.file).read_text()

    broken = mutant.applied_to(text)

    assert broken != text
    compile(broken, mutant.file, "exec")


def test_a_mutant_of_code_that_has_moved_on_is_told_by_name() -> None:
    mutant = Mutant("lost", 1, "does nothing", "core/plan.py", "no such line", "another")

    with pytest.raises(StaleMutantError, match=r"mutant lost: core/plan\.py holds its code 0 times"):
        mutant.applied_to("a line")


def test_every_mutant_has_a_name_of_its_own_and_a_recorded_story() -> None:
    names = [mutant.name for mutant in mutants()]

    assert len(names) >= 25
    assert sorted(names) == sorted(recorded()), f"run `make mutants` to write {RECORD.name} anew"


def test_the_recorded_story_of_every_mutant_kills_it() -> None:
    # A process of its own: here the operator is loaded already, and a fork would inherit it.
    command = [sys.executable, "-m", "simulation.mutation", "--recorded", "--processes", "1"]

    found = subprocess.run(command, cwd=TESTS, capture_output=True, text=True, check=False)

    assert found.returncode == 0, f"`make mutants` finds other stories and records them:\n{found.stdout}{found.stderr}"


def test_the_protocol_names_every_mutant() -> None:
    text = (TESTS.parent / "docs" / "protocol.md").read_text()

    assert [mutant.name for mutant in mutants() if f"`{mutant.name}`" not in text] == []
