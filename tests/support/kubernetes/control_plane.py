"""A control plane of our own: real etcd, kube-apiserver and kube-controller-manager on loopback, without nodes.

Decides which flags and controllers they run with. It never listens beyond loopback, and nothing of it outlives the test
run. Kinds that its garbage collector must know from the start go into ``manifests``: it looks for new ones only every
half minute.
"""

import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import yaml

from support.kubernetes.authority import Authority, signing_key, write_kubeconfig
from support.kubernetes.binaries import control_plane_binaries
from support.kubernetes.cluster import Cluster
from support.kubernetes.daemon import Daemon
from support.ports import ADDRESS, free_ports

SERVICE_CIDR = "10.96.0.0/16"
ISSUER = "https://kubernetes.default.svc.cluster.local"

# Left out on purpose: the binder of persistent volumes (it would call a hand-bound claim Lost), the node's life cycle
# (nodes of tests send no heartbeats), and everything that makes pods of its own.
CONTROLLERS = (
    "clusterrole-aggregation-controller",
    "garbage-collector-controller",
    "namespace-controller",
    "persistentvolume-protection-controller",  # takes the finalizers away that admission puts on volumes and claims
    "persistentvolumeclaim-protection-controller",
    "pod-garbage-collector-controller",
    "resourcequota-controller",
    "root-ca-certificate-publisher-controller",
    "serviceaccount-controller",
    "serviceaccount-token-controller",
)

AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1",
    "kind": "Policy",
    "omitStages": ["RequestReceived"],
    "rules": [{"level": "Metadata"}],
}


@dataclass(frozen=True, slots=True)
class ControlPlane(Cluster):
    """A started control plane. ``api_server`` may be killed and started again to play an outage."""

    api_server: Daemon | None = None
    controllers: Daemon | None = None


@contextmanager
def start_control_plane(
    folder: Path, *, manifests: Sequence[Path] = (), audit_log: Path | None = None
) -> Iterator[ControlPlane]:
    """A control plane that is ready: the API answers and namespaces get their service account.

    ``manifests`` are applied before the controllers start. ``audit_log`` gets one JSON line for each request.
    """
    folder.mkdir(parents=True, exist_ok=True)
    authority = Authority()
    _write_credentials(folder, authority)
    api_port, etcd_port, *more_ports = free_ports(4)
    server, store = f"https://{ADDRESS}:{api_port}", f"http://{ADDRESS}:{etcd_port}"
    admin = authority.issue("admin", ["system:masters"])
    kubeconfig = write_kubeconfig(folder / "admin.kubeconfig", server, authority.pem, certificate=admin)

    etcd = _daemon("etcd", folder, _etcd_flags(folder, store, more_ports[0]))
    api_flags = _api_server_flags(folder, api_port, store) + _audit_flags(folder, audit_log)
    api_server = _daemon("kube-apiserver", folder, api_flags)
    controllers = _daemon("kube-controller-manager", folder, _controller_flags(folder, kubeconfig, more_ports[1]))
    control_plane = ControlPlane(kubeconfig, folder, authority, api_server, controllers)
    try:
        _start(etcd, f"{store}/health")
        _start(api_server, f"{server}/readyz", ssl.create_default_context(cadata=authority.pem.decode()))
        for manifest in manifests:
            control_plane.kubectl("apply", "--server-side", "-f", str(manifest))
        controllers.start()
        controllers.wait_until("the default service account is there", lambda: _has_service_account(control_plane))
        yield control_plane
    finally:
        for daemon in (controllers, api_server, etcd):
            daemon.kill()  # a cluster without a future needs no graceful end


def _write_credentials(folder: Path, authority: Authority) -> None:
    (folder / "ca.crt").write_bytes(authority.pem)
    authority.issue("kube-apiserver", addresses=[ADDRESS, "localhost"]).write(folder, "serving")
    authority.issue("kube-apiserver-kubelet", ["system:masters"]).write(folder, "kubelet-client")
    private, public = signing_key()
    (folder / "service-accounts.key").write_bytes(private)
    (folder / "service-accounts.pub").write_bytes(public)


def _daemon(name: str, folder: Path, flags: Sequence[str]) -> Daemon:
    return Daemon(name, [str(control_plane_binaries()[name]), *flags], folder / f"{name}.log")


def _start(daemon: Daemon, health: str, trust: ssl.SSLContext | None = None) -> None:
    daemon.start()
    daemon.wait_until(f"{health} answers", lambda: answers(health, trust))


def _etcd_flags(folder: Path, client: str, peer_port: int) -> list[str]:
    peer = f"http://{ADDRESS}:{peer_port}"
    return [
        f"--data-dir={folder / 'etcd'}",
        "--unsafe-no-fsync",
        "--log-level=warn",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
    ]


def _api_server_flags(folder: Path, port: int, store: str) -> list[str]:
    return [
        f"--etcd-servers={store}",
        f"--bind-address={ADDRESS}",
        f"--advertise-address={ADDRESS}",
        "--endpoint-reconciler-type=none",  # a loopback address is no valid endpoint
        f"--secure-port={port}",
        f"--service-cluster-ip-range={SERVICE_CIDR}",
        f"--tls-cert-file={folder / 'serving.crt'}",
        f"--tls-private-key-file={folder / 'serving.key'}",
        f"--client-ca-file={folder / 'ca.crt'}",
        "--authorization-mode=Node,RBAC",
        f"--service-account-issuer={ISSUER}",
        f"--service-account-signing-key-file={folder / 'service-accounts.key'}",
        f"--service-account-key-file={folder / 'service-accounts.pub'}",
        # No authority for kubelets: a node of the tests serves its logs with a certificate that it signed itself.
        f"--kubelet-client-certificate={folder / 'kubelet-client.crt'}",
        f"--kubelet-client-key={folder / 'kubelet-client.key'}",
        "--kubelet-preferred-address-types=InternalIP",
    ]


def _audit_flags(folder: Path, audit_log: Path | None) -> list[str]:
    if audit_log is None:
        return []
    policy = folder / "audit-policy.yaml"
    policy.write_text(yaml.safe_dump(AUDIT_POLICY))
    return [f"--audit-policy-file={policy}", f"--audit-log-path={audit_log}", "--audit-log-mode=blocking"]


def _controller_flags(folder: Path, kubeconfig: Path, port: int) -> list[str]:
    kubeconfigs = ("kubeconfig", "authentication-kubeconfig", "authorization-kubeconfig")
    return [
        f"--bind-address={ADDRESS}",
        f"--secure-port={port}",
        f"--cert-dir={folder / 'controllers'}",
        "--leader-elect=false",
        "--use-service-account-credentials=true",
        f"--service-account-private-key-file={folder / 'service-accounts.key'}",
        f"--root-ca-file={folder / 'ca.crt'}",
        f"--controllers={','.join(CONTROLLERS)}",
        *(f"--{flag}={kubeconfig}" for flag in kubeconfigs),
    ]


def answers(url: str, trust: ssl.SSLContext | None = None) -> bool:
    """Whether an HTTP endpoint says 200 right now."""
    try:
        with urllib.request.urlopen(url, context=trust, timeout=5) as answer:
            return bool(answer.status == 200)
    except (urllib.error.URLError, OSError):
        return False


def _has_service_account(cluster: Cluster) -> bool:
    return cluster.try_kubectl("get", "serviceaccount", "default", "-n", "default").returncode == 0
