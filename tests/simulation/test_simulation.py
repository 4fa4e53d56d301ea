"""Random stories of a job under faults: the first 2,000 of `make sim`, and those that once found a bug.

A story that fails is told in words by `make sim SEED=...`, as short as it gets; its last line of JSON goes to seeds.txt
together with the mend.
"""

from collections.abc import Iterator
from pathlib import Path

import pytest

from simulation.many import SHARE, kept_quiet, tally
from simulation.run import told
from simulation.schedule import REQUEST_FAULTS, TIMED_FAULTS, WORLD_EVENTS, Schedule, drawn
from simulation.story import read, retold, written
from simulation.twin import difference

CHUNK = 125
KEPT = [line for line in (Path(__file__).parent / "seeds.txt").read_text().splitlines() if line.startswith("{")]
# What a crash cuts short complains when it is thrown away: the crash's doing, not the operator's.
pytestmark = pytest.mark.filterwarnings("ignore::RuntimeWarning")


@pytest.fixture(scope="module", autouse=True)
def _quiet() -> Iterator[None]:
    with kept_quiet():
        yield


@pytest.mark.parametrize("first", range(0, SHARE, CHUNK))
def test_no_story_breaks_a_rule(first: int) -> None:
    broken = tally(range(first, first + CHUNK)).broken

    assert not broken, "\n".join(f"{violation} (again: make sim SEED={seed})" for seed, violation in broken)


@pytest.mark.parametrize("line", KEPT, ids=range(len(KEPT)))
def test_a_story_that_found_a_bug_finds_none_now(line: str) -> None:
    story = read(line)

    assert not told(story).violations, retold(story, shrink=False)


def test_a_story_is_told_twice_in_the_same_words() -> None:
    assert told(drawn(7)).log == told(drawn(7)).log


def test_a_story_survives_being_written_down() -> None:
    assert [read(written(drawn(seed))) for seed in range(100)] == [drawn(seed) for seed in range(100)]


def test_every_kind_of_fault_and_event_is_drawn() -> None:
    kinds = {kind for seed in range(SHARE) for kind in _kinds(drawn(seed))}

    assert kinds == {*REQUEST_FAULTS, *TIMED_FAULTS, *WORLD_EVENTS}


def test_an_outage_of_ten_minutes_ends_before_the_story_does() -> None:
    ends = [(f.at + f.value * 10, s.calm) for s in map(drawn, range(SHARE)) for f in s.faults if f.kind == "outage"]

    assert all(end <= calm for end, calm in ends)
    assert max(end for end, _ in ends) >= 600


def test_a_twin_that_ended_otherwise_is_told() -> None:
    story = next(schedule for schedule in map(drawn, range(100)) if schedule.script is not None)
    left = told(story).remains
    other = left | {"status": left["status"] | {"restarts": 17}}

    assert difference(story, left, left) == ""
    assert "17" in difference(story, left, other)


def _kinds(schedule: Schedule) -> Iterator[str]:
    yield from (fault.kind for fault in (*schedule.request_faults, *schedule.faults, *schedule.events))
