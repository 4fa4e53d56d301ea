"""Which files a container sees: its own root, made of the machine's folders with the pod's volumes put in.

Works on the calling process, which is about to become the container: enters namespaces, builds a root on a tmpfs,
binds every top-level folder into it and the volumes at their mount paths, and changes into it. Nothing of this is
visible outside, and it is gone when the last process of the container ends. Never touches a folder of the machine:
a mount path that the machine lacks is made in a tmpfs that shadows its parent.
"""

import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from trainingjob_sandbox.node import syscalls


class Root:
    """A root folder under construction.

    ``_machine`` holds the paths below which the machine's own files show, ``_ours`` those where new names may be made
    (a path in both is ours: something was put over the machine's).
    """

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self._machine: set[str] = set()
        self._ours: set[str] = set()

    def build(self) -> None:
        """Fills the root with the machine's top-level entries."""
        Path(self.folder).mkdir(parents=True, exist_ok=True)
        self._shadow("/", "/")

    def attach(self, mount: Mapping[str, Any]) -> None:
        """Puts one volume at its mount path: a bound file or folder, or a tmpfs of its own."""
        target = os.path.realpath(mount["target"])
        source = mount["source"]
        self._make(target, is_folder=source is None or Path(source).is_dir())
        if source is None:
            size = mount["size"]
            syscalls.mount(
                "tmpfs", self._inside(target), "tmpfs", options="mode=1777" + (f",size={size}" if size else "")
            )
        else:
            syscalls.bind(source, self._inside(target), read_only=mount["read_only"])
        self._ours.add(target)

    def provide(self, folder: str) -> None:
        """Makes a folder unless there is one."""
        self._make(os.path.realpath(folder), is_folder=True)

    def _inside(self, path: str) -> str:
        return self.folder + path

    def _make(self, path: str, *, is_folder: bool) -> None:
        place = Path(self._inside(path))
        if place.exists():
            return
        parent = self._existing_parent(path)
        if self._shows_machine(parent):
            self._shadow(parent, self._inside(parent))
        if is_folder:
            place.mkdir(parents=True)
        else:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.touch()

    def _existing_parent(self, path: str) -> str:
        parent = str(Path(path).parent)
        return parent if Path(self._inside(parent)).exists() else self._existing_parent(parent)

    def _shows_machine(self, path: str) -> bool:
        while path not in self._ours:
            if path in self._machine:
                return True
            path = str(Path(path).parent)
        return False

    def _shadow(self, path: str, source: str) -> None:
        """Puts a tmpfs over a folder of the new root, and what the folder showed so far into the tmpfs."""
        covered = os.open(source, os.O_RDONLY | os.O_DIRECTORY)
        mode = stat.S_IMODE(os.fstat(covered).st_mode)
        syscalls.mount("tmpfs", self._inside(path), "tmpfs", options=f"mode={mode:o}")
        if path == "/":
            # Else binding the folder that holds this root would bind the root into itself.
            syscalls.mount("", self.folder, flags=syscalls.MS_UNBINDABLE)
        self._ours.add(path)
        with os.scandir(covered) as entries:
            for entry in entries:
                self._copy(entry, covered, str(Path(path, entry.name)))
        os.close(covered)

    def _copy(self, entry: "os.DirEntry[str]", folder: int, path: str) -> None:
        place = Path(self._inside(path))
        try:
            if entry.is_symlink():
                place.symlink_to(os.readlink(entry.name, dir_fd=folder))
                return
            place.mkdir() if entry.is_dir(follow_symlinks=False) else place.touch()
            # Through the descriptor: the name leads to the tmpfs now, the descriptor to what lies below.
            syscalls.bind(f"/proc/self/fd/{folder}/{entry.name}", str(place))
        except FileNotFoundError:
            # It went away between listing and binding, as files in /tmp do.
            return
        self._machine.add(path)


def enter(root: str, hostname: str, mounts: Sequence[Mapping[str, Any]], folder: str) -> None:
    """Makes the calling process see the root with these mounts; ``folder`` (where it will work) is made if missing.

    Raises:
        OSError: namespaces are forbidden here, or a mount path cannot be made.
    """
    _own_namespaces()
    syscalls.mount("", "/", flags=syscalls.MS_REC | syscalls.MS_PRIVATE)
    new = Root(root)
    new.build()
    for mount in sorted(mounts, key=lambda mount: len(str(mount["target"]))):
        new.attach(mount)
    new.provide(folder)
    syscalls.sethostname(hostname)
    os.chroot(root)
    os.chdir("/")


def join(process: int) -> None:
    """Makes the calling process see what another container's process sees (for exec probes).

    Raises:
        OSError: the process is gone.
    """
    root = os.open(f"/proc/{process}/root", os.O_RDONLY | os.O_DIRECTORY)
    for kind in ("user", "mnt", "uts"):
        path = f"/proc/{process}/ns/{kind}"
        if not Path(path).samefile(f"/proc/self/ns/{kind}"):
            with Path(path).open("rb") as namespace:
                syscalls.setns(namespace.fileno())
    os.fchdir(root)
    os.chroot(".")
    os.close(root)


def _own_namespaces() -> None:
    flags = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS
    try:
        syscalls.unshare(flags)
    except PermissionError:
        user, group = os.getuid(), os.getgid()
        syscalls.unshare(flags | syscalls.CLONE_NEWUSER)
        # The same user inside as outside: files keep their owners, and the rights of namespace root end with exec.
        Path("/proc/self/setgroups").write_text("deny")
        Path("/proc/self/uid_map").write_text(f"{user} {user} 1")
        Path("/proc/self/gid_map").write_text(f"{group} {group} 1")
