"""Fresh looks at pods are shared by those who ask at the same time, and begun after they asked."""

import asyncio
from typing import Any

import pytest

from support.builders import raw_pod
from support.flaky_api import FlakyApi
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, Resource
from trainingjob_operator.cluster.api import ApiError, ObjectList
from trainingjob_operator.cluster.cache import Key
from trainingjob_operator.cluster.fresh import AT_ONCE, MOST, FreshPods

BUSY = ApiError(500, "InternalError", "etcdserver: request timed out")


class Held(FlakyApi):
    """Answers lists when it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.selectors: list[str] = []
        self.may = asyncio.Event()

    async def list(self, resource: Resource, namespace: str | None = None, **options: Any) -> ObjectList:
        self.selectors.append(options["labels"].partition(names.LABEL_JOB)[2])
        await self.may.wait()
        return await super().list(resource, namespace, **options)


def pod_of(job: str) -> dict[str, Any]:
    raw = raw_pod()
    raw["spec"] = {"containers": [{"name": "main", "image": "image:1"}]}
    raw["metadata"] = {"name": f"{job}-1-0", "namespace": "ml", "labels": names.job_labels(job, "uid")}
    return raw


def names_in(listed: ObjectList) -> list[str]:
    return [raw["metadata"]["name"] for raw in listed.items]


async def asked(fresh: FreshPods, *jobs: str, namespace: str = "ml") -> "list[asyncio.Task[ObjectList]]":
    """Tasks that have asked, one after another."""
    tasks = [asyncio.create_task(fresh.of(Key(namespace, job))) for job in jobs]
    for _ in range(3):
        await asyncio.sleep(0)
    return tasks


async def test_one_job_is_asked_for_by_its_name() -> None:
    api = FlakyApi()
    for job in ("a", "b"):
        api.store.create(PODS, "ml", pod_of(job))

    listed = await FreshPods(api).of(Key("ml", "a"))

    assert names_in(listed) == ["a-1-0"]
    assert listed.resource_version == str(api.store.version)


async def test_who_asks_while_lists_are_under_way_shares_the_next_one() -> None:
    api = Held()
    fresh = FreshPods(api)
    first = await asked(fresh, *(f"first-{n}" for n in range(AT_ONCE)))
    later = await asked(fresh, "a", "b", "c")
    api.store.create(PODS, "ml", pod_of("b"))

    api.may.set()
    await asyncio.gather(*first)
    found = await asyncio.gather(*later)

    assert api.selectors == [*(f"=first-{n}" for n in range(AT_ONCE)), " in (a,b,c)"]
    assert [names_in(listed) for listed in found] == [[], ["b-1-0"], []]


async def test_nobody_is_given_a_list_that_was_begun_before_he_asked() -> None:
    api = Held()
    fresh = FreshPods(api)
    await asked(fresh, "a")
    await asked(fresh, "a")

    assert api.selectors == ["=a", "=a"]


async def test_namespaces_do_not_wait_for_each_other() -> None:
    api = Held()
    fresh = FreshPods(api)
    await asked(fresh, *"abcdefgh"[:AT_ONCE])
    await asked(fresh, "z", namespace="other")

    assert api.selectors[-1] == "=z"


async def test_a_list_is_not_of_more_jobs_than_fit_into_a_request() -> None:
    api = Held()
    fresh = FreshPods(api)
    await asked(fresh, *(f"first-{n}" for n in range(AT_ONCE)))
    later = await asked(fresh, *(f"job-{n}" for n in range(MOST + 1)))

    api.may.set()
    await asyncio.gather(*later)

    assert sorted(selector.count(",") + 1 for selector in api.selectors[AT_ONCE:]) == [1, MOST]


async def test_a_list_that_fails_fails_for_all_who_share_it_and_for_nobody_else() -> None:
    api = Held()
    fresh = FreshPods(api)
    first = await asked(fresh, *(f"first-{n}" for n in range(AT_ONCE)))
    later = await asked(fresh, "a", "b")
    api.fail("list", *[BUSY] * (AT_ONCE + 1))
    api.may.set()
    await asyncio.gather(*first, return_exceptions=True)

    assert await asyncio.gather(*later, return_exceptions=True) == [BUSY, BUSY]
    assert names_in(await fresh.of(Key("ml", "a"))) == []


async def test_a_reader_that_is_ended_does_not_take_the_others_with_it() -> None:
    api = Held()
    fresh = FreshPods(api)
    first = await asked(fresh, *(f"first-{n}" for n in range(AT_ONCE)))
    leader, other = await asked(fresh, "a", "b")

    leader.cancel()
    with pytest.raises(OSError, match="ended"):
        await other
    api.may.set()
    await asyncio.gather(*first)

    assert leader.cancelled()
    assert names_in(await fresh.of(Key("ml", "b"))) == []
