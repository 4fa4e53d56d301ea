"""What a reflector does with a list that it was given."""

from collections.abc import Sequence
from typing import Any

from trainingjob_operator.cluster.reflector import Sink


def reflect(sink: Sink, items: Sequence[dict[str, Any]], version: str = "1") -> None:
    """The sink after a whole list."""
    for raw in items:
        sink.put(raw)
    sink.retain({raw["metadata"]["uid"] for raw in items}, version)
