"""Ranks that see different datasets are told so before the first step, and by name."""

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from threading import Condition, Thread

import pytest

from support.pods import Volumes, example, running
from support.training import finish
from trainingjob_trainer.data.fingerprint import BLOCK, block_offsets, compare, fingerprint, verdict
from trainingjob_trainer.environment import read_environment
from trainingjob_trainer.errors import ConfigurationError


class SharedStore:
    """As torch's: a value is waited for."""

    def __init__(self) -> None:
        self.values: dict[str, str] = {}
        self.changed = Condition()

    def set(self, key: str, value: str) -> None:
        with self.changed:
            self.values[key] = value
            self.changed.notify_all()

    def get(self, key: str) -> bytes:
        with self.changed:
            assert self.changed.wait_for(lambda: key in self.values, timeout=120)
            return self.values[key].encode()

    def wait(self, keys: list[str], timeout: timedelta) -> None:
        with self.changed:
            assert self.changed.wait_for(lambda: set(keys) <= set(self.values), timeout=120)


def told(marks: list[str]) -> list[str]:
    """What each rank of a gang of two pods is told."""
    store, sentences = SharedStore(), [""] * len(marks)

    def rank(number: int) -> None:
        node, local = divmod(number, len(marks) // 2)
        env = {"TRAININGJOB_NUM_NODES": "2", "TRAININGJOB_DEVICES": str(len(marks) // 2)}
        try:
            compare(store, read_environment(env | {"NODE_RANK": str(node), "LOCAL_RANK": str(local)}), marks[number])
        except ConfigurationError as error:
            sentences[number] = str(error)

    threads = [Thread(target=rank, args=(number,)) for number in range(len(marks))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sentences


def test_ranks_with_the_same_dataset_go_on() -> None:
    assert told(["aa", "aa", "aa", "aa"]) == [""] * 4
    assert verdict(["0 aa"]) == "same"


def test_every_rank_is_told_who_sees_what() -> None:
    sentences = told(["aa", "aa", "bb", "aa"])
    assert len(set(sentences)) == 1
    table = sentences[0].splitlines()[1:]
    assert [line.split() for line in table] == [
        ["rank", "node", "fingerprint"],
        ["0", "0", "aa"],
        ["1", "0", "aa"],
        ["2", "1", "bb"],
        ["3", "1", "aa"],
    ]


def test_rank_0_leaves_after_all_others_have_read_why() -> None:
    store, left = SharedStore(), []

    def rank_0() -> None:
        with pytest.raises(ConfigurationError):
            compare(store, read_environment({"TRAININGJOB_NUM_NODES": "2", "NODE_RANK": "0"}), "aa")
        left.append(0)

    thread = Thread(target=rank_0)
    store.set("trainingjob/dataset/1", "1 bb")
    thread.start()
    store.get("trainingjob/dataset")
    assert not left
    store.set("trainingjob/dataset/1/read", "")
    thread.join()
    assert left == [0]


def test_a_gang_of_one_compares_nothing() -> None:
    compare(None, read_environment({}), "aa")


def test_a_fingerprint_sees_sizes_and_sampled_blocks(tmp_path: Path) -> None:
    file = tmp_path / "a"
    file.write_bytes(bytes(10 * BLOCK))
    before = fingerprint([file])
    assert before == fingerprint([file])
    assert before != fingerprint([file], "other")
    for place in (0, 10 * BLOCK - 1):
        content = bytearray(10 * BLOCK)
        content[place] = 1
        file.write_bytes(content)
        assert fingerprint([file]) != before
    file.write_bytes(bytes(10 * BLOCK + 1))
    assert fingerprint([file]) != before


@pytest.mark.parametrize("size", [0, 1, BLOCK, BLOCK + 1, 10**12])
def test_the_first_and_the_last_block_are_sampled(size: int) -> None:
    offsets = block_offsets(size)
    assert offsets[0] == 0
    assert offsets[-1] + BLOCK >= size
    assert len(offsets) <= 16


ODD = """
import os
from trainingjob_trainer.data.packed import PackedImages

class Odd(PackedImages):
    def fingerprint(self):
        return "abc" + os.environ["NODE_RANK"]
"""


@pytest.mark.training
def test_a_gang_with_two_datasets_ends_with_2_before_it_trains(volumes: Callable[[], Volumes]) -> None:
    mounts = volumes()
    spec = example("digits.yaml", files={"odd.py": ODD})
    spec["run"]["trainer"]["config"]["data"]["class_path"] = "odd.Odd"
    with running(spec, mounts) as pods:
        run = finish(pods, mounts)
    assert run.codes == [2, 2], run.errors
    assert all("    1     1  abc1" in reason for reason in run.reasons), run.reasons
    assert not any("epoch" in line for line in run.lines[0])
