"""What the watches have shown: jobs and pods as parsed values, indexed by job.

A cache lags, so only presence may be concluded from it (docs/protocol.md, rule 3). Replies to own writes are put in as
well, which makes a pass see its own work at once. Never talks to the API server.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Any, NamedTuple

from trainingjob_operator.api import names
from trainingjob_operator.core.observed import Job, Pod, job_from, pod_from

Object = dict[str, Any]


class Key(NamedTuple):
    """A job's namespace and name: what the work queue is keyed by."""

    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.namespace}/{self.name}"


Wake = Callable[[Key], None]


class Graves:
    """UIDs that were seen to be deleted, the newest few thousand.

    The reply to a create can arrive after the watch has shown the object's deletion; it must not come back to life.
    """

    def __init__(self, limit: int = 10_000) -> None:
        self._uids: OrderedDict[str, None] = OrderedDict()
        self._limit = limit

    def bury(self, uid: str) -> None:
        self._uids[uid] = None
        while len(self._uids) > self._limit:
            self._uids.popitem(last=False)

    def __contains__(self, uid: object) -> bool:
        return uid in self._uids


class JobCache:
    """The TrainingJobs, newest version of each."""

    def __init__(self, wake: Wake) -> None:
        self._jobs: dict[Key, Job] = {}
        self._graves = Graves()
        self._wake = wake

    def get(self, key: Key) -> Job | None:
        return self._jobs.get(key)

    def __iter__(self) -> Iterator[Key]:
        """The keys of all jobs, as they are now."""
        return iter(list(self._jobs))

    def states(self) -> Counter[str]:
        """How many jobs are in which state; those without one are ``New``."""
        return Counter(str(job.status.state or "New") for job in self._jobs.values())

    def __len__(self) -> int:
        return len(self._jobs)

    def items(self) -> Iterable[tuple[Key, Job]]:
        """All jobs."""
        return self._jobs.items()

    def put(self, raw: Object) -> None:
        """Take a version of a job, unless a newer one is known. Raises ValueError for a status that is not ours."""
        meta = raw["metadata"]
        key = Key(meta["namespace"], meta["name"])
        known = self._jobs.get(key)
        if meta["uid"] in self._graves or (known and known.uid == meta["uid"] and not _is_newer(meta, known)):
            return
        self._jobs[key] = job_from(raw, known)
        self._wake(key)

    def remove(self, key: Key, uid: str) -> None:
        """The job with this UID is gone."""
        self._graves.bury(uid)
        known = self._jobs.get(key)
        if known and known.uid == uid:
            del self._jobs[key]
        self._wake(key)


class PodCache:
    """The pods of all jobs, by job. A change wakes the job only if a decision could depend on it."""

    def __init__(self, wake: Wake) -> None:
        self._by_job: dict[Key, dict[str, Pod]] = {}
        self._versions: dict[str, int] = {}
        self._graves = Graves()
        self._wake = wake

    def of(self, key: Key) -> tuple[Pod, ...]:
        """The pods that carry a job's name, whoever owns them."""
        return tuple(self._by_job.get(key, {}).values())

    def keys_on(self, node: str) -> list[Key]:
        """The jobs that have a pod on a node."""
        return [key for key, pods in self._by_job.items() if any(pod.node == node for pod in pods.values())]

    def __len__(self) -> int:
        return len(self._versions)

    def put(self, raw: Object) -> None:
        """Take a version of a pod, unless that or a newer one of its name is known or the pod is known to be gone."""
        key, meta = job_of(raw), raw["metadata"]
        version = int(meta["resourceVersion"])
        if key is None or meta["uid"] in self._graves:
            return
        pods = self._by_job.setdefault(key, {})
        old = pods.get(meta["name"])
        if old and version <= self._versions[old.uid]:
            return
        if old and old.uid != meta["uid"]:
            self._bury(old.uid)
        new = pods[meta["name"]] = pod_from(raw)
        self._versions[new.uid] = version
        if old != new:
            self._wake(key)

    def remove(self, raw: Object) -> None:
        """The pod is gone."""
        key = job_of(raw)
        if key is not None:
            self.drop(key, raw["metadata"]["name"], raw["metadata"]["uid"])

    def drop(self, key: Key, name: str, uid: str) -> None:
        """The pod with this name and UID is gone."""
        self._bury(uid)
        pods = self._by_job.get(key, {})
        if name in pods and pods[name].uid == uid:
            del pods[name]
            if not pods:
                del self._by_job[key]
            self._wake(key)

    def retain(self, uids: Collection[str], version: str) -> None:
        """These pods there were at a version, and no others."""
        self._retain(list(self._by_job), uids, int(version))

    def replace_job(self, key: Key, items: Iterable[Object], version: str) -> None:
        """A complete list of one job's pods."""
        listed = list(items)
        for raw in listed:
            self.put(raw)
        self._retain([key], {raw["metadata"]["uid"] for raw in listed}, int(version))

    def _retain(self, keys: Iterable[Key], uids: Collection[str], version: int) -> None:
        for key in keys:
            for pod in self.of(key):
                # A pod may have been created, and be known, while the list was on its way.
                if pod.uid not in uids and self._versions[pod.uid] <= version:
                    self.drop(key, pod.name, pod.uid)

    def _bury(self, uid: str) -> None:
        self._graves.bury(uid)
        self._versions.pop(uid, None)


def job_of(raw: Object) -> Key | None:
    """The job a pod belongs to: by its owner, else (orphans of a deleted job) by its label."""
    meta = raw["metadata"]
    owners = meta.get("ownerReferences") or []
    owner = next((o["name"] for o in owners if o.get("controller") and o.get("kind") == names.KIND), None)
    name = owner or (meta.get("labels") or {}).get(names.LABEL_JOB)
    return Key(meta["namespace"], name) if name else None


def _is_newer(meta: Object, known: Job) -> bool:
    """Versions of one resource compare as numbers (KEP-5504)."""
    return int(meta["resourceVersion"]) > int(known.resource_version)
