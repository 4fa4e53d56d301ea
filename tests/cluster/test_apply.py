"""The only writer: status first, then what it demands, each write safe to repeat."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from support.builders import raw_job
from support.flaky_api import FlakyApi
from trainingjob_operator.api.resources import CONFIGMAPS, PODS, SERVICES, TRAININGJOBS
from trainingjob_operator.api.status import State, TrainingJobStatus
from trainingjob_operator.cluster.api import ApiError, Object
from trainingjob_operator.cluster.apply import IN_FLIGHT, Applier, StaleViewError
from trainingjob_operator.cluster.cache import JobCache, Key, PodCache
from trainingjob_operator.core.children import children
from trainingjob_operator.core.condemned import Deletion
from trainingjob_operator.core.observed import Blocked, Job, Pod, pod_from
from trainingjob_operator.core.plan import Create, Plan
from trainingjob_operator.core.pod import for_rank, template

KEY = Key("ml", "digits")
STARTED = TrainingJobStatus(state=State.STARTING, attempt=1)
QUOTA = ApiError(403, "Forbidden", 'pods "digits-1-1" is forbidden: exceeded quota: gpus, requested: 8, limited: 4')


class Cluster:
    """A cluster with one job in it, an applier, and its caches."""

    def __init__(self, api: FlakyApi | None = None) -> None:
        self.api = api or FlakyApi()
        self.woken: list[Key] = []
        self.jobs, self.pods = JobCache(self.woken.append), PodCache(self.woken.append)
        self.applier = Applier(self.api, self.jobs, self.pods)
        raw = raw_job()
        raw["metadata"] = {"name": "digits", "namespace": "ml"}
        self.jobs.put(self.api.store.create(TRAININGJOBS, "ml", raw).object)

    @property
    def job(self) -> Job:
        found = self.jobs.get(KEY)
        assert found is not None
        return found

    def pod(self, rank: int) -> Create:
        base = template(self.job, 1, "cluster.local")
        return Create(PODS, for_rank(self.job, base, 1, rank, None))

    def existing(self, rank: int, node: str = "") -> Pod:
        """A pod of the job that is there and known."""
        raw = self.api.store.create(PODS, "ml", self.pod(rank).body).object
        if node:
            raw = self.api.store.bind("ml", raw["metadata"]["name"], node).object
        self.pods.put(raw)
        return pod_from(raw)

    async def apply(self, **steps: Any) -> Blocked | None:
        return await self.applier.apply(self.job, Plan(**steps))

    def stored(self, name: str = "digits-1-0") -> Object:
        return self.api.store.get(PODS, "ml", name).object

    def names(self) -> set[str]:
        return {record.object["metadata"]["name"] for record in self.api.store.list(PODS, "ml").records}


@pytest.fixture
def cluster() -> Cluster:
    return Cluster()


async def test_the_status_is_written_first_then_children_then_pods(cluster: Cluster) -> None:
    made = tuple(Create(*child) for child in children(cluster.job))

    refused = await cluster.apply(status=STARTED, children=made, pods=(cluster.pod(0), cluster.pod(1)))

    assert refused is None
    assert cluster.api.calls == [
        "replace TrainingJob digits",
        "create Service digits",
        "create NetworkPolicy digits",
        "create Pod digits-1-0",
        "create Pod digits-1-1",
    ]


async def test_a_pass_sees_its_own_writes_at_once(cluster: Cluster) -> None:
    await cluster.apply(status=STARTED, pods=(cluster.pod(0),))

    assert cluster.job.status.attempt == 1
    assert [pod.name for pod in cluster.pods.of(KEY)] == ["digits-1-0"]


async def test_a_status_for_an_old_version_of_the_job_ends_the_pass_before_anything_is_done(cluster: Cluster) -> None:
    old = replace(cluster.job, resource_version="1")

    with pytest.raises(StaleViewError):
        await cluster.applier.apply(old, Plan(status=STARTED, pods=(cluster.pod(0),)))

    assert cluster.names() == set()


async def test_the_version_that_an_old_one_conflicted_with_is_known_at_once(cluster: Cluster) -> None:
    old = cluster.job
    await cluster.api.patch(TRAININGJOBS, "ml", "digits", {"metadata": {"labels": {"team": "vision"}}})

    with pytest.raises(StaleViewError):
        await cluster.applier.apply(old, Plan(status=STARTED))

    assert cluster.job.resource_version != old.resource_version
    assert await cluster.applier.apply(cluster.job, Plan(status=STARTED)) is None


async def test_only_the_newest_version_of_a_job_is_confirmed(cluster: Cluster) -> None:
    old = cluster.job
    await cluster.applier.confirm(old)
    await cluster.api.patch(TRAININGJOBS, "ml", "digits", {"metadata": {"labels": {"team": "vision"}}})

    with pytest.raises(StaleViewError):
        await cluster.applier.confirm(old)

    await cluster.applier.confirm(cluster.job)
    cluster.api.store.delete(TRAININGJOBS, "ml", "digits")
    with pytest.raises(StaleViewError):
        await cluster.applier.confirm(cluster.job)
    assert cluster.jobs.get(KEY) is None


async def test_a_namesake_is_not_given_the_status_of_an_earlier_life(cluster: Cluster) -> None:
    earlier = replace(cluster.job, uid="another life")

    with pytest.raises((StaleViewError, ApiError)):
        await cluster.applier.apply(earlier, Plan(status=STARTED))

    assert "attempt" not in (cluster.api.store.get(TRAININGJOBS, "ml", "digits").object.get("status") or {})


async def test_a_job_that_is_gone_ends_the_pass_and_leaves_the_cache(cluster: Cluster) -> None:
    cluster.api.store.delete(TRAININGJOBS, "ml", "digits")

    with pytest.raises(StaleViewError):
        await cluster.apply(status=STARTED)

    assert cluster.jobs.get(KEY) is None


async def test_a_status_that_fails_for_another_reason_is_the_callers_to_retry(cluster: Cluster) -> None:
    cluster.api.fail("replace", ApiError(500, "InternalError", "etcdserver: request timed out"))

    with pytest.raises(ApiError, match="timed out"):
        await cluster.apply(status=STARTED, pods=(cluster.pod(0),))

    assert cluster.names() == set()


async def test_a_pod_of_ours_that_exists_already_is_a_success_whose_reply_was_lost(cluster: Cluster) -> None:
    cluster.api.store.create(PODS, "ml", cluster.pod(0).body)

    assert await cluster.apply(pods=(cluster.pod(0),)) is None

    assert [pod.name for pod in cluster.pods.of(KEY)] == ["digits-1-0"]


@pytest.mark.parametrize(
    ("owners", "owner"),
    [
        ([], "was not made by this job"),
        (
            [{"apiVersion": "batch/v1", "kind": "Job", "name": "other", "uid": "u", "controller": True}],
            "belongs to Job other",
        ),
    ],
)
async def test_a_strangers_object_is_never_adopted(cluster: Cluster, owners: list[Object], owner: str) -> None:
    meta = {"name": "digits", "namespace": "ml", "ownerReferences": owners}
    cluster.api.store.create(SERVICES, "ml", {"metadata": meta, "spec": {"ports": [{"port": 80}]}})
    made = tuple(Create(*child) for child in children(cluster.job))

    refused = await cluster.apply(children=made, pods=(cluster.pod(0),))

    assert refused is not None
    assert refused.reason == "NameConflict"
    assert refused.message == f"a Service called digits exists already and {owner}: delete it or rename the job"
    assert cluster.names() == set()


async def test_a_refused_pod_is_told_and_the_others_are_made(cluster: Cluster) -> None:
    cluster.api.fail("create", QUOTA)

    refused = await cluster.apply(pods=(cluster.pod(1), cluster.pod(0)))

    assert refused == Blocked("QuotaExceeded", f"Pod digits-1-1: {QUOTA.message}")
    assert cluster.names() == {"digits-1-0"}


async def test_an_error_worth_a_retry_is_raised_after_the_others_have_ended(cluster: Cluster) -> None:
    cluster.api.fail("create", ApiError(429, "TooManyRequests", "slow down", retry_after=3))

    with pytest.raises(ApiError) as caught:
        await cluster.apply(pods=(cluster.pod(0), cluster.pod(1)))

    assert caught.value.retry_after == 3
    assert cluster.names() == {"digits-1-1"}


async def test_an_error_comes_before_a_refusal(cluster: Cluster) -> None:
    cluster.api.fail("create", QUOTA, ApiError(500, "InternalError", "x"))

    with pytest.raises(ApiError, match="InternalError"):
        await cluster.apply(pods=(cluster.pod(0), cluster.pod(1)))


async def test_a_bound_pod_is_deleted_with_the_grace_that_it_was_given(cluster: Cluster) -> None:
    pod = cluster.existing(0, node="node-0")

    await cluster.apply(deletions=(Deletion(pod, 5),))

    assert cluster.stored()["metadata"]["deletionGracePeriodSeconds"] == 5
    assert [known.deleting for known in cluster.pods.of(KEY)] == [True]


async def test_without_a_stated_grace_a_pod_has_its_own(cluster: Cluster) -> None:
    await cluster.apply(deletions=(Deletion(cluster.existing(0, node="node-0"), None),))

    assert cluster.stored()["metadata"]["deletionGracePeriodSeconds"] == 60


async def test_only_the_very_pod_that_was_condemned_is_deleted(cluster: Cluster) -> None:
    condemned = replace(cluster.existing(0, node="node-0"), uid="an earlier pod of this name")

    with pytest.raises(StaleViewError):
        await cluster.apply(deletions=(Deletion(condemned, 5),))

    assert "deletionTimestamp" not in cluster.stored()["metadata"]


async def test_a_pod_whose_deletion_met_a_conflict_stays_known(cluster: Cluster) -> None:
    pod = cluster.existing(0)
    cluster.api.fail("delete", ApiError(409, "Conflict", "the object has been modified"))

    with pytest.raises(StaleViewError):
        await cluster.apply(deletions=(Deletion(pod, 5),))

    assert [known.name for known in cluster.pods.of(KEY)] == ["digits-1-0"]


async def test_a_pod_that_is_gone_already_leaves_the_cache(cluster: Cluster) -> None:
    pod = cluster.existing(0)
    cluster.api.store.delete(PODS, "ml", pod.name)

    await cluster.apply(deletions=(Deletion(pod, 5),))

    assert cluster.pods.of(KEY) == ()


async def test_a_deletion_that_fails_is_the_callers_to_retry(cluster: Cluster) -> None:
    pod = cluster.existing(0)
    cluster.api.fail("delete", ApiError(500, "InternalError", "x"))

    with pytest.raises(ApiError):
        await cluster.apply(deletions=(Deletion(pod, 5),))

    assert [known.name for known in cluster.pods.of(KEY)] == ["digits-1-0"]


async def test_a_deletion_that_only_answers_with_a_status_changes_no_cache(cluster: Cluster) -> None:
    class Terse(FlakyApi):
        async def delete(self, *_: Any, **__: Any) -> Object:
            return {"kind": "Status", "status": "Success", "metadata": {}}

    terse = Cluster(Terse())
    pod = terse.existing(0)

    await terse.apply(deletions=(Deletion(pod, 5),))

    assert [known.deleting for known in terse.pods.of(KEY)] == [False]


async def test_only_so_many_requests_are_under_way_at_once() -> None:
    class Slow(FlakyApi):
        busy = most = 0

        async def create(self, *arguments: Any) -> Object:
            self.busy += 1
            self.most = max(self.most, self.busy)
            for _ in range(5):
                await asyncio.sleep(0)
            self.busy -= 1
            return await super().create(*arguments)

    slow = Slow()
    cluster = Cluster(slow)
    maps = tuple(
        Create(CONFIGMAPS, {"metadata": {"name": f"map-{n}", "namespace": "ml"}}) for n in range(3 * IN_FLIGHT)
    )

    await cluster.apply(children=maps)

    assert slow.most == IN_FLIGHT
