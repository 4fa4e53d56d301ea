"""A reflector keeps a cache equal to the API server, whatever happens to its streams."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Collection
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import pytest

from support.flaky_api import EXPIRED, EndOfStream, FlakyApi
from support.virtual_time import run_virtually
from trainingjob_operator.api.resources import CONFIGMAPS
from trainingjob_operator.cluster.api import ApiError, ObjectList, WatchEvent
from trainingjob_operator.cluster.reflector import LONGEST_RETRY, Reflector

SERVER_DOWN = aiohttp.ClientConnectionError("connection refused")


class Mirror:
    """A sink that keeps names, and how often it was filled anew."""

    def __init__(self) -> None:
        self.names: set[str] = set()
        self.uids: dict[str, str] = {}
        self.lists = 0
        self.events: list[str] = []

    def put(self, raw: dict[str, Any]) -> None:
        self.names.add(raw["metadata"]["name"])
        self.uids[raw["metadata"]["name"]] = raw["metadata"]["uid"]
        self.events.append(f"put {raw['metadata']['name']}")

    def remove(self, raw: dict[str, Any]) -> None:
        self.names.discard(raw["metadata"]["name"])
        self.events.append(f"remove {raw['metadata']['name']}")

    def retain(self, uids: Collection[str], _version: str) -> None:
        self.names = {name for name, uid in self.uids.items() if uid in uids}
        self.lists += 1


class Scene:
    """A store, a reflector on it and what it has mirrored; every pause is noted and lasts its (virtual) time."""

    def __init__(self) -> None:
        self.api = FlakyApi()
        self.mirror = Mirror()
        self.pauses: list[float] = []
        self.reflector = Reflector(self.api, CONFIGMAPS, self.mirror, namespace="ml", labels="a=b", sleep=self._pause)

    async def _pause(self, seconds: float) -> None:
        self.pauses.append(seconds)
        await asyncio.sleep(seconds)

    def make(self, *names: str, labels: object = None) -> None:
        for name in names:
            body = {"metadata": {"name": name, "namespace": "ml", "labels": labels or {"a": "b"}}}
            self.api.store.create(CONFIGMAPS, "ml", body)

    def drop(self, *names: str) -> None:
        for name in names:
            self.api.store.delete(CONFIGMAPS, "ml", name)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.reflector.run())
        try:
            await asyncio.sleep(60)
            yield
            await asyncio.sleep(60)
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)


def play(story: Callable[[Scene], Awaitable[None]]) -> Scene:
    """A scene after its story."""

    async def whole() -> Scene:
        scene = Scene()
        await story(scene)
        return scene

    return run_virtually(whole())


def test_what_is_there_is_listed_and_what_comes_is_followed() -> None:
    async def story(scene: Scene) -> None:
        scene.make("one", "gone")
        scene.make("other", labels={"a": "c"})
        assert not scene.reflector.synced.is_set()
        async with scene.running():
            assert scene.reflector.synced.is_set()
            scene.make("two")
            scene.drop("gone")

    scene = play(story)

    assert (scene.mirror.names, scene.mirror.lists, scene.pauses) == ({"one", "two"}, 1, [])
    assert sorted(scene.mirror.events[:2]) == ["put gone", "put one"]
    assert scene.mirror.events[2:] == ["put two", "remove gone"]


def test_an_expired_version_leads_to_a_new_list_that_also_removes_what_vanished() -> None:
    async def story(scene: Scene) -> None:
        scene.make("one", "ghost")
        scene.api.fail("watch", EXPIRED)
        scene.api.fail("stream", EXPIRED)
        async with scene.running():
            scene.make("two")
            scene.drop("ghost")

    scene = play(story)

    assert scene.mirror.names == {"one", "two"}
    assert scene.mirror.lists == 3


def test_what_vanished_while_the_history_was_lost_is_removed_by_the_list() -> None:
    async def story(scene: Scene) -> None:
        scene.make("one", "ghost")
        async with scene.running():
            scene.drop("ghost")
            scene.make("two")
            scene.api.store.forget_history()

    scene = play(story)

    assert (scene.mirror.names, scene.mirror.lists) == ({"one", "two"}, 2)


def test_a_list_of_many_pages_is_put_page_by_page_and_only_then_is_anything_removed() -> None:
    class Paged(FlakyApi):
        async def pages(self, *what: Any, **options: Any) -> AsyncGenerator[ObjectList, None]:
            whole = await self.list(*what, **options)
            for number, item in enumerate(whole.items):
                yield ObjectList([item], whole.resource_version)
                seen.append((number, sorted(scene_of[0].mirror.names)))

    seen: list[tuple[int, list[str]]] = []
    scene_of: list[Scene] = []

    async def story(scene: Scene) -> None:
        scene_of.append(scene)
        scene.api = Paged()
        scene.reflector = Reflector(scene.api, CONFIGMAPS, scene.mirror, namespace="ml", labels="a=b")
        scene.mirror.names, scene.mirror.uids = {"ghost"}, {"ghost": "uid of a ghost"}
        scene.make("a", "b")
        async with scene.running():
            pass

    scene = play(story)

    assert seen == [(0, ["a", "ghost"]), (1, ["a", "b", "ghost"])]
    assert scene.mirror.names == {"a", "b"}


@pytest.mark.parametrize("end", [SERVER_DOWN, TimeoutError(), OSError("reset")])
def test_a_broken_stream_goes_on_from_where_it_was_without_a_new_list(end: Exception) -> None:
    async def story(scene: Scene) -> None:
        scene.api.fail("stream", end)
        async with scene.running():
            scene.make("one")
            await asyncio.sleep(60)
            scene.make("two")

    scene = play(story)

    assert (scene.mirror.names, scene.mirror.lists, len(scene.pauses)) == ({"one", "two"}, 1, 1)
    assert len(scene.api.watched_from) == 2
    assert int(scene.api.watched_from[1]) > int(scene.api.watched_from[0])


def test_a_stream_that_the_server_ends_goes_on_at_once() -> None:
    async def story(scene: Scene) -> None:
        scene.api.fail("stream", EndOfStream())
        async with scene.running():
            scene.make("one")
            await asyncio.sleep(60)
            scene.make("two")

    scene = play(story)

    assert (scene.mirror.names, scene.mirror.lists, scene.pauses) == ({"one", "two"}, 1, [])


def test_a_server_that_is_down_is_asked_again_ever_more_slowly_and_never_given_up() -> None:
    async def story(scene: Scene) -> None:
        scene.make("one")
        scene.api.fail("list", *[SERVER_DOWN] * 20, ApiError(503, "ServiceUnavailable", "not yet"), TimeoutError())
        async with scene.running():
            await asyncio.sleep(1000)

    scene = play(story)

    assert scene.mirror.names == {"one"}
    assert len(scene.pauses) == 22
    assert scene.pauses[0] <= 0.3
    assert scene.pauses[6] > scene.pauses[0]
    assert LONGEST_RETRY / 2 <= max(scene.pauses) <= LONGEST_RETRY * 1.5


def test_a_success_makes_the_next_failure_a_first_one() -> None:
    async def story(scene: Scene) -> None:
        scene.api.fail("list", *[SERVER_DOWN] * 5)
        scene.api.fail("stream", SERVER_DOWN)
        async with scene.running():
            scene.make("one")

    assert play(story).pauses[-1] <= 0.3


def test_a_refused_watch_keeps_its_place() -> None:
    async def story(scene: Scene) -> None:
        scene.api.fail("watch", ApiError(500, "InternalError", "etcdserver: leader changed"), SERVER_DOWN)
        async with scene.running():
            scene.make("one")

    scene = play(story)

    assert (scene.mirror.names, scene.mirror.lists) == ({"one"}, 1)
    assert len(set(scene.api.watched_from)) == 1


def test_a_bookmark_moves_the_place_and_nothing_else() -> None:
    bookmark = WatchEvent("BOOKMARK", {"metadata": {"resourceVersion": "4711"}})

    class OnlyBookmarks(FlakyApi):
        async def watch(self, *_: Any, **options: Any) -> Any:
            self.watched_from.append(options["resource_version"])
            if len(self.watched_from) == 1:
                yield bookmark
                return
            await asyncio.sleep(10**6)

    async def story(scene: Scene) -> None:
        scene.api = OnlyBookmarks()
        scene.reflector = Reflector(scene.api, CONFIGMAPS, scene.mirror)
        async with scene.running():
            pass

    scene = play(story)

    assert scene.api.watched_from[1:] == ["4711"]
    assert scene.mirror.events == []
