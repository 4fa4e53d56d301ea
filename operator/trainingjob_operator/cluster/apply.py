"""The only writer: carries out a plan, in the order that makes a crash at any point harmless.

Status first, with the resourceVersion it was planned from; then what the committed status demands. Events are told
beside it (events.py).
Rules 1, 5 and 6 of docs/protocol.md live here.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from functools import partial

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS, TRAININGJOBS
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.cluster.api import Api, ApiError, Object
from trainingjob_operator.cluster.cache import JobCache, Key, PodCache
from trainingjob_operator.cluster.errors import already_exists, is_conflict, is_gone, refusal
from trainingjob_operator.core.condemned import Deletion
from trainingjob_operator.core.observed import Blocked, Job
from trainingjob_operator.core.plan import Create, Plan

Call = Callable[[], Awaitable[Blocked | None]]

IN_FLIGHT = 32
"""Requests of one pass that are under way at once."""


class StaleViewError(Exception):
    """The job changed since it was read: the pass ends, the next one sees more."""


@dataclass(frozen=True, slots=True)
class Applier:
    """Writes plans of jobs. Replies go into the caches, so that the next pass sees them."""

    api: Api
    jobs: JobCache
    pods: PodCache

    async def apply(self, job: Job, plan: Plan) -> Blocked | None:
        """Carry out a plan; why the API server refuses a child for a reason that a retry alone does not change.

        Raises StaleViewError, and ApiError or a connection error where a plain retry is right.
        """
        if plan.delete_job:
            await self._delete_job(job)
            return None
        if plan.status is not None:
            await self._write_status(job, plan.status)
        refused = await self._all(partial(self._create, job, child) for child in plan.children)
        if not refused:
            refused = await self._all(
                [
                    *(partial(self._delete, job, deletion) for deletion in plan.deletions),
                    *(partial(self._create, job, pod) for pod in plan.pods),
                ]
            )
        return refused

    async def _write_status(self, job: Job, status: TrainingJobStatus) -> None:
        body = {
            "apiVersion": names.API_VERSION,
            "kind": names.KIND,
            "metadata": {
                "name": job.name,
                "namespace": job.namespace,
                "uid": job.uid,
                "resourceVersion": job.resource_version,
            },
            "status": status.wire(),
        }
        try:
            reply = await self.api.replace(TRAININGJOBS, job.namespace, job.name, body, subresource="status")
        except ApiError as error:
            if is_conflict(error):
                await self.confirm(job)
            if is_gone(error):
                self.jobs.remove(Key(job.namespace, job.name), job.uid)
            if is_gone(error) or is_conflict(error):
                raise StaleViewError from error
            raise
        self.jobs.put(reply)

    async def confirm(self, job: Job) -> None:
        """Raises StaleViewError, and lets the cache know, if this is not the job as the API server holds it."""
        try:
            fresh = await self.api.get(TRAININGJOBS, job.namespace, job.name)
        except ApiError as error:
            if not is_gone(error):
                raise
            self.jobs.remove(Key(job.namespace, job.name), job.uid)
            raise StaleViewError from error
        if fresh["metadata"]["resourceVersion"] != job.resource_version:
            self.jobs.put(fresh)
            raise StaleViewError

    async def _delete_job(self, job: Job) -> None:
        """Delete a job whose time is over: this life of it, and its children with it."""
        try:
            await self.api.delete(TRAININGJOBS, job.namespace, job.name, uid=job.uid)
        except ApiError as error:
            if is_conflict(error):
                raise StaleViewError from error
            if not is_gone(error):
                raise
            self.jobs.remove(Key(job.namespace, job.name), job.uid)

    async def _create(self, job: Job, create: Create) -> Blocked | None:
        """Create a child. One that exists and is ours is success: an earlier pass's reply was lost."""
        name = create.body["metadata"]["name"]
        try:
            reply = await self.api.create(create.resource, job.namespace, create.body)
        except ApiError as error:
            if not already_exists(error):
                if (refused := refusal(error, f"{create.resource.kind} {name}")) is None:
                    raise
                return refused
            reply = await self.api.get(create.resource, job.namespace, name)
            if not _is_owned_by(reply, job):
                return _name_conflict(create, reply)
        if create.resource is PODS:
            self.pods.put(reply)
        return None

    async def _delete(self, job: Job, deletion: Deletion) -> None:
        """Delete a pod, this very one: the UID is a precondition."""
        pod = deletion.pod
        try:
            reply = await self.api.delete(
                PODS, job.namespace, pod.name, uid=pod.uid, grace_seconds=deletion.grace_seconds
            )
        except ApiError as error:
            if is_conflict(error):
                raise StaleViewError from error
            if not is_gone(error):
                raise
            self.pods.drop(Key(job.namespace, job.name), pod.name, pod.uid)
            return
        if reply.get("kind") == "Pod" and "deletionTimestamp" in reply["metadata"]:
            self.pods.put(reply)

    async def _all(self, calls: Iterable[Call]) -> Blocked | None:
        """Run all to their end, a few at once; then raise the first error, or give the first refusal."""
        waiting = list(calls)
        if not waiting:
            return None
        gate = asyncio.Semaphore(IN_FLIGHT)

        async def gated(call: Call) -> Blocked | None:
            async with gate:
                return await call()

        results = await asyncio.gather(*(gated(call) for call in waiting), return_exceptions=True)
        for result in results:
            if isinstance(result, BaseException):
                raise result
        return next((result for result in results if isinstance(result, Blocked)), None)


def _is_owned_by(raw: Object, job: Job) -> bool:
    owners = raw["metadata"].get("ownerReferences") or []
    return any(owner.get("controller") and owner["uid"] == job.uid for owner in owners)


def _name_conflict(create: Create, other: Object) -> Blocked:
    name, kind = create.body["metadata"]["name"], create.resource.kind
    owners = [f"{o['kind']} {o['name']}" for o in other["metadata"].get("ownerReferences") or []]
    owner = f"belongs to {owners[0]}" if owners else "was not made by this job"
    return Blocked("NameConflict", f"a {kind} called {name} exists already and {owner}: delete it or rename the job")
