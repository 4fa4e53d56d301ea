"""What a pass asks the API server, and what it writes without asking."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any, TypeVar

from support.builders import NOON, raw_job
from support.flaky_api import FlakyApi
from support.reflected import reflect
from trainingjob_operator.api.resources import PODS, TRAININGJOBS, Resource
from trainingjob_operator.cluster.api import ObjectList
from trainingjob_operator.cluster.cache import Key
from trainingjob_operator.controller import Controller

KEY = Key("ml", "digits")


def controller_on(api: FlakyApi) -> Controller:
    """An operator that has just come to be in charge, its watches up to date."""
    found = Controller(api, clock=lambda: NOON + timedelta(seconds=1))
    for record in api.store.list(TRAININGJOBS).records:
        found.jobs.put(record.object)
    reflect(found.pods, [record.object for record in api.store.list(PODS).records], str(api.store.version))
    found.look_at_all()
    return found


def without_events(api: FlakyApi) -> list[str]:
    """The requests but those of events, which are made beside the passes."""
    return [call for call in api.calls if call != "create Event"]


A = TypeVar("A", bound=FlakyApi)


def submitted_to(api: A) -> A:
    """A cluster with a new job."""
    raw = raw_job(numNodes=2, startPolicy="Parallel")
    raw["metadata"] = {"name": "digits", "namespace": "ml"}
    api.store.create(TRAININGJOBS, "ml", raw)
    return api


async def started() -> FlakyApi:
    """A cluster with a gang of two that is formed."""
    api = submitted_to(FlakyApi())
    first = controller_on(api)
    await first.reconcile(KEY)
    await first.reconcile(KEY)
    api.calls.clear()
    return api


async def test_a_first_gang_costs_one_question() -> None:
    api = submitted_to(FlakyApi())

    await controller_on(api).reconcile(KEY)

    assert without_events(api)[:2] == ["list Pod", "replace TrainingJob digits"]
    assert not [call for call in api.calls if call.startswith("get")]
    assert len(api.store.list(PODS, "ml").records) == 2


async def test_a_new_operator_asks_nothing_about_a_job_that_needs_nothing() -> None:
    api = await started()
    after = controller_on(api)

    await after.reconcile(KEY)

    assert without_events(api) == []


async def test_a_new_operator_asks_before_its_first_write() -> None:
    api = await started()
    after = controller_on(api)
    await after.reconcile(KEY)
    status = {"phase": "Failed", "reason": "Evicted"}
    after.pods.put(await api.patch(PODS, "ml", "digits-1-1", {"status": status}, subresource="status"))

    await after.reconcile(KEY)

    assert without_events(api)[:2] == ["list Pod", "replace TrainingJob digits"]


async def test_a_write_that_no_status_guards_is_preceded_by_a_look_at_the_job() -> None:
    api = submitted_to(FlakyApi())
    await controller_on(api).reconcile(KEY)
    api.store.delete(PODS, "ml", "digits-1-1")
    api.calls.clear()

    await controller_on(api).reconcile(KEY)

    assert without_events(api) == ["list Pod", "get TrainingJob digits", "create Pod digits-1-1"]


async def test_a_pass_whose_job_has_changed_meanwhile_writes_nothing_and_sees_the_change() -> None:
    api = submitted_to(FlakyApi())
    late = controller_on(api)
    await controller_on(api).reconcile(KEY)
    api.calls.clear()

    await late.reconcile(KEY)

    assert without_events(api) == ["list Pod", "replace TrainingJob digits", "get TrainingJob digits"]
    job = late.jobs.get(KEY)
    assert job is not None
    assert job.status.attempt == 1


class OvertakenApi(FlakyApi):
    """While its next list of pods is on its way back, ``meanwhile`` happens."""

    meanwhile: Callable[[], Awaitable[None]] | None = None

    async def list(self, resource: Resource, namespace: str | None = None, **options: Any) -> ObjectList:
        listed = await super().list(resource, namespace, **options)
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            await happens()
        return listed


async def test_a_pod_is_not_missed_by_a_list_that_is_older_than_the_status_which_demands_it() -> None:
    api = submitted_to(OvertakenApi())
    late = controller_on(api)

    async def another_operator_forms_the_gang() -> None:
        other = controller_on(api)
        await other.reconcile(KEY)
        await other.reconcile(KEY)
        late.jobs.put(api.store.list(TRAININGJOBS).records[0].object)

    api.meanwhile = another_operator_forms_the_gang
    await late.reconcile(KEY)

    status = api.store.list(TRAININGJOBS).records[0].object["status"]
    assert status["gang"]
    assert status["attempt"] == 1
