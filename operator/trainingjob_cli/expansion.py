"""How large a YAML document is once its aliases are written out. Never writes them out.

A few lines of aliases that name each other can stand for gigabytes ("billion laughs"). The API server refuses such a
document; whoever wants to look at it before that must be able to refuse it as well.
"""

from typing import Any

ENDLESS = 1 << 62
"""The size of a document that contains itself."""


def expanded_size(value: Any) -> int:
    """About how many characters a parsed document has as JSON, each alias written out; ENDLESS if it holds itself."""
    return min(_size(value, {}), ENDLESS)


def _size(value: Any, known: dict[int, int]) -> int:
    """``known`` has by identity what was measured; a container that is being measured counts as endless."""
    if not isinstance(value, (dict, list)):
        return len(str(value)) + 2
    if id(value) not in known:
        known[id(value)] = ENDLESS
        parts = [*value.keys(), *value.values()] if isinstance(value, dict) else value
        known[id(value)] = 2 + sum(_size(part, known) + 1 for part in parts)
    return known[id(value)]
