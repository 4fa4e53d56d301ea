"""Who is called what on this node: each pod's address, and the hosts files that hold them all.

Decides addresses and keeps the files true while containers run; what a file says is decided in hosts.py. Files are
written in place, because containers have them bound: another file of the same name would not be theirs.
"""

import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from trainingjob_sandbox.node.addresses import pod_address
from trainingjob_sandbox.node.hosts import Neighbour, addresses, hosts_file, neighbour

Object = dict[str, Any]


class Neighbourhood:
    """The pods of the node by name. ``own_addresses``: whether each pod has an address of its own."""

    def __init__(self, cluster_domain: str, *, own_addresses: bool) -> None:
        self._domain = cluster_domain
        self._own = own_addresses
        self._known: dict[str, Neighbour] = {}
        self._files: dict[str, tuple[Path, Object, str]] = {}

    def add(self, pod: Object) -> None:
        """Gives a pod its address, unless it has one."""
        metadata = pod["metadata"]
        if metadata["uid"] in self._known:
            return
        taken = {known.address for known in self._known.values()}
        address = pod_address(metadata["namespace"], metadata["name"], taken, own=self._own)
        self._known[metadata["uid"]] = neighbour(pod, address, self._domain)
        self._write_files(metadata["namespace"])

    def remove(self, pod: Object) -> None:
        """Forgets a pod and its names."""
        metadata = pod["metadata"]
        self._files.pop(metadata["uid"], None)
        if self._known.pop(metadata["uid"], None):
            self._write_files(metadata["namespace"])

    def address(self, pod: Object) -> str:
        """The pod's address; it must have been added."""
        return self._known[pod["metadata"]["uid"]].address

    def keep_file(self, pod: Object, path: Path) -> None:
        """Writes the pod's hosts file, and keeps it true from now on."""
        self._files[pod["metadata"]["uid"]] = (path, pod, "")
        self._write_file(pod["metadata"]["uid"])

    def names(self, pod: Object) -> Mapping[str, str]:
        """Every name that the pod's hosts file holds, and its address."""
        return addresses(pod, self._of(pod["metadata"]["namespace"]))

    def _of(self, namespace: str) -> Iterable[Neighbour]:
        return [known for known in self._known.values() if known.namespace == namespace]

    def _write_files(self, namespace: str) -> None:
        for uid, (_, pod, _) in list(self._files.items()):
            if pod["metadata"]["namespace"] == namespace:
                self._write_file(uid)

    def _write_file(self, uid: str) -> None:
        path, pod, before = self._files[uid]
        text = hosts_file(pod, self._known[uid], self._of(pod["metadata"]["namespace"]))
        if text != before:
            _overwrite(path, text.encode())
            self._files[uid] = (path, pod, text)


def _overwrite(path: Path, content: bytes) -> None:
    """In place, and never empty in between: somebody may be looking up a name."""
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT, 0o644)
    try:
        os.pwrite(descriptor, content, 0)
        os.ftruncate(descriptor, len(content))
    finally:
        os.close(descriptor)
