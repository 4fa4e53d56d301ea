"""How long the next attempt waits: the first restart at once, then 10 s doubling up to 5 min.

An attempt that ran ten minutes was a good one, and the count begins again. Suspensions do not count.
"""

from collections.abc import Sequence
from datetime import timedelta

from trainingjob_operator.api.status import Attempt

FIRST = timedelta(seconds=10)
LONGEST = timedelta(minutes=5)
GOOD_RUN = timedelta(minutes=10)
SUSPENDED = "Suspended"


def restart_delay(ended: Sequence[Attempt]) -> timedelta:
    """Wait before the attempt that follows these (oldest first, the last one just ended)."""
    short = 0
    for attempt in reversed(ended):
        if attempt.reason == SUSPENDED or _ran_well(attempt):
            break
        short += 1
    if short <= 1:
        return timedelta()
    return min(FIRST * float(2 ** (short - 2)), LONGEST)


def _ran_well(attempt: Attempt) -> bool:
    return (
        attempt.start_time is not None
        and attempt.end_time is not None
        and attempt.end_time - attempt.start_time >= GOOD_RUN
    )
