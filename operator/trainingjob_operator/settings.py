"""How this operator process was asked to run: command line first, then environment, then what the machine says."""

import re
from dataclasses import dataclass
from pathlib import Path

DEFAULT_DOMAIN = "cluster.local"
SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")


@dataclass(frozen=True, slots=True)
class LeaseSettings:
    """The Lease that operators compete for, and for how many seconds one that is not renewed keeps others waiting."""

    namespace: str
    name: str
    seconds: int


@dataclass(frozen=True, slots=True)
class Settings:
    """``namespaces`` empty means all, a port that is None serves nothing, ``workers`` is jobs looked at at once.

    ``lease`` None means that there is no other operator.
    ``operator_namespace`` is where this process runs itself, None outside a cluster.
    """

    kubeconfig: Path | None = None
    namespaces: tuple[str, ...] = ()
    cluster_domain: str = DEFAULT_DOMAIN
    operator_namespace: str | None = None
    liveness_port: int | None = None
    metrics_port: int | None = None
    lease: LeaseSettings | None = None
    workers: int = 64
    verbose: bool = False


def found_cluster_domain(resolv_conf: Path = Path("/etc/resolv.conf")) -> str:
    """The cluster's DNS domain as a pod's resolver knows it (`svc.<domain>` among its search domains)."""
    try:
        text = resolv_conf.read_text()
    except OSError:
        return DEFAULT_DOMAIN
    match = re.search(r"^search\s.*?\bsvc\.([a-z0-9.-]+)", text, re.MULTILINE)
    return match[1].rstrip(".") if match else DEFAULT_DOMAIN


def found_operator_namespace(file: Path = SERVICE_ACCOUNT / "namespace") -> str | None:
    """The namespace of the pod that this process runs in; None if it runs in none."""
    try:
        return file.read_text().strip() or None
    except OSError:
        return None
