"""Numbers as Kubernetes writes them: `500m`, `2`, `1Gi`, `3e3`.

Pure. Source: the serialisation rules of resource.Quantity in the Kubernetes API reference.
"""

import math
import re
from decimal import Decimal

_FORM = re.compile(r"([+-]?[0-9.]+)([eE][+-]?[0-9]+|[KMGTPE]i|[numkMGTPE])?")
_BINARY = {f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)}
_DECIMAL = {letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)}
_FACTORS = _BINARY | _DECIMAL | {"": Decimal(1), "m": Decimal("1e-3"), "u": Decimal("1e-6"), "n": Decimal("1e-9")}


def parse(text: str | int | float) -> Decimal:
    """The number.

    Raises:
        ValueError: it is not a quantity.
    """
    match = _FORM.fullmatch(str(text))
    if match is None:
        raise ValueError(f"{text!r} is not a quantity; write for example 500m, 2 or 1Gi")
    number, suffix = match.group(1), match.group(2) or ""
    if suffix in _FACTORS:
        return Decimal(number) * _FACTORS[suffix]
    return Decimal(number + suffix)


def whole(text: str | int | float, divisor: str = "1") -> int:
    """The number in units of the divisor, rounded up, as the downward API gives it."""
    return math.ceil(parse(text) / (parse(divisor) or 1))
