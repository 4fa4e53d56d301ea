"""The columns of built-in kinds, and how their cells are read from an object.

Decides what one cell says. A pod's status is its own question, see ``pod_state``.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeAlias

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.apiserver.ages import UNKNOWN, age
from trainingjob_sandbox.apiserver.pod_state import ready, restarts, state
from trainingjob_sandbox.store.kinds import Column
from trainingjob_sandbox.store.record import metadata_of

Cells: TypeAlias = Callable[[Object, datetime], list[Any]]
NONE = "<none>"
NAME = Column("Name", "string", ".metadata.name", "name", "The object's name, unique in its namespace.")


@dataclass(frozen=True, slots=True)
class Printed:
    """A kind's columns (names of wide ones begin with +), and the function that fills them."""

    columns: tuple[Column, ...]
    cells: Cells


def cells_of(key: tuple[str, str], found: Object, now: datetime) -> list[Any]:
    """The cells of an object of a built-in kind; kinds without columns of their own have name and age."""
    printed = BUILTIN.get(key)
    return printed.cells(found, now) if printed else _name_and_age(found, now)


def _columns(*names: str) -> tuple[Column, ...]:
    return tuple(
        NAME if name == "Name" else Column(name.lstrip("+"), "string", "", priority=1 if name[0] == "+" else 0)
        for name in names
    )


def _name(found: Object) -> str:
    return str(metadata_of(found)["name"])


def _age(found: Object, now: datetime) -> str:
    return age(metadata_of(found).get("creationTimestamp"), now)


def _name_and_age(found: Object, now: datetime) -> list[Any]:
    return [_name(found), _age(found, now)]


def _pod(pod: Object, now: datetime) -> list[Any]:
    spec, status = pod.get("spec") or {}, pod.get("status") or {}
    return [
        _name(pod),
        ready(pod),
        state(pod),
        restarts(pod, now),
        _age(pod, now),
        status.get("podIP") or NONE,
        spec.get("nodeName") or NONE,
        status.get("nominatedNodeName") or NONE,
        NONE,
    ]


def _service(service: Object, now: datetime) -> list[Any]:
    spec = service.get("spec") or {}
    ports = [_port(port) for port in spec.get("ports") or ()]
    return [
        _name(service),
        spec.get("type"),
        spec.get("clusterIP") or NONE,
        NONE,
        ",".join(ports) or NONE,
        _age(service, now),
        _selector(spec.get("selector")),
    ]


def _port(port: Mapping[str, Any]) -> str:
    node = f":{port['nodePort']}" if port.get("nodePort") else ""
    return f"{port.get('port')}{node}/{port.get('protocol', 'TCP')}"


def _selector(selector: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((selector or {}).items())) or NONE


def _node(node: Object, now: datetime) -> list[Any]:
    status, spec = node.get("status") or {}, node.get("spec") or {}
    conditions = {found["type"]: found["status"] for found in status.get("conditions") or ()}
    word = {"True": "Ready", None: "Unknown"}.get(conditions.get("Ready"), "NotReady")
    info = status.get("nodeInfo") or {}
    addresses = {found["type"]: found["address"] for found in status.get("addresses") or ()}
    return [
        _name(node),
        word + (",SchedulingDisabled" if spec.get("unschedulable") else ""),
        _roles(node),
        _age(node, now),
        info.get("kubeletVersion", ""),
        addresses.get("InternalIP", NONE),
        addresses.get("ExternalIP", NONE),
        info.get("osImage") or UNKNOWN,
        info.get("kernelVersion") or UNKNOWN,
        info.get("containerRuntimeVersion") or UNKNOWN,
    ]


def _roles(node: Object) -> str:
    prefix = "node-role.kubernetes.io/"
    labels = metadata_of(node).get("labels") or {}
    return ",".join(sorted(key.removeprefix(prefix) for key in labels if key.startswith(prefix))) or NONE


def _event(event: Object, now: datetime) -> list[Any]:
    involved = event.get("involvedObject") or {}
    series = event.get("series") or {}
    first = event.get("firstTimestamp") or event.get("eventTime") or metadata_of(event).get("creationTimestamp")
    last = series.get("lastObservedTime") or event.get("lastTimestamp") or first
    return [
        age(last, now),
        event.get("type", ""),
        event.get("reason", ""),
        f"{involved.get('kind', '').lower()}/{involved.get('name', '')}",
        involved.get("fieldPath", ""),
        _source(event),
        str(event.get("message", "")).strip(),
        age(first, now),
        series.get("count") or event.get("count") or 1,
        _name(event),
    ]


def _source(event: Object) -> str:
    source = event.get("source") or {}
    component = source.get("component") or event.get("reportingComponent")
    return ", ".join(part for part in (component, source.get("host")) if part)


def _claim(claim: Object, now: datetime) -> list[Any]:
    spec, status = claim.get("spec") or {}, claim.get("status") or {}
    bound = bool(spec.get("volumeName"))
    return [
        _name(claim),
        "Terminating" if "deletionTimestamp" in metadata_of(claim) else status.get("phase", ""),
        spec.get("volumeName", ""),
        (status.get("capacity") or {}).get("storage", "") if bound else "",
        _modes(status.get("accessModes") if bound else ()),
        spec.get("storageClassName", ""),
        "<unset>",
        _age(claim, now),
        spec.get("volumeMode", "Filesystem"),
    ]


def _volume(volume: Object, now: datetime) -> list[Any]:
    spec, status = volume.get("spec") or {}, volume.get("status") or {}
    claim = spec.get("claimRef") or {}
    return [
        _name(volume),
        (spec.get("capacity") or {}).get("storage", ""),
        _modes(spec.get("accessModes")),
        spec.get("persistentVolumeReclaimPolicy", "Retain"),
        "Terminating" if "deletionTimestamp" in metadata_of(volume) else status.get("phase", ""),
        f"{claim.get('namespace', '')}/{claim['name']}" if claim.get("name") else "",
        spec.get("storageClassName", ""),
        "<unset>",
        status.get("reason", ""),
        _age(volume, now),
        spec.get("volumeMode", "Filesystem"),
    ]


def _modes(modes: Any) -> str:
    short = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
    return ",".join(short.get(mode, mode) for mode in modes or ())


def _namespace(namespace: Object, now: datetime) -> list[Any]:
    return [_name(namespace), (namespace.get("status") or {}).get("phase", ""), _age(namespace, now)]


def _configmap(found: Object, now: datetime) -> list[Any]:
    return [_name(found), len(found.get("data") or {}) + len(found.get("binaryData") or {}), _age(found, now)]


def _secret(secret: Object, now: datetime) -> list[Any]:
    return [_name(secret), secret.get("type", ""), len(secret.get("data") or {}), _age(secret, now)]


def _policy(policy: Object, now: datetime) -> list[Any]:
    pods = (policy.get("spec") or {}).get("podSelector") or {}
    return [_name(policy), _selector(pods.get("matchLabels")), _age(policy, now)]


def _lease(lease: Object, now: datetime) -> list[Any]:
    return [_name(lease), (lease.get("spec") or {}).get("holderIdentity", ""), _age(lease, now)]


def _definition(definition: Object, _: datetime) -> list[Any]:
    return [_name(definition), metadata_of(definition).get("creationTimestamp")]


def _slice(found: Object, now: datetime) -> list[Any]:
    ports = ",".join(str(port.get("port")) for port in found.get("ports") or ())
    addresses = [one for endpoint in found.get("endpoints") or () for one in endpoint.get("addresses") or ()]
    return [
        _name(found),
        found.get("addressType", ""),
        ports or "<unset>",
        ",".join(addresses) or "<unset>",
        _age(found, now),
    ]


BUILTIN: Mapping[tuple[str, str], Printed] = {
    ("", "pods"): Printed(
        _columns("Name", "Ready", "Status", "Restarts", "Age", "+IP", "+Node", "+Nominated Node", "+Readiness Gates"),
        _pod,
    ),
    ("", "services"): Printed(
        _columns("Name", "Type", "Cluster-IP", "External-IP", "Port(s)", "Age", "+Selector"), _service
    ),
    ("", "nodes"): Printed(
        _columns("Name", "Status", "Roles", "Age", "Version", "+Internal-IP", "+External-IP", "+OS-Image")
        + _columns("+Kernel-Version", "+Container-Runtime"),
        _node,
    ),
    ("", "events"): Printed(
        (
            *_columns("Last Seen", "Type", "Reason", "Object", "+Subobject", "+Source", "Message", "+First Seen"),
            *_columns("+Count"),
            Column("Name", "string", "", "name", priority=1),
        ),
        _event,
    ),
    ("", "persistentvolumeclaims"): Printed(
        _columns("Name", "Status", "Volume", "Capacity", "Access Modes", "StorageClass", "VolumeAttributesClass")
        + _columns("Age", "+VolumeMode"),
        _claim,
    ),
    ("", "persistentvolumes"): Printed(
        _columns("Name", "Capacity", "Access Modes", "Reclaim Policy", "Status", "Claim", "StorageClass")
        + _columns("VolumeAttributesClass", "Reason", "Age", "+VolumeMode"),
        _volume,
    ),
    ("", "namespaces"): Printed(_columns("Name", "Status", "Age"), _namespace),
    ("", "configmaps"): Printed(_columns("Name", "Data", "Age"), _configmap),
    ("", "secrets"): Printed(_columns("Name", "Type", "Data", "Age"), _secret),
    ("", "serviceaccounts"): Printed(_columns("Name", "Age"), _name_and_age),
    ("networking.k8s.io", "networkpolicies"): Printed(_columns("Name", "Pod-Selector", "Age"), _policy),
    ("coordination.k8s.io", "leases"): Printed(_columns("Name", "Holder", "Age"), _lease),
    ("discovery.k8s.io", "endpointslices"): Printed(
        _columns("Name", "AddressType", "Ports", "Endpoints", "Age"), _slice
    ),
    ("apiextensions.k8s.io", "customresourcedefinitions"): Printed(
        (NAME, Column("Created At", "date", ".metadata.creationTimestamp")), _definition
    ),
}
