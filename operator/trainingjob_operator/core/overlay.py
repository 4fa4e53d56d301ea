"""How a user's podTemplate is laid over a pod: maps are merged, lists of named things by name, the rest replaced.

Pure; what an overlay may not touch is refused before (api/overlay_rules.py).
"""

from typing import Any

from trainingjob_operator.api.overlay_rules import CONTAINER_LISTS, POD_LISTS

KEYS = POD_LISTS | CONTAINER_LISTS


def overlaid(base: Any, over: Any, field: str = "") -> Any:
    """``base`` with ``over`` laid over it; neither is changed. ``field`` is the name both stand under."""
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: overlaid(base[key], over[key], key) if key in base else over[key] for key in over}
    if isinstance(base, list) and isinstance(over, list) and field in KEYS:
        return _merged(base, over, KEYS[field])
    if field == "tolerations" and isinstance(base, list) and isinstance(over, list):
        return base + over
    return over


def _merged(base: list[Any], over: list[Any], key: str) -> list[Any]:
    """Entries of ``base`` in their order, each with its namesake of ``over`` laid over it, then the new ones."""
    by_key = {entry.get(key): entry for entry in over}
    known = {entry.get(key) for entry in base}
    merged = [overlaid(entry, by_key[entry.get(key)]) if entry.get(key) in by_key else entry for entry in base]
    return merged + [entry for entry in over if entry.get(key) not in known]
