"""One tells at a time, first come, first served."""

import asyncio
from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trainingjob_operator.cluster.news import PATIENCE, News


class Alarm:
    """A timer that a test lets go off, and a clock that stands still unless the test moves it."""

    def __init__(self) -> None:
        self.due: Callable[[], None] | None = None
        self.seconds = 0.0
        self.time = 0.0

    def __call__(self, seconds: float, call: Callable[[], None]) -> "Alarm":
        self.seconds, self.due = seconds, call
        return self

    def now(self) -> float:
        return self.time

    def cancel(self) -> None:
        self.due = None


def test_whose_turn_it_is_not_is_called_when_it_is() -> None:
    alarm, called = Alarm(), list[str]()
    news = News(alarm, alarm.now)

    assert news.enter("a", lambda: called.append("a"))
    assert not news.enter("b", lambda: called.append("b"))
    assert not news.enter("c", lambda: called.append("c"))
    news.leave("a")
    assert called == ["b"]
    assert news.enter("b", lambda: called.append("b"))
    assert not news.enter("c", lambda: called.append("c"))
    news.leave("b")
    news.leave("c")

    assert called == ["b", "c"]
    assert news.enter("a", lambda: called.append("a"))


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=40))
def test_it_is_one_ones_turn_and_nobody_waits_while_it_is_nobodys(steps: list[tuple[str, bool]]) -> None:
    alarm = Alarm()
    news = News(alarm, alarm.now)
    turn, waiting = list[str](), list[str]()

    def ready(who: str) -> None:
        assert waiting.pop(0) == who
        turn.append(who)

    for who, enters in steps:
        if not enters:
            if turn == [who]:
                turn.clear()
            news.leave(who)
        elif news.enter(who, lambda who=who: ready(who)):  # type: ignore[misc]
            turn[:] = [who]
        elif who not in waiting:
            waiting.append(who)
        assert len(turn) <= 1
        assert not waiting or turn


def test_who_takes_long_does_not_hold_the_others_up() -> None:
    alarm, called = Alarm(), list[str]()
    news = News(alarm, alarm.now)
    news.enter("slow", list)
    news.enter("next", lambda: called.append("next"))

    assert alarm.due is not None
    alarm.due()
    news.leave("slow")

    assert called == ["next"]
    assert not news.enter("other", list), "it is still the next one's turn"


@pytest.mark.parametrize(("took", "pause"), [(0.1, 0.2), (0.3, 0.6), (PATIENCE, PATIENCE)])
def test_between_two_who_tell_there_is_a_pause_of_twice_the_first_ones_time(took: float, pause: float) -> None:
    alarm, called = Alarm(), list[str]()
    news = News(alarm, alarm.now)
    assert news.enter("first", list)
    assert not news.enter("second", lambda: called.append("second"))

    alarm.time = took
    news.leave("first")
    assert alarm.seconds == pytest.approx(pause)
    assert not news.enter("third", lambda: called.append("third")), "nobody tells in a pause"
    assert called == []

    assert alarm.due is not None
    alarm.due()
    assert called == ["second"]


def test_after_a_pause_in_which_nobody_came_the_turn_is_free() -> None:
    alarm = Alarm()
    news = News(alarm, alarm.now)
    news.enter("first", list)
    alarm.time = 0.1
    news.leave("first")
    assert alarm.due is not None
    alarm.due()

    assert news.enter("second", list)


async def test_a_status_goes_before_the_events_that_wait() -> None:
    news, order = News(), list[str]()

    async def event() -> None:
        async with news.turn_of_event():
            order.append("event")

    assert news.enter("first", list)
    waiting = asyncio.create_task(event())
    await asyncio.sleep(0)
    assert not news.enter("status", lambda: order.append("status"))
    news.leave("first")
    news.leave("status")
    await waiting

    assert order == ["status", "event"]


async def test_a_task_that_is_ended_while_it_waits_or_tells_leaves_the_turn_to_others() -> None:
    news, order, the_last_tells = News(), list[str](), asyncio.Event()

    async def tells(name: str) -> None:
        async with news.turn_of_event():
            order.append(name)
            if name == "c":
                the_last_tells.set()
            await asyncio.sleep(3600)

    tasks = [asyncio.create_task(tells(name)) for name in "abc"]
    for ended in (tasks[1], tasks[0]):
        await asyncio.sleep(0)
        ended.cancel()
    await asyncio.wait_for(the_last_tells.wait(), 60)

    assert order == ["a", "c"]
    tasks[2].cancel()
    await asyncio.wait(tasks)
