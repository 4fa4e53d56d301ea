"""One pass over one job: observe, plan, apply. The only place where the three meet.

A pass is level-triggered: it does not know what woke it, and doing it once more changes nothing. Errors are dealt with
here and become a later pass.
"""

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from typing import Any

import aiohttp

from trainingjob_operator.api.resources import NODES
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.cluster.api import Api, ApiError
from trainingjob_operator.cluster.apply import Applier, StaleViewError
from trainingjob_operator.cluster.cache import JobCache, Key, PodCache
from trainingjob_operator.cluster.errors import is_gone
from trainingjob_operator.cluster.events import Herald
from trainingjob_operator.cluster.fence import DeposedError
from trainingjob_operator.cluster.fresh import FreshPods
from trainingjob_operator.cluster.gate import FLOW
from trainingjob_operator.cluster.news import News
from trainingjob_operator.cluster.nodes import NodeCache
from trainingjob_operator.cluster.readings import ReadingCache
from trainingjob_operator.cluster.workqueue import WorkQueue
from trainingjob_operator.core.observed import Blocked, Job, Observed
from trainingjob_operator.core.plan import Plan, plan

logger = logging.getLogger(__name__)


def _ignore(*_: Any) -> None:
    """Nobody counts."""


def utc_now() -> datetime:
    """The wall clock."""
    return datetime.now(UTC)


class Controller:
    """Keeps every TrainingJob true. Feed ``jobs``, ``pods`` and ``nodes``, then let workers run.

    ``passed(result, seconds)`` is told of every pass, ``decided(job, status)`` of every status after it was written.
    """

    def __init__(
        self,
        api: Api,
        *,
        cluster_domain: str = "cluster.local",
        operator_namespace: str | None = None,
        clock: Callable[[], datetime] = utc_now,
    ) -> None:
        self.queue: WorkQueue[Key] = WorkQueue()
        self.jobs = JobCache(self.queue.add)
        self.pods = PodCache(self.queue.add)
        self.nodes = NodeCache(self._wake_jobs_on, clock)
        self.readings = ReadingCache(self.queue.add)
        self._api = api
        self._fresh = FreshPods(api)
        self._applier = Applier(api, self.jobs, self.pods)
        self._news = News()
        self._herald = Herald(api, self._news)
        self._cluster_domain = cluster_domain
        self._operator_namespace = operator_namespace
        self._clock = clock
        self._refusals: dict[Key, Blocked] = {}
        self._reported: dict[Key, datetime] = {}
        self._doubts: set[Key] = set()
        self.passed: Callable[[str, float], None] = _ignore
        self.decided: Callable[[Job, TrainingJobStatus], None] = _ignore

    def look_at_all(self) -> None:
        """Look at every job: this process was not in charge for a while, or never before.

        What other processes wrote meanwhile may not have been shown yet: each job is in doubt.
        """
        for key in self.jobs:
            self._doubts.add(key)
            self.queue.add(key)

    async def work(self, workers: int) -> None:
        """So many jobs looked at at once, until cancelled or the queue is drained."""
        try:
            await asyncio.gather(*(self.queue.work(self.reconcile) for _ in range(workers)))
        finally:
            self._herald.silence()

    async def reconcile(self, key: Key) -> None:
        """One pass, whatever happens in it; what fails is tried again with a growing delay."""
        FLOW.set(key)
        started, result = time.monotonic(), "error"
        try:
            again = await self._pass(key)
        except (StaleViewError, DeposedError) as ended:
            result = "stale" if isinstance(ended, StaleViewError) else "deposed"
            self.queue.retry(key)
        except ApiError as error:
            delay = self.queue.retry(key, at_least=error.retry_after or 0.0)
            logger.warning("%s: %s; again in %.1f s", key, error, delay)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            delay = self.queue.retry(key)
            logger.warning("%s: %s; again in %.1f s", key, error or type(error).__name__, delay)
        except Exception:
            # One job's surprise must not end the worker that serves all others.
            delay = self.queue.retry(key)
            logger.exception("%s: unexpected; again in %.1f s", key, delay)
        else:
            result = "done"
            self._refused_or_done(key, again)
        finally:
            self._news.leave(key)
            if result != "done":
                self._doubt(key)
            self.passed(result, time.monotonic() - started)

    def _doubt(self, key: Key) -> None:
        """A write whose answer was lost may have been carried out: the next write is preceded by a question."""
        self._doubts.add(key)

    def _refused_or_done(self, key: Key, again: float | None) -> None:
        if key in self._refusals:
            self.queue.retry(key)
        else:
            self.queue.succeeded(key)
        if again is not None:
            self.queue.add_after(key, again)

    async def _pass(self, key: Key) -> float | None:
        job = self.jobs.get(key)
        if job is None:
            self._forget(key)
            return None
        observed, decision = await self._decide(key, job)
        if decision.only_tells(observed.job.status) and not self._news.enter(key, partial(self.queue.add, key)):
            # Looked at again when it is its turn: then what is told is how it goes then. Not at once, in circles.
            return decision.requeue_after or None
        refused = await self._applier.apply(observed.job, decision)
        self._herald.tell(observed.job, decision.events, observed.now)
        if observed.quorum:
            self._doubts.discard(key)
        if decision.status is not None:
            self.decided(observed.job, decision.status)
        self._remember(key, decision, refused, observed.now)
        return decision.requeue_after

    def _wake_jobs_on(self, node: str) -> None:
        for key in self.pods.keys_on(node):
            self.queue.add(key)

    def _forget(self, key: Key) -> None:
        self._doubts.discard(key)
        self._refusals.pop(key, None)
        self._reported.pop(key, None)
        self.readings.drop(key)

    async def _decide(self, key: Key, job: Job) -> tuple[Observed, Plan]:
        """From the caches, where that is enough: a job in doubt that needs no write costs no question either."""
        observed = self._observe(key, job, quorum=False)
        decision = plan(observed)
        if decision.needs_quorum or (decision.writes and key in self._doubts):
            return await self._asked(key, job)
        return observed, decision

    async def _asked(self, key: Key, job: Job) -> tuple[Observed, Plan]:
        """From a quorum read: the job's pods and their nodes as they are while the job is as it was before and after.

        Pods are read after the job, because a pod may be missed only where a status demands it; and the job is looked
        at after the pods, because a pod that is seen was allowed by some status. A write of the status is such a look:
        it succeeds only if the job has not changed. Nodes are read late, because they alone may come back to life.
        """
        listed = await self._fresh.of(key)
        self.pods.replace_job(key, listed.items, listed.resource_version)
        await self._read_nodes(key)
        if self.jobs.get(key) is not job:
            raise StaleViewError
        observed = self._observe(key, job, quorum=True)
        decision = plan(observed)
        assert not decision.needs_quorum, "a plan from a quorum read is final"
        if decision.writes and decision.status is None:
            await self._applier.confirm(job)
        return observed, decision

    def _observe(self, key: Key, job: Job, *, quorum: bool) -> Observed:
        pods = self.pods.of(key)
        return Observed(
            job=job,
            pods=pods,
            nodes=self.nodes.troubles(pod.node for pod in pods if pod.node),
            now=self._clock(),
            quorum=quorum,
            cluster_domain=self._cluster_domain,
            operator_namespace=self._operator_namespace,
            refusal=self._refusals.get(key),
            reported_at=self._reported.get(key),
            reading=self.readings.get(key),
        )

    async def _read_nodes(self, key: Key) -> None:
        """Ask for the job's nodes that seem not to be well: a lagging watch must not cost a gang."""
        for name in self.nodes.troubles(pod.node for pod in self.pods.of(key) if pod.node):
            try:
                self.nodes.put(await self._api.get(NODES, None, name))
            except ApiError as error:
                if not is_gone(error):
                    raise

    def _remember(self, key: Key, decision: Plan, refused: Blocked | None, now: datetime) -> None:
        if decision.status is not None:
            self._reported[key] = now
        if refused is None:
            # Also where nothing was asked for: what was refused once may have come by a request whose answer was lost.
            self._refusals.pop(key, None)
            return
        if self._refusals.get(key) != refused:
            logger.warning("%s: %s: %s", key, refused.reason, refused.message)
        self._refusals[key] = refused
