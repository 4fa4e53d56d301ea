"""Which pods are on a node that must be given up: NotReady or gone for longer than the policy allows.

The kubelet of such a node may still be running its pods. They are force-deleted all the same, because their objects
would otherwise stay in Terminating for ever; what keeps two gangs from writing one checkpoint is the attempt's fence.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingjob_operator.core.observed import NodeTrouble, Observed, Pod


@dataclass(frozen=True, slots=True)
class LostNode:
    """A pod's node that has been NotReady or gone for too long."""

    name: str
    since: datetime
    gone: bool


def lost_node(pod: Pod, observed: Observed) -> LostNode | None:
    """The lost node under a pod, None if its node is well or may still come back."""
    trouble = _trouble(pod, observed.nodes)
    if trouble is None or observed.now < trouble.since + patience(observed):
        return None
    return trouble


def next_loss(observed: Observed) -> datetime | None:
    """When the next of the job's troubled nodes will count as lost."""
    troubles = [trouble for pod in observed.own if (trouble := _trouble(pod, observed.nodes)) is not None]
    waiting = [trouble.since + patience(observed) for trouble in troubles]
    return min((at for at in waiting if at > observed.now), default=None)


def patience(observed: Observed) -> timedelta:
    """`failurePolicy.nodeLostAfterSeconds` of a valid job."""
    assert observed.job.spec is not None
    return timedelta(seconds=observed.job.spec.failure_policy.node_lost_after_seconds)


def _trouble(pod: Pod, nodes: Mapping[str, NodeTrouble]) -> LostNode | None:
    trouble = nodes.get(pod.node or "")
    if trouble is None or (pod.stopped and not pod.deleting):
        return None
    return LostNode(pod.node or "", trouble.since, trouble.gone)
