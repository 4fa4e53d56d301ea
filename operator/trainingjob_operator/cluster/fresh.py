"""Fresh looks at the pods of jobs: what the API server holds now, not what a watch has shown so far.

Jobs of one namespace that ask while a list is under way share the next one, as commits of a database share a write to
the disk (group commit: DeWitt et al., "Implementation Techniques for Main Memory Database Systems", 1984): two hundred
jobs that are submitted together cost the API server a few lists. Concludes nothing from what it reads.
"""

import asyncio
from collections import defaultdict
from dataclasses import dataclass

from trainingjob_operator.api import names
from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.api import Api, ObjectList
from trainingjob_operator.cluster.cache import Key

MOST = 50
"""Jobs of one list: their names, of 50 characters at most, must fit into a request line."""

AT_ONCE = 2
"""Lists of one namespace that are under way: one that gets no answer must not hold up the others."""


@dataclass(slots=True)
class _Group:
    """Jobs that wait for the same list."""

    names: set[str]
    answer: "asyncio.Future[ObjectList]"


class FreshPods:
    """Lists of pods that were begun after they were asked for."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._open: dict[str, _Group] = {}
        self._turns: defaultdict[str, asyncio.Semaphore] = defaultdict(lambda: asyncio.Semaphore(AT_ONCE))

    async def of(self, key: Key) -> ObjectList:
        """All pods that carry a job's name. Raises what the list raises, for all that shared it."""
        group = self._open.get(key.namespace)
        if group is None or len(group.names) >= MOST:
            group = self._open[key.namespace] = _Group({key.name}, asyncio.get_running_loop().create_future())
            await self._lead(key.namespace, group)
        else:
            group.names.add(key.name)
        listed = await asyncio.shield(group.answer)
        items = [raw for raw in listed.items if raw["metadata"]["labels"][names.LABEL_JOB] == key.name]
        return ObjectList(items, listed.resource_version)

    async def _lead(self, namespace: str, group: _Group) -> None:
        """List for all who have joined by the time it is this group's turn."""
        try:
            async with self._turns[namespace]:
                self._close(namespace, group)
                group.answer.set_result(await self._api.list(PODS, namespace, labels=names.jobs_selector(group.names)))
        except Exception as error:  # noqa: BLE001 - raised by whoever waits for the answer, this pass among them
            group.answer.set_exception(error)
        except asyncio.CancelledError:
            self._close(namespace, group)
            group.answer.set_exception(InterruptedError("the pass that read for others, too, was ended"))
            group.answer.exception()  # perhaps nobody else waits
            raise

    def _close(self, namespace: str, group: _Group) -> None:
        """Whoever asks from now on would not get a fresh look."""
        if self._open.get(namespace) is group:
            del self._open[namespace]
