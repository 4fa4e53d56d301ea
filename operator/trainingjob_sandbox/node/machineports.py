"""Which ports of this machine are free: no other program listens there, and no other sandbox has promised them.

Pods share the machine's network, so two sandboxes with two jobs that both want port 29500 must take turns, as two jobs
in one sandbox do (placement.py). A promise is a lock on a file: the kernel takes it back when its holder dies.
"""

import errno
import fcntl
import os
import socket
import tempfile
from collections.abc import Iterable
from pathlib import Path

Port = tuple[str, int]


class MachinePorts:
    """Promises of ports to pods, by UID. ``folder`` is shared by all sandboxes of one user."""

    def __init__(self, folder: Path | None = None) -> None:
        self._folder = folder or Path(tempfile.gettempdir()) / f"trainingjob-ports-{os.getuid()}"
        self._held: dict[str, list[int]] = {}

    def take(self, uid: str, ports: Iterable[Port]) -> int | None:
        """Promise ports to a pod, all or none; the number of one that is not free, else None."""
        if uid in self._held:
            return None
        locks: list[int] = []
        for protocol, port in sorted(ports):
            lock = self._lock(port)
            if lock is None or not _is_free(protocol, port):
                _close([*locks, *([lock] if lock is not None else [])])
                return port
            locks.append(lock)
        self._held[uid] = locks
        return None

    def give_back(self, uid: str) -> None:
        """The pod has ended."""
        _close(self._held.pop(uid, []))

    def give_all_back(self) -> None:
        """The node has ended, and all its pods."""
        for uid in list(self._held):
            self.give_back(uid)

    def _lock(self, port: int) -> int | None:
        self._folder.mkdir(mode=0o700, exist_ok=True)
        descriptor = os.open(self._folder / str(port), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(descriptor)
            return None
        return descriptor


def _is_free(protocol: str, port: int) -> bool:
    kind = socket.SOCK_DGRAM if protocol == "UDP" else socket.SOCK_STREAM
    with socket.socket(socket.AF_INET, kind) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("0.0.0.0", port))  # noqa: S104 - nobody is listened to, the port is only tried
        except OSError as error:
            if error.errno == errno.EADDRINUSE:
                return False
            raise
    return True


def _close(descriptors: Iterable[int]) -> None:
    for descriptor in descriptors:
        os.close(descriptor)
