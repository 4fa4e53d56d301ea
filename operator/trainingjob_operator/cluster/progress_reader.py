"""Asks rank 0 of every running gang how far its training is: plain HTTP to the pod's own address.

Bounded in everything, for the other end is anybody's code: how long one question takes, how much is read, how many are
under way at once, how many are begun per second, and no redirect is followed. Decides only when to ask whom; what the
answer means is core/readings.py's, what follows from it core/training.py's and core/stall.py's.
"""

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime

import aiohttp
from yarl import URL

from trainingjob_operator.api import names
from trainingjob_operator.cluster.cache import JobCache, Key, PodCache
from trainingjob_operator.cluster.readings import ReadingCache
from trainingjob_operator.core.observed import Job, Pod
from trainingjob_operator.core.progress import is_finished
from trainingjob_operator.core.readings import Reading, measured

logger = logging.getLogger(__name__)

TICK = 0.5
PER_TICK = 50
"""Questions begun per tick: with more jobs than 1,000 each is asked less often, and so is its status written."""
AT_ONCE = 32
READ_EVERY = 10.0
RARELY = 60.0
CONNECT_SECONDS = 1.0
ANSWER_SECONDS = 3.0
LARGEST_PAGE = 64 * 1024
NO_ANSWER = (aiohttp.ClientError, OSError, ValueError)


class SilentError(Exception):
    """The connection was taken and no answer came."""


@dataclass(frozen=True, slots=True)
class Target:
    """Whom to ask: rank 0 of one attempt of one job, at its pod's address."""

    key: Key
    uid: str
    attempt: int
    address: str
    port: int


Fetch = Callable[[Target], Awaitable[str]]
"""The text of a target's page. Raises SilentError, or one of NO_ANSWER if nobody can be reached there."""


@dataclass(slots=True)
class Course:
    """The questions to one target, in seconds of the event loop's clock."""

    since: float
    next_at: float
    heard: bool = False
    under_way: bool = False


def target(key: Key, job: Job, pods: tuple[Pod, ...]) -> Target | None:
    """Whom to ask about a job: nobody while its gang is not whole, has ended, or says nothing by its owner's wish."""
    spec, status = job.spec, job.status
    if spec is None or not spec.progress_port or job.deleting or status.gang is None or is_finished(status):
        return None
    if spec.managed_by not in (None, names.MANAGER):
        return None
    main = next((p for p in pods if (p.job_uid, p.attempt, p.rank) == (job.uid, status.attempt, 0)), None)
    if main is None or main.ip is None or main.stopped or main.deleting:
        return None
    return Target(key, job.uid, status.attempt, main.ip, spec.progress_port)


def pause(*, heard: bool, asked_for: float) -> float:
    """Seconds to the next question: a script that tells nothing is asked ever more rarely."""
    return READ_EVERY if heard else min(RARELY, 0.5 + asked_for / 8)


class ProgressReader:
    """Fills ``readings`` from the gangs that ``jobs`` and ``pods`` show."""

    def __init__(
        self, jobs: JobCache, pods: PodCache, readings: ReadingCache, fetch: Fetch, clock: Callable[[], datetime]
    ) -> None:
        self._jobs, self._pods, self._readings = jobs, pods, readings
        self._fetch = fetch
        self._clock = clock
        self._courses: dict[Target, Course] = {}
        self._gate = asyncio.Semaphore(AT_ONCE)

    async def run(self) -> None:
        """Ask for ever, until cancelled."""
        async with asyncio.TaskGroup() as questions:
            while True:
                for found in self._due(asyncio.get_running_loop().time()):
                    self._courses[found].under_way = True
                    questions.create_task(self._ask(found))
                await asyncio.sleep(TICK)

    def _due(self, now: float) -> list[Target]:
        """Whom to ask now: those who have waited longest."""
        known = self._courses
        self._courses = {found: known.get(found) or Course(now, now) for found in self._targets()}
        for key in {gone.key for gone in known} - {found.key for found in self._courses}:
            self._readings.drop(key)
        due = [found for found, course in self._courses.items() if course.next_at <= now and not course.under_way]
        return sorted(due, key=lambda found: self._courses[found].next_at)[:PER_TICK]

    def _targets(self) -> Iterator[Target]:
        for key, job in self._jobs.items():
            found = target(key, job, self._pods.of(key))
            if found is not None:
                yield found

    async def _ask(self, whom: Target) -> None:
        course, reading = self._courses[whom], None
        try:
            async with self._gate:
                reading = await self._read(whom)
        except Exception:
            # One gang's strange answer must not end the reader that serves all others.
            logger.exception("%s: unexpected, while asking %s for its progress", whom.key, whom.address)
        now = asyncio.get_running_loop().time()
        course.under_way = False
        if reading is not None and whom in self._courses:
            course.heard = course.heard or reading.measured is not None
            self._readings.put(whom.key, reading)
        course.next_at = now + pause(heard=course.heard, asked_for=now - course.since)

    async def _read(self, whom: Target) -> Reading | None:
        """What the target says; None if nobody can be reached there, or somebody else answers."""
        before = self._readings.get(whom.key)
        if before is not None and (before.uid, before.attempt) != (whom.uid, whom.attempt):
            before = None
        try:
            found = measured(await self._fetch(whom), whom.uid, whom.attempt)
        except SilentError:
            now = self._clock()
            last, since = (before.measured, before.silent_since) if before else (None, None)
            return Reading(whom.uid, whom.attempt, now, last, since or now)
        except NO_ANSWER:
            return None
        return None if found is None else Reading(whom.uid, whom.attempt, self._clock(), found)


@asynccontextmanager
async def http_fetch() -> AsyncIterator[Fetch]:
    """Fetches pages over connections of its own, which know no credentials."""
    timeout = aiohttp.ClientTimeout(total=ANSWER_SECONDS, sock_connect=CONNECT_SECONDS)
    connector = aiohttp.TCPConnector(force_close=True, limit=AT_ONCE)
    async with aiohttp.ClientSession(
        connector=connector, timeout=timeout, cookie_jar=aiohttp.DummyCookieJar(), auto_decompress=False
    ) as http:

        async def fetch(whom: Target) -> str:
            url = URL.build(scheme="http", host=whom.address, port=whom.port, path="/metrics")
            try:
                async with http.get(url, allow_redirects=False, headers={"accept-encoding": "identity"}) as answer:
                    answer.raise_for_status()
                    return await _page(answer)
            except aiohttp.ConnectionTimeoutError:
                raise
            except TimeoutError as error:
                raise SilentError from error

        yield fetch


async def _page(answer: aiohttp.ClientResponse) -> str:
    """The beginning of the page; nothing that we look for stands further down."""
    found = bytearray()
    async for chunk in answer.content.iter_chunked(8192):
        found += chunk
        if len(found) > LARGEST_PAGE:
            break
    return found[:LARGEST_PAGE].decode(errors="replace")
