"""The real operator as a process of its own, so that tests can kill, pause and restart it.

Decides nothing: it passes the command line and waits until the operator says that it is alive.
"""

import itertools
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

from support.kubernetes.control_plane import answers
from support.kubernetes.daemon import Daemon
from support.ports import ADDRESS, free_ports

_numbers = itertools.count(1)


@contextmanager
def start_operator(
    kubeconfig: Path,
    folder: Path,
    *,
    namespaces: Sequence[str] = (),
    environment: Mapping[str, str] | None = None,
    options: Sequence[str] = (),
) -> Iterator[Daemon]:
    """A live operator (of all namespaces, or the given ones); stopped, at last killed, when the block ends.

    ``options`` are further ones of its command line. Its log is in ``folder``. Within the block a test may ``kill()``
    and ``start()`` it at will.
    """
    number, (port,) = next(_numbers), free_ports(1)
    argv = [sys.executable, "-m", "trainingjob_operator", "--kubeconfig", str(kubeconfig), "--liveness-port", str(port)]
    for namespace in namespaces:
        argv += ["--namespace", namespace]
    argv += options
    operator = Daemon(f"operator {number}", argv, folder / f"operator-{number}.log", environment or {})
    operator.start()
    try:
        operator.wait_until("it says that it is alive", lambda: answers(f"http://{ADDRESS}:{port}/healthz"))
        yield operator
    finally:
        operator.stop()
