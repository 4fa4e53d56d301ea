"""Which GPUs the node offers: those an option names, or those the machine shows. Decides nothing about pods."""

import re
from collections.abc import Iterable, Mapping


def offered(count: int | None, environ: Mapping[str, str], devices: Iterable[str]) -> tuple[str, ...]:
    """The ids that CUDA_VISIBLE_DEVICES takes.

    ``devices`` are names in /dev (``nvidia0``). A CUDA_VISIBLE_DEVICES of the node itself limits what it offers; a
    ``count`` takes the first so many, invented ones if the machine has fewer (to try out a YAML for a larger node).
    """
    visible = environ.get("CUDA_VISIBLE_DEVICES")
    if visible is None:
        numbers = sorted(int(match[1]) for name in devices if (match := re.fullmatch(r"nvidia(\d+)", name)))
        found = tuple(str(number) for number in numbers)
    else:
        found = tuple(part for part in visible.replace(" ", "").split(",") if part)
    if count is None:
        return found
    return (*found, *(str(number) for number in range(len(found), count)))[:count]
