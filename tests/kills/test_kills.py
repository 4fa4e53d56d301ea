"""The operator, killed at any of its writes on a real API server: every job ends as if nothing had happened.

A sample of the kills by default; `make kill-tests` plays them all.
"""

import os
from collections import defaultdict

import pytest

from kills.playing import Life, Record, chosen, play
from kills.proxy import Kill
from kills.stories import STORIES
from support.kubernetes.control_plane import ControlPlane

pytestmark = pytest.mark.real_api
SAMPLE = 50


@pytest.fixture(scope="module")
def record(control_plane: ControlPlane, tmp_path_factory: pytest.TempPathFactory) -> Record:
    """Everything that was played; shared, as the deaths of one job are those of all that run beside it."""
    everything = os.environ.get("TRAININGJOB_KILLS") == "all"
    return play(control_plane, tmp_path_factory.mktemp("kills"), None if everything else SAMPLE)


@pytest.mark.parametrize("story", STORIES)
def test_a_job_ends_right_wherever_the_operator_was_killed(story: str, record: Record) -> None:
    lives = [life for life in record.lives if life.story == story]
    wrong = [_told(life) for life in lives if life.trouble or life.ending != STORIES[story][1]]

    assert lives
    assert wrong == []


def test_no_pod_of_an_attempt_is_created_twice(record: Record) -> None:
    assert {creation: uids for creation, uids in record.pods.items() if len(uids) > 1} == {}


def test_most_of_the_planned_deaths_come(record: Record, capsys: pytest.CaptureFixture[str]) -> None:
    """A few writes are late reports of counts that another course of things does not need."""
    planned = sum(life.kill is not None for life in record.lives)
    by_story: dict[str, int] = defaultdict(int)
    for life in record.kills:
        by_story[life.story] += 1
    with capsys.disabled():
        print(f"\n{len(record.kills)} kills of {planned} planned: {dict(by_story)}")

    assert len(record.kills) >= 0.8 * planned
    assert set(by_story) == set(STORIES)


def test_all_kills_are_every_write_before_and_after() -> None:
    kills = chosen({"a": 2, "b": 1}, None)

    assert len(kills) == 6
    assert ("a", Kill(2, "after")) in kills
    assert chosen({"a": 2, "b": 1}, 3) == kills[::2]


def _told(life: Life) -> str:
    return f"{life.namespace} {life.kill} at {life.struck}: {life.trouble or life.ending}"
