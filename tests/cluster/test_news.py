"""One tells at a time, first come, first served."""

import asyncio
from collections.abc import Callable

from hypothesis import given
from hypothesis import strategies as st

from trainingjob_operator.cluster.news import PATIENCE, News


class Alarm:
    """A timer that a test lets go off."""

    def __init__(self) -> None:
        self.due: Callable[[], None] | None = None

    def __call__(self, seconds: float, call: Callable[[], None]) -> "Alarm":
        assert seconds == PATIENCE
        self.due = call
        return self

    def cancel(self) -> None:
        self.due = None


def test_whose_turn_it_is_not_is_called_when_it_is() -> None:
    news, called = News(Alarm()), list[str]()

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
    news = News(Alarm())
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
    news = News(alarm)
    news.enter("slow", list)
    news.enter("next", lambda: called.append("next"))

    assert alarm.due is not None
    alarm.due()
    news.leave("slow")

    assert called == ["next"]
    assert not news.enter("other", list), "it is still the next one's turn"


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
    news, order = News(), list[str]()

    async def tells(name: str) -> None:
        async with news.turn_of_event():
            order.append(name)
            await asyncio.sleep(3600)

    tasks = [asyncio.create_task(tells(name)) for name in "abc"]
    for ended in (tasks[1], tasks[0]):
        await asyncio.sleep(0)
        ended.cancel()
    await asyncio.wait(tasks[:2])
    await asyncio.sleep(0)

    assert order == ["a", "c"]
    tasks[2].cancel()
    await asyncio.wait(tasks)
