"""Which nodes the next attempt should rather not run on: those on which the last few began to fail.

A preference, never a demand, and bounded: with one node left in the cluster the job still runs there.
"""

from trainingjob_operator.api.status import TrainingJobStatus

REMEMBERED = 3
"""So many attempts back a failure is held against its node."""


def avoided_nodes(status: TrainingJobStatus) -> list[str]:
    """Names of the nodes, sorted. Evictions and deletions are not held against a node."""
    ended = [attempt for attempt in status.attempts if attempt.end_time is not None][-REMEMBERED:]
    blamed = [a.first_failure.node for a in ended if a.first_failure and (a.counted or a.reason == "NodeLost")]
    return sorted({node for node in blamed if node})
