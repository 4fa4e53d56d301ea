"""What a pod is spared at its start: work of imports that nothing comes of.

torchmetrics, which Lightning imports, loads the whole of scipy.signal (1.4-1.7 s of CPU where scikit-learn is
installed) only to look for one old name in it. For that moment it sees an empty module of that name; afterwards
`import scipy.signal` works as ever.

Hundreds of thousands of objects come with torch and Lightning and stay to the end. Python looks through them for
garbage again and again while they come: 1.0 s of 4.1 s of CPU.
"""

import gc
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

_HEAVY = "scipy.signal"


@contextmanager
def without_scipy_signal() -> Iterator[None]:
    """While Lightning is imported, an empty scipy.signal stands in for the real one, unless that is loaded already."""
    if _HEAVY in sys.modules:
        yield
        return
    stand_in = ModuleType(_HEAVY)
    stand_in.hamming = None  # type: ignore[attr-defined]  # the name that torchmetrics looks for
    sys.modules[_HEAVY] = stand_in
    try:
        yield
    finally:
        del sys.modules[_HEAVY]


@contextmanager
def without_collections() -> Iterator[None]:
    """Collect no garbage meanwhile, and never look through what is there by then (12 MiB of it are garbage)."""
    gc.disable()
    try:
        yield
    finally:
        gc.freeze()
        gc.enable()
