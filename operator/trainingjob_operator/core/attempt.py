"""How the current attempt stands: is the gang forming, whole, broken or done?

Rule 2 of docs/protocol.md: from the moment a gang's digest is committed, a failed, leaving or missing pod means that
the whole gang is broken. Rule 3: absence is believed only after a quorum read, so one of the answers is "not sure".
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from trainingjob_operator.api import names
from trainingjob_operator.api.policies import StartPolicy
from trainingjob_operator.core.failure import NODE_LOST, Cause, first_cause, lost, waits_for_cause
from trainingjob_operator.core.observed import Observed, Pod


@dataclass(frozen=True, slots=True)
class Unsure:
    """Something seems to be absent; the API server has to be asked."""


@dataclass(frozen=True, slots=True)
class Undecided:
    """A rank lost its peer; which one failed will be known by then at the latest."""

    until: datetime


@dataclass(frozen=True, slots=True)
class Broken:
    """The gang must go."""

    cause: Cause


@dataclass(frozen=True, slots=True)
class Incomplete:
    """These ranks have no pod yet."""

    missing: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Formed:
    """All pods exist for the first time; their digest is to be committed."""

    digest: str


@dataclass(frozen=True, slots=True)
class Whole:
    """The committed gang is there and at work."""


@dataclass(frozen=True, slots=True)
class Done:
    """Every rank exited with 0."""


Verdict = Unsure | Undecided | Broken | Incomplete | Formed | Whole | Done


def judge(observed: Observed) -> Verdict:
    """The verdict on the current attempt of a valid job whose attempt has not ended."""
    gang, now = observed.gang, observed.now
    cause = first_cause(gang.values(), observed)
    if cause is not None:
        if cause.failure.reason == NODE_LOST and not observed.quorum:
            return Unsure()
        until = waits_for_cause(cause, gang.values(), now)
        return Undecided(until) if until else Broken(cause)
    assert observed.job.spec is not None
    missing = tuple(rank for rank in range(observed.job.spec.num_nodes) if rank not in gang)
    if missing:
        return _with_gaps(observed, missing)
    committed = observed.job.status.gang
    if committed and digest(gang) != committed:
        if not observed.quorum:
            return Unsure()
        return Broken(lost(observed, 0, names.pod_name(observed.job.name, observed.job.status.attempt, 0), *_REPLACED))
    if all(pod.succeeded for pod in gang.values()):
        return Done()
    return Whole() if committed else Formed(digest(gang))


_REPLACED = ("PodReplaced", "a pod of the gang was replaced by another of the same name")


def _with_gaps(observed: Observed, missing: tuple[int, ...]) -> Verdict:
    """Ranks without a pod: not made yet, or gone.

    Before the gang is committed a pod that went is simply made again. Not so rank 0's where it is made first: then the
    others know its address already. (Made in parallel, it may well be the one whose creation was cut short.)
    """
    assert observed.job.spec is not None
    main_first = observed.job.spec.start_policy == StartPolicy.MAIN_NODE_FIRST
    main_is_gone = main_first and 0 in missing and bool(observed.gang)
    if observed.job.status.gang is None and not main_is_gone:
        return Incomplete(missing)
    if not observed.quorum:
        return Unsure()
    pod = names.pod_name(observed.job.name, observed.job.status.attempt, missing[0])
    return Broken(lost(observed, missing[0], pod, "PodDeleted", "is gone"))


def digest(gang: Mapping[int, Pod]) -> str:
    """Eight hexadecimal digits that tell one set of pods from another."""
    text = ",".join(f"{rank}={gang[rank].uid}" for rank in sorted(gang))
    return hashlib.sha256(text.encode()).hexdigest()[:8]
