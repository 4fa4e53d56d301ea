"""How long ago something was, as kubectl writes it: ``45s``, ``3m20s``, ``5h``, ``2d4h``."""

from datetime import datetime

from trainingjob_sandbox.store.metadata import parse_timestamp

UNKNOWN = "<unknown>"
_MINUTE, _HOUR, _DAY = 60, 3600, 86400
_YEAR = 365 * _DAY

# Below each limit (in seconds): the unit, and the smaller unit that is still told.
_STEPS = (
    (2 * _MINUTE, (1, "s"), None),
    (10 * _MINUTE, (_MINUTE, "m"), (1, "s")),
    (3 * _HOUR, (_MINUTE, "m"), None),
    (8 * _HOUR, (_HOUR, "h"), (_MINUTE, "m")),
    (2 * _DAY, (_HOUR, "h"), None),
    (8 * _DAY, (_DAY, "d"), (_HOUR, "h")),
    (2 * _YEAR, (_DAY, "d"), None),
    (8 * _YEAR, (_YEAR, "y"), (_DAY, "d")),
)


def age(since: object, now: datetime) -> str:
    """The time since a Kubernetes timestamp; ``<unknown>`` if there is none."""
    if not isinstance(since, str) or not since:
        return UNKNOWN
    try:
        return duration(int((now - parse_timestamp(since)).total_seconds()))
    except (ValueError, TypeError):
        return "<invalid>"


def duration(seconds: int) -> str:
    if seconds < -1:
        return "<invalid>"
    seconds = max(seconds, 0)
    for limit, (size, unit), smaller in _STEPS:
        if seconds < limit:
            whole, rest = divmod(seconds, size)
            told = f"{rest // smaller[0]}{smaller[1]}" if smaller and rest >= smaller[0] else ""
            return f"{whole}{unit}{told}"
    return f"{seconds // _YEAR}y"
