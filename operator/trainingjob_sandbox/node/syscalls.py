"""The handful of Linux calls that Python's os module lacks: mount, unshare, setns, prctl, sethostname.

Decides nothing. Each function raises OSError with the kernel's errno and the thing it was asked for.
Numbers are those of <sys/mount.h>, <sched.h> and <sys/prctl.h>, the same on every architecture.
"""

import ctypes
import os

MS_RDONLY = 0x1
MS_REMOUNT = 0x20
MS_BIND = 0x1000
MS_REC = 0x4000
MS_PRIVATE = 0x40000
MS_UNBINDABLE = 0x20000

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWUSER = 0x10000000

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

# ST_RDONLY ... ST_NOATIME of statvfs have the values of the MS_ flags, but ST_RELATIME, which has its own.
_ST_KEPT = 0x40F
_ST_RELATIME, _MS_RELATIME = 0x1000, 0x200000

_libc = ctypes.CDLL(None, use_errno=True)


def mount(source: str, target: str, kind: str = "", flags: int = 0, options: str = "") -> None:
    """mount(2); empty strings stand for NULL."""
    arguments = (_text(source), _text(target), _text(kind), ctypes.c_ulong(flags), _text(options))
    _check(_libc.mount(*arguments), target)


def bind(source: str, target: str, *, read_only: bool = False) -> None:
    """Shows source, with everything mounted below it, at target as well."""
    mount(source, target, flags=MS_BIND | MS_REC)
    if read_only:
        # A user namespace may not drop flags that the mount came with (nosuid, nodev ...): they are repeated.
        mount("", target, flags=MS_BIND | MS_REMOUNT | MS_RDONLY | _flags(target))


def unshare(flags: int) -> None:
    """unshare(2): leaves the namespaces named by the CLONE_NEW* flags for new ones."""
    _check(_libc.unshare(flags), "namespaces")


def setns(descriptor: int) -> None:
    """setns(2): enters the namespace behind an open /proc/PID/ns/* file."""
    _check(_libc.setns(descriptor, 0), "namespace")


def prctl(option: int, value: int) -> None:
    """prctl(2) with one argument."""
    _check(_libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0), f"prctl {option}")


def sethostname(name: str) -> None:
    """sethostname(2), of the own UTS namespace."""
    encoded = name.encode()
    _check(_libc.sethostname(encoded, ctypes.c_size_t(len(encoded))), name)


def _flags(path: str) -> int:
    found = os.statvfs(path).f_flag
    return (found & _ST_KEPT) | (_MS_RELATIME if found & _ST_RELATIME else 0)


def _text(value: str) -> bytes | None:
    return os.fsencode(value) if value else None


def _check(result: int, what: str) -> None:
    if result != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number), what)
