"""The node as an object of the cluster: what it offers, and the sign of life that keeps it Ready.

Decides nothing about pods. A real controller manager marks a node NotReady whose Lease is not renewed for 40 s.
"""

import asyncio
import logging
import os
import platform
import socket
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import aiohttp

from trainingjob_operator.api.resources import LEASES, NAMESPACES, NODES, Resource
from trainingjob_operator.cluster.api import Api, ApiError
from trainingjob_sandbox.node.status import rfc3339

Object = dict[str, Any]
logger = logging.getLogger(__name__)

LEASE_NAMESPACE = "kube-node-lease"
LEASE_SECONDS = 40
RENEW_SECONDS = 10.0
RETRY_SECONDS = 1.0
MAX_PODS = 1000


@dataclass(frozen=True, slots=True)
class Registration:
    """What the node says of itself. ``log_port``: where its kubelet endpoint listens."""

    name: str
    labels: Mapping[str, str]
    capacity: Mapping[str, str]
    log_port: int


def machine_capacity(gpu_resource: str, gpus: int) -> dict[str, str]:
    """The machine's CPUs, memory and GPUs as a node's capacity."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") // 1024
    found = {"cpu": str(os.cpu_count() or 1), "memory": f"{memory}Ki", "pods": str(MAX_PODS)}
    return found | ({gpu_resource: str(gpus)} if gpus else {})


def machine_labels(name: str) -> dict[str, str]:
    """The labels that every node has."""
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
    system = platform.system().lower()
    return {"kubernetes.io/hostname": name, "kubernetes.io/os": system, "kubernetes.io/arch": architecture}


def node_object(registration: Registration, now: datetime) -> Object:
    """The Node with its whole status, Ready."""
    ready = {"type": "Ready", "status": "True", "reason": "SandboxReady", "message": "pods run as local processes"}
    stamps = {"lastHeartbeatTime": rfc3339(now), "lastTransitionTime": rfc3339(now)}
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": registration.name, "labels": dict(registration.labels)},
        "status": {
            "capacity": dict(registration.capacity),
            "allocatable": dict(registration.capacity),
            "addresses": [{"type": "InternalIP", "address": "127.0.0.1"}],
            "daemonEndpoints": {"kubeletEndpoint": {"Port": registration.log_port}},
            "conditions": [ready | stamps],
            "nodeInfo": _info(),
        },
    }


async def register(api: Api, registration: Registration) -> None:
    """Makes the Node, or brings an earlier life's up to date."""
    wanted = node_object(registration, datetime.now(UTC))
    if await _create(api, NODES, None, wanted):
        return
    name = registration.name
    await api.patch(NODES, None, name, {"metadata": {"labels": wanted["metadata"]["labels"]}})
    await api.patch(NODES, None, name, {"status": wanted["status"]}, subresource="status")


async def keep_alive(api: Api, name: str) -> None:
    """Renews the node's Lease until cancelled."""
    while True:
        try:
            await renew(api, name, datetime.now(UTC))
            await asyncio.sleep(RENEW_SECONDS)
        except (ApiError, aiohttp.ClientError, TimeoutError, OSError) as error:
            logger.warning("lease of node %s: %s; trying again", name, error or type(error).__name__)
            await asyncio.sleep(RETRY_SECONDS)


async def renew(api: Api, name: str, now: datetime) -> None:
    """One sign of life; makes the Lease and its namespace if they are missing."""
    spec = {
        "holderIdentity": name,
        "leaseDurationSeconds": LEASE_SECONDS,
        "renewTime": now.isoformat(timespec="microseconds").replace("+00:00", "Z"),
    }
    try:
        await api.patch(LEASES, LEASE_NAMESPACE, name, {"spec": spec})
    except ApiError as error:
        if error.status != 404:
            raise
        metadata = {"name": LEASE_NAMESPACE}
        await _create(api, NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
        lease = {"apiVersion": LEASES.api_version, "kind": "Lease", "metadata": {"name": name}, "spec": spec}
        await _create(api, LEASES, LEASE_NAMESPACE, lease)


async def _create(api: Api, resource: Resource, namespace: str | None, body: Object) -> bool:
    """Whether it was made; False if it is there already."""
    try:
        await api.create(resource, namespace, body)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
        return False
    return True


def _info() -> Object:
    system = platform.uname()
    identity = socket.gethostname()
    return {
        "machineID": identity,
        "systemUUID": identity,
        "bootID": identity,
        "kernelVersion": system.release,
        "osImage": f"{system.system} {system.release}",
        "containerRuntimeVersion": f"sandbox://{platform.python_version()}",
        "kubeletVersion": "v1.36.0",
        "kubeProxyVersion": "",
        "operatingSystem": system.system.lower(),
        "architecture": system.machine,
    }
