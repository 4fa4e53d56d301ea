"""Values that follow from other values of the spec."""

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import job
from trainingjob_operator.api import defaults, overrides
from trainingjob_operator.api.defaults import (
    num_processes,
    of_rank,
    process_offset,
    processes,
    quantity,
    threads,
    working_dir,
)
from trainingjob_operator.api.types import TrainingJobSpec


def spec(**fields: Any) -> TrainingJobSpec:
    found = job(**fields).spec
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("500m", "0.5"),
        (2, "2"),
        ("1.5", "1.5"),
        ("1k", "1000"),
        ("16Gi", str(16 * 2**30)),
        ("3E", str(3 * 10**18)),
        ("1e3", "1000"),
        ("1E3", "1000"),
        (".5", "0.5"),
        ("100u", "0.0001"),
        ("-1", "-1"),
    ],
)
def test_quantities(text: int | str, number: str) -> None:
    assert quantity(text) == Decimal(number)


@pytest.mark.parametrize(
    "text", ["", "lots", "Gi", "1 Gi", "1KiB", "0x10", "NaN", "Infinity", "-inf", "1_000", "1e999999999", "1e3Gi"]
)
def test_what_is_no_quantity_is_refused_with_examples(text: str) -> None:
    with pytest.raises(ValueError, match="is not a quantity such as 500m, 2 or 16Gi"):
        quantity(text)


@given(st.integers(0, 10**6), st.sampled_from(["", "k", "Ki", "M", "Mi", "G", "Gi"]))
def test_suffixes_keep_the_order_of_numbers(number: int, suffix: str) -> None:
    assert quantity(f"{number}{suffix}") <= quantity(f"{number + 1}{suffix}")


@pytest.mark.parametrize(
    ("fields", "count"),
    [({}, 1), ({"gpusPerNode": 8}, 8), ({"gpusPerNode": 8, "processesPerNode": 2}, 2), ({"processesPerNode": 4}, 4)],
)
def test_processes_are_as_stated_else_one_per_gpu_else_one(fields: dict[str, int], count: int) -> None:
    assert processes(spec(**fields)) == count


@pytest.mark.parametrize(
    ("cpu", "number", "count"), [("8", 2, 4), (8, 3, 2), ("500m", 1, 1), ("1.5", 1, 1), ("2", 8, 1)]
)
def test_each_process_gets_its_share_of_the_cpu_limit_and_at_least_one_thread(
    cpu: int | str, number: int, count: int
) -> None:
    assert threads(spec(resources={"limits": {"cpu": cpu}}, processesPerNode=number)) == count


def test_without_a_limit_nothing_is_known_about_threads() -> None:
    assert threads(spec(resources={"requests": {"cpu": 8}})) is None


def test_the_working_directory_is_the_users_else_that_of_the_files_else_the_images() -> None:
    files = {"train.py": "pass"}

    assert working_dir(spec(files=files, workingDir="/src")) == "/src"
    assert working_dir(spec(files=files)) == "/workspace"
    assert working_dir(spec()) is None


counts = st.none() | st.integers(1, 3)


@given(
    st.lists(st.tuples(st.sampled_from(["0", "1-2", "0,3", "2-3,1"]), st.none() | st.integers(0, 3), counts)), counts
)
def test_processes_of_unlike_nodes_add_up_rank_by_rank(stated: list[Any], common: int | None) -> None:
    overrides = [{"ranks": r, "gpusPerNode": g, "processesPerNode": p} for r, g, p in stated]
    found = spec(numNodes=4, processesPerNode=common, nodeOverrides=overrides)

    each = [processes(of_rank(found, rank)) for rank in range(4)]

    assert [process_offset(found, rank) for rank in range(4)] == [sum(each[:rank]) for rank in range(4)]
    assert num_processes(found) == sum(each)


def test_a_rank_that_is_named_a_thousand_times_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    counted: list[int] = []
    monkeypatch.setattr(overrides, "range", lambda *ends: counted.extend(range(*ends)) or range(*ends), raising=False)
    found = spec(numNodes=4, nodeOverrides=[{"ranks": ",".join(["0-3"] * 256), "gpusPerNode": 1}])

    assert found.node_overrides[0].members == {0, 1, 2, 3}
    assert len(counted) == 4


def test_the_pods_of_unlike_nodes_share_one_count_of_processes() -> None:
    found = spec(numNodes=1024, nodeOverrides=[{"ranks": "512-1023", "processesPerNode": 2}])
    defaults._running_sum.cache_clear()

    assert [process_offset(found, rank) for rank in (0, 512, 513)] == [0, 512, 514]
    assert defaults._running_sum.cache_info().misses == 1
