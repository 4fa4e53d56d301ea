"""The /etc/hosts of a pod: its own name, its aliases, and the names of the pods around it in place of DNS.

Pure. A pod with a hostname and a subdomain is called `hostname.subdomain.namespace.svc.<cluster domain>`, as in a
cluster; the kubelet writes exactly this name for the pod itself, DNS answers it for the others.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

_HEAD = "# The names of this pod and its neighbours.\n127.0.0.1\tlocalhost\n::1\tlocalhost ip6-localhost ip6-loopback\n"


@dataclass(frozen=True, slots=True)
class Neighbour:
    """A pod as others find it: its address and its names, the longest first."""

    uid: str
    namespace: str
    address: str
    names: tuple[str, ...]


def hostname(pod: Object) -> str:
    """What the pod calls itself (at most 63 characters, as the kernel wants it)."""
    name: str = pod["spec"].get("hostname") or pod["metadata"]["name"]
    return name[:63].rstrip("-.")


def names(pod: Object, cluster_domain: str) -> tuple[str, ...]:
    """The names under which other pods find this one; none without a subdomain."""
    host, subdomain = pod["spec"].get("hostname"), pod["spec"].get("subdomain")
    if not host or not subdomain:
        return ()
    short = f"{host}.{subdomain}"
    service = f"{short}.{pod['metadata']['namespace']}.svc"
    return (f"{service}.{cluster_domain}", service, short)


def neighbour(pod: Object, address: str, cluster_domain: str) -> Neighbour:
    """The pod as others see it."""
    metadata = pod["metadata"]
    return Neighbour(metadata["uid"], metadata["namespace"], address, names(pod, cluster_domain))


def hosts_file(pod: Object, own: Neighbour, others: Iterable[Neighbour]) -> str:
    """The whole file. Others of the same namespace only, in a fixed order, so that equal facts give equal files."""
    lines = [_line(own.address, [*own.names, hostname(pod)])]
    lines += [_line(alias["ip"], alias["hostnames"]) for alias in pod["spec"].get("hostAliases") or []]
    around = sorted((n for n in others if n.uid != own.uid and n.namespace == own.namespace), key=lambda n: n.names)
    lines += [_line(other.address, other.names) for other in around if other.names]
    return _HEAD + "".join(lines)


def addresses(pod: Object, known: Iterable[Neighbour]) -> Mapping[str, str]:
    """Every name that the file would hold, with its address (where a name is translated instead of looked up)."""
    found = {name: other.address for other in known for name in other.names}
    aliases = pod["spec"].get("hostAliases") or []
    return found | {name: alias["ip"] for alias in aliases for name in alias["hostnames"]}


def _line(address: str, names: Iterable[str]) -> str:
    return f"{address}\t{' '.join(names)}\n"
