"""Breaks of the protocol that the search must find, each with a shortest story: the product with one rule left out."""

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from types import MappingProxyType
from typing import Any
from unittest.mock import patch

import trainingjob_operator.controller as product
from trainingjob_operator.api.resources import PODS
from trainingjob_operator.cluster.apply import Applier
from trainingjob_operator.core.observed import Job, Observed
from trainingjob_operator.core.plan import Plan

_apply, _plan = Applier.apply, product.plan


def _believes_the_cache(observed: Observed) -> Plan:
    """Rule 3 left out: what a cache does not show is taken for absent."""
    return _plan(replace(observed, quorum=True))


async def _creates_first(self: Applier, job: Job, plan: Plan) -> Any:
    """Rule 1 left out: pods come and go first, then the status says why."""
    refused = await _apply(self, job, replace(plan, status=None))
    await _apply(self, job, Plan(status=plan.status))
    return refused


def _waits_for_nobody(observed: Observed) -> Plan:
    """Rule 4 left out: pods of older attempts and of a namesake do not hold the next gang up."""
    attempt = observed.job.status.attempt
    return _plan(replace(observed, pods=tuple(pod for pod in observed.own if pod.attempt >= attempt)))


async def _deletes_any(self: Applier, job: Job, deletion: Any) -> None:
    """Rule 6 left out: whatever has the pod's name is deleted."""
    await self.api.delete(PODS, job.namespace, deletion.pod.name, grace_seconds=deletion.grace_seconds)


def _never_doubts(self: product.Controller, key: Any) -> None:
    """Rule 3 left out after a write without an answer: the job in the cache is taken for the newest."""


async def _confirms_anything(self: Applier, job: Job) -> None:
    """Rule 3 left out before a write that no status guards: the job is not looked at again."""


MUTANTS: Mapping[str, tuple[object, str, Callable[..., Any]]] = MappingProxyType(
    {
        "believes-the-cache": (product, "plan", _believes_the_cache),
        "creates-before-it-commits": (Applier, "apply", _creates_first),
        "waits-for-nobody": (product, "plan", _waits_for_nobody),
        "never-doubts": (product.Controller, "_doubt", _never_doubts),
        "never-looks-at-the-job": (Applier, "confirm", _confirms_anything),
        "deletes-by-name": (Applier, "_delete", _deletes_any),
    }
)


@contextmanager
def mutated(name: str) -> Iterator[None]:
    """The product with one rule left out, until the block ends."""
    target, attribute, broken = MUTANTS[name]
    with patch.object(target, attribute, broken):
        yield
