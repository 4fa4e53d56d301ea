"""Few tell at a time, first come, first served."""

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from trainingjob_operator.cluster.news import News


def test_who_finds_no_place_is_called_when_there_is_one() -> None:
    news, called = News(places=1), list[str]()

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


@given(st.integers(1, 3), st.lists(st.tuples(st.sampled_from("abcde"), st.booleans()), max_size=40))
def test_no_more_are_inside_than_there_are_places_and_nobody_waits_beside_a_free_one(
    places: int, steps: list[tuple[str, bool]]
) -> None:
    news = News(places)
    inside, waiting = set[str](), list[str]()

    def ready(who: str) -> None:
        assert waiting.pop(0) == who
        inside.add(who)

    for who, enters in steps:
        if enters and news.enter(who, lambda who=who: ready(who)):  # type: ignore[misc]
            inside.add(who)
        elif enters and who not in waiting:
            waiting.append(who)
        elif not enters:
            inside.discard(who)
            news.leave(who)
        assert len(inside) <= places
        assert not waiting or len(inside) == places


async def test_a_status_goes_before_the_events_that_wait() -> None:
    news, order = News(places=1), list[str]()

    async def event() -> None:
        async with news.place_for_event():
            order.append("event")

    assert news.enter("first", list)
    waiting = asyncio.create_task(event())
    await asyncio.sleep(0)
    assert not news.enter("status", lambda: order.append("status"))
    news.leave("first")
    news.leave("status")
    await waiting

    assert order == ["status", "event"]


async def test_a_task_that_is_ended_while_it_waits_or_tells_leaves_its_place_to_others() -> None:
    news, order = News(places=1), list[str]()

    async def tells(name: str) -> None:
        async with news.place_for_event():
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
