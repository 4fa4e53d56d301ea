"""The work queue: which key is next, never twice at once, never lost."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.virtual_time import run_virtually
from trainingjob_operator.cluster.workqueue import LONGEST_RETRY, WorkQueue


class Desk:
    """Workers that note which key they were handed and when; each takes ``seconds`` over it."""

    def __init__(self, queue: WorkQueue[str], seconds: float = 0.0) -> None:
        self.queue = queue
        self.seen: list[tuple[str, float]] = []
        self.at_once: set[str] = set()
        self._seconds = seconds

    async def reconcile(self, key: str) -> None:
        assert key not in self.at_once, "one key twice at once"
        self.at_once.add(key)
        self.seen.append((key, round(asyncio.get_running_loop().time(), 6)))
        await asyncio.sleep(self._seconds)
        self.at_once.discard(key)


@asynccontextmanager
async def working(
    queue: WorkQueue[str], reconcile: Callable[[str], Awaitable[None]], workers: int = 1
) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(queue.work(reconcile)) for _ in range(workers)]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def told(
    story: Callable[[WorkQueue[str]], Awaitable[None]], seconds: float = 0.0, workers: int = 1
) -> list[tuple[str, float]]:
    """What workers were handed, and when, while and after a story adds keys."""

    async def play() -> list[tuple[str, float]]:
        queue: WorkQueue[str] = WorkQueue(jitter=lambda: 0.5)
        desk = Desk(queue, seconds)
        async with working(queue, desk.reconcile, workers):
            await story(queue)
            await asyncio.sleep(1000)
        assert len(queue) == 0
        return desk.seen

    return run_virtually(play())


def test_keys_come_in_the_order_in_which_they_were_added() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        for key in "cab":
            queue.add(key)

    assert told(story) == [("c", 0), ("a", 0), ("b", 0)]


def test_events_of_one_key_coalesce_while_it_waits() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        for key in "aabaa":
            queue.add(key)
        assert len(queue) == 2

    assert told(story) == [("a", 0), ("b", 0)]


def test_a_key_that_is_added_while_it_is_worked_on_comes_once_more_afterwards() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("a")
        queue.add("a")
        queue.add("b")

    assert told(story, seconds=2, workers=3) == [("a", 0), ("b", 1), ("a", 2)]


def test_several_keys_are_worked_on_side_by_side() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        for key in "abc":
            queue.add(key)

    assert told(story, seconds=5, workers=2) == [("a", 0), ("b", 0), ("c", 5)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from("abc"), st.floats(0, 3), st.booleans()), max_size=15),
    st.integers(1, 4),
    st.sampled_from([0.0, 0.7, 2.0]),
)
def test_no_wish_is_lost_and_no_key_is_worked_on_twice_at_once(
    wishes: list[tuple[str, float, bool]], workers: int, seconds: float
) -> None:
    made: list[tuple[str, float]] = []

    async def story(queue: WorkQueue[str]) -> None:
        for key, pause, delayed in wishes:
            await asyncio.sleep(pause)
            made.append((key, round(asyncio.get_running_loop().time(), 6)))
            queue.add_after(key, 1.0) if delayed else queue.add(key)

    seen = told(story, seconds, workers)

    for key, at in made:
        assert any(one == key and when >= at for one, when in seen)
    assert len(seen) <= len(made)


def test_a_delayed_key_comes_when_it_is_due() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        queue.add_after("a", 10)
        queue.add_after("b", 5)

    assert told(story) == [("b", 5), ("a", 10)]


@pytest.mark.parametrize("delays", [(10, 5), (5, 10), (5, 5)])
def test_of_two_wishes_the_earlier_counts(delays: tuple[int, int]) -> None:
    async def story(queue: WorkQueue[str]) -> None:
        for delay in delays:
            queue.add_after("a", delay)

    assert told(story) == [("a", 5)]


def test_after_a_delayed_key_came_it_can_be_delayed_again() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        queue.add_after("a", 5)
        await asyncio.sleep(6)
        queue.add_after("a", 5)

    assert told(story) == [("a", 5), ("a", 11)]


@pytest.mark.parametrize("delay", [0, -3])
def test_a_delay_that_is_over_is_none(delay: float) -> None:
    async def story(queue: WorkQueue[str]) -> None:
        queue.add_after("a", delay)

    assert told(story) == [("a", 0)]


def test_failures_come_back_after_a_growing_delay_until_one_succeeds() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        delays = [queue.retry("a") for _ in range(4)]
        assert delays == pytest.approx([0.05, 0.1, 0.2, 0.4])
        assert queue.retry("b") == pytest.approx(0.05)
        queue.succeeded("a")
        assert queue.retry("a") == pytest.approx(0.05)
        queue.succeeded("never failed")

    assert told(story) == [("a", 0.05), ("b", 0.05)]


def test_delays_are_capped_however_often_it_fails() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        assert max(queue.retry("a") for _ in range(2000)) == LONGEST_RETRY

    told(story)


def test_a_server_that_names_a_time_is_obeyed() -> None:
    async def story(queue: WorkQueue[str]) -> None:
        assert queue.retry("a", at_least=7) == 7

    assert told(story) == [("a", 7)]


def test_jitter_spreads_retries_by_half_around_the_delay() -> None:
    async def delays() -> list[float]:
        return [WorkQueue[str](jitter=lambda: jitter).retry("a") for jitter in (0.0, 0.999)]  # noqa: B023

    low, high = run_virtually(delays())

    assert low == pytest.approx(0.025)
    assert high == pytest.approx(0.075, rel=0.01)


def test_a_worker_that_dies_over_a_key_leaves_it_to_the_others() -> None:
    async def play() -> list[str]:
        queue: WorkQueue[str] = WorkQueue()
        seen: list[str] = []

        async def reconcile(key: str) -> None:
            seen.append(key)
            if len(seen) == 1:
                queue.add(key)
                raise RuntimeError("a bug")

        async with working(queue, reconcile, workers=2):
            queue.add("a")
            await asyncio.sleep(1)
        return seen

    assert run_virtually(play()) == ["a", "a"]


def test_the_ages_of_the_waiting_and_of_the_running_are_known() -> None:
    async def play() -> None:
        queue: WorkQueue[str] = WorkQueue()
        desk = Desk(queue, seconds=10)
        queue.add("a")
        await asyncio.sleep(1)
        queue.add("b")
        assert (queue.age(), queue.longest()) == (1, 0)
        async with working(queue, desk.reconcile, workers=1):
            await asyncio.sleep(3)
            assert (queue.age(), queue.longest()) == (3, 3)

    run_virtually(play())


def test_a_drained_queue_lets_passes_end_and_starts_no_more() -> None:
    async def play() -> list[tuple[str, float]]:
        queue: WorkQueue[str] = WorkQueue()
        desk = Desk(queue, seconds=2)
        async with working(queue, desk.reconcile, workers=1):
            queue.add("a")
            queue.add("b")
            await asyncio.sleep(1)
            assert await queue.drained(5)
            assert not desk.at_once
            await asyncio.sleep(10)
        return desk.seen

    assert run_virtually(play()) == [("a", 0)]


def test_what_does_not_end_is_not_waited_for_longer_than_asked() -> None:
    async def play() -> float:
        queue: WorkQueue[str] = WorkQueue()
        async with working(queue, Desk(queue, seconds=60).reconcile):
            queue.add("a")
            await asyncio.sleep(1)
            assert not await queue.drained(5)
            return asyncio.get_running_loop().time()

    assert run_virtually(play()) == 6
