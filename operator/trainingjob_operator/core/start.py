"""Which pods are created now, and with which address of rank 0 (`spec.startPolicy`).

MainNodeFirst waits for rank 0's address so that the others get it as a host alias: a name that is asked for before it
exists stays unknown to DNS caches for 3 to 30 s. It waits two seconds at most: an address appears only when the
container starts, and cold images must be pulled side by side. MainNodeReady waits until rank 0 listens, however long.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from trainingjob_operator.api.policies import StartPolicy
from trainingjob_operator.core.observed import Pod

ADDRESS_PATIENCE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True)
class Start:
    """Ranks to create now, rank 0's address if it is known, and when to look again if something was held back."""

    ranks: tuple[int, ...]
    main_ip: str | None = None
    again_at: datetime | None = None


def start(policy: StartPolicy, gang: Mapping[int, Pod], missing: tuple[int, ...], now: datetime) -> Start:
    """What to create of ``missing``, given the pods that exist."""
    main = gang.get(0)
    if policy == StartPolicy.PARALLEL:
        return Start(missing, main.ip if main else None)
    if main is None:
        return Start((0,))
    if policy == StartPolicy.MAIN_NODE_READY:
        # A rank 0 that has ended well already will not become ready any more.
        return Start(missing, main.ip) if main.ready or main.succeeded else Start(())
    if main.ip or main.created_at is None:
        return Start(missing, main.ip)
    waited = now - main.created_at
    # A creation time in the future comes from clocks that differ; then the address is not waited for.
    if timedelta() <= waited < ADDRESS_PATIENCE:
        return Start((), None, main.created_at + ADDRESS_PATIENCE)
    return Start(missing)
