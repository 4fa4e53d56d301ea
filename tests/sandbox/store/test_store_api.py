"""The operator's API protocol on the store: the same answers and errors as over HTTP."""

import asyncio
from typing import Any

import pytest

from support.api_objects import WIDGETS, configmap, new_store, owned, pod, widget
from support.virtual_time import VirtualTimeLoop
from trainingjob_operator.api.resources import CONFIGMAPS, PODS
from trainingjob_operator.cluster.api import APPLY_PATCH, Api, ApiError, WatchEvent
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store_api import StoreApi


def accepts(api: Api) -> Api:
    """For the type checker: the store's API is an Api."""
    return api


async def test_an_object_lives_through_the_protocol() -> None:
    api = accepts(StoreApi(new_store()))

    await api.create(PODS, "default", pod())
    await api.patch(PODS, "default", "p", {"metadata": {"labels": {"a": "b"}}})
    await api.patch(PODS, "default", "p", {"status": {"phase": "Running"}}, subresource="status")
    found = await api.get(PODS, "default", "p")
    assert found["status"]["phase"] == "Running"
    assert (await api.list(PODS, labels="a=b")).items == [found]

    found["metadata"]["labels"]["a"] = "c"
    await api.replace(PODS, "default", "p", found)
    assert (await api.list(PODS, labels="a=b")).items == []

    await api.delete(PODS, "default", "p", uid=found["metadata"]["uid"])
    with pytest.raises(ApiError) as missing:
        await api.get(PODS, "default", "p")
    assert missing.value.status == 404


async def test_what_a_caller_does_to_an_answer_stays_with_the_caller() -> None:
    store = new_store()
    api = StoreApi(store)

    created = await api.create(CONFIGMAPS, "default", configmap(k="v"))
    created["data"]["k"] = "changed"
    (await api.list(CONFIGMAPS)).items[0]["data"]["k"] = "changed"
    (await api.get(CONFIGMAPS, "default", "c"))["data"]["k"] = "changed"

    assert store.get(CONFIGMAPS, "default", "c").object["data"] == {"k": "v"}


async def test_apply_takes_over_from_other_managers() -> None:
    api = StoreApi(new_store())

    await api.patch(CONFIGMAPS, "default", "c", configmap(a="1"), content_type=APPLY_PATCH)
    changed = await api.patch(CONFIGMAPS, "default", "c", configmap(b="2"), content_type=APPLY_PATCH)

    assert changed["data"] == {"b": "2"}


@pytest.mark.parametrize("collects", [True, False])
async def test_garbage_is_collected_after_a_write_if_wanted(collects: bool) -> None:
    api = StoreApi(new_store(), collects=collects)
    owner = await api.create(WIDGETS, "default", widget())
    await api.create(CONFIGMAPS, "default", owned(configmap(), owner))

    await api.delete(WIDGETS, "default", "w")

    assert (await api.list(CONFIGMAPS)).items == [] if collects else len((await api.list(CONFIGMAPS)).items) == 1


async def test_a_watch_waits_for_what_comes() -> None:
    store = new_store()
    api = StoreApi(store)
    events = api.watch(CONFIGMAPS, resource_version=str(store.version))
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)
    assert not waiting.done()

    await api.create(CONFIGMAPS, "default", configmap())

    event = await waiting
    assert (event.type, event.object["metadata"]["name"]) == ("ADDED", "c")
    await events.aclose()
    assert not any(table.watches for table in store.catalog.tables())


async def test_a_watch_that_lags_behind_the_history_expires() -> None:
    store = new_store()
    api = StoreApi(store)
    events = api.watch(CONFIGMAPS, resource_version=str(store.version))
    waiting = asyncio.ensure_future(anext(events))
    await asyncio.sleep(0)

    store.create(CONFIGMAPS, "default", configmap())
    store.forget_history()

    with pytest.raises(ApiError) as expired:
        await waiting
    assert expired.value.status == 410


def test_it_runs_without_a_clock_on_any_loop_and_always_the_same_way() -> None:
    def story() -> list[tuple[str, str]]:
        with asyncio.Runner(loop_factory=VirtualTimeLoop) as runner:
            return runner.run(_race(new_store()))

    assert story() == story()


async def _race(store: Store) -> list[tuple[str, str]]:
    api = StoreApi(store)
    seen: list[WatchEvent] = []

    async def look() -> None:
        async for event in api.watch(CONFIGMAPS, resource_version="0"):
            seen.append(event)  # noqa: PERF401 - the watch has no end

    watcher = asyncio.create_task(look())
    await asyncio.gather(*(_life(api, name) for name in "abc"))
    await asyncio.sleep(0)
    watcher.cancel()
    await asyncio.gather(watcher, return_exceptions=True)
    return [(event.type, event.object["metadata"]["uid"]) for event in seen]


async def _life(api: StoreApi, name: str) -> Any:
    await api.create(CONFIGMAPS, "default", configmap(name))
    await api.delete(CONFIGMAPS, "default", name)
