"""How samples are dealt out: the same batches for any gang, each sample once, over crashes at any step."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_trainer.data.claim_data import divide_batch
from trainingjob_trainer.data.sampler import START, EvalSampler, Position, Share, TrainSampler
from trainingjob_trainer.data.workers import loader_workers
from trainingjob_trainer.environment import read_environment
from trainingjob_trainer.errors import ConfigurationError

SEED = 7


def global_batches(samples: int, world_size: int, local: int, resume: Position) -> list[list[int]]:
    """The batches of the resumed epoch as all ranks see them together."""
    ranks = [list(TrainSampler(samples, Share(rank, world_size, local), SEED, resume)) for rank in range(world_size)]
    steps = range(len(ranks[0]) // local)
    return [[i for rank in ranks for i in rank[step * local : (step + 1) * local]] for step in steps]


@given(st.integers(12, 200), st.sampled_from([1, 2, 3, 4, 6, 12]), st.integers(0, 5))
def test_the_batches_are_the_same_for_any_number_of_processes(samples: int, world_size: int, epoch: int) -> None:
    batches = global_batches(samples, world_size, 12 // world_size, Position(epoch))

    assert batches == global_batches(samples, 1, 12, Position(epoch))
    seen = [draw - epoch * samples for batch in batches for draw in batch]
    assert len(seen) == len(set(seen)) == samples // 12 * 12
    assert set(seen) <= set(range(samples))


GANGS = st.sampled_from([(1, 12), (2, 6), (4, 3), (3, 1), (1, 5), (2, 2)])


@given(st.integers(12, 200), st.lists(st.tuples(GANGS, st.integers(0, 20)), max_size=6), GANGS)
def test_an_epoch_with_crashes_at_any_step_uses_each_sample_once(
    samples: int, crashes: list[tuple[tuple[int, int], int]], final: tuple[int, int]
) -> None:
    """Every attempt may have another number of processes and another batch size."""
    position, seen = Position(3), list[int]()
    for (world_size, local), steps in [*crashes, (final, samples)]:
        trained = global_batches(samples, world_size, local, position)[:steps]
        seen += [draw for batch in trained for draw in batch]
        position = Position(3, position.samples + len(trained) * world_size * local)

    order = [draw for batch in global_batches(samples, 1, 1, Position(3)) for draw in batch]
    assert seen == order[: len(seen)]
    assert samples - len(seen) < final[0] * final[1]


def test_the_epoch_after_a_resumed_one_is_whole() -> None:
    sampler = TrainSampler(40, Share(0, 1, 4), seed=0, resume=Position(2, 28))
    assert len(list(sampler)) == 12
    sampler.set_epoch(3)
    assert len(list(sampler)) == len(sampler) == 40


def test_a_draw_names_the_sample_and_the_epoch() -> None:
    epochs = []
    sampler = TrainSampler(10, Share(0, 1, 5), SEED, START)
    for epoch in range(3):
        sampler.set_epoch(epoch)
        draws = list(sampler)
        assert {draw // 10 for draw in draws} == {epoch}
        epochs.append([draw % 10 for draw in draws])
    assert all(sorted(epoch) == list(range(10)) for epoch in epochs)
    assert epochs[0] != epochs[1] != epochs[2]


@given(st.integers(0, 50), st.integers(1, 7))
def test_every_held_out_sample_is_seen_once(samples: int, world_size: int) -> None:
    seen = [index for rank in range(world_size) for index in EvalSampler(samples, Share(rank, world_size, 8))]
    assert sorted(seen) == list(range(samples))


def test_a_batch_that_cannot_be_shared_out_evenly_is_refused_with_one_that_can() -> None:
    assert divide_batch(64, 4) == 16
    with pytest.raises(ConfigurationError, match=r"data.batch_size is 63.*use a multiple of 2, for example 64"):
        divide_batch(63, 2)


@pytest.mark.parametrize(
    ("asked", "cpus", "decodes", "cuda", "workers"),
    [
        (3, 8, True, True, 3),
        (0, 8, True, True, 0),
        (None, 6, True, False, 6),
        (None, 1, True, False, 1),
        (None, 96, True, True, 16),
        (None, 8, False, False, 0),
        (None, 8, False, True, 1),
    ],
)
def test_loader_processes_follow_from_the_cpu_limit(
    asked: int | None, cpus: int, decodes: bool, cuda: bool, workers: int
) -> None:
    assert loader_workers(asked, cpus, decodes=decodes, cuda=cuda) == workers


def test_a_process_knows_its_share_of_the_pods_cpus() -> None:
    assert read_environment({"OMP_NUM_THREADS": "3", "TRAININGJOB_DEVICES": "2"}).cpus == 3
    assert read_environment({}).cpus >= 1
