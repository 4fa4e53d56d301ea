"""Services: defaults and the few rules that users meet. Never hands out addresses that anything listens on."""

from collections.abc import Iterator, Mapping
from typing import Any

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.builtin.pods import port_causes
from trainingjob_sandbox.store.errors import Cause, duplicate, invalid_value, required, unsupported
from trainingjob_sandbox.store.selectors import METADATA_FIELDS, FieldGetter, field_at

TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
PROTOCOLS = ("SCTP", "TCP", "UDP")

FIELDS: Mapping[str, FieldGetter] = {
    **METADATA_FIELDS,
    "spec.clusterIP": field_at("spec", "clusterIP"),
    "spec.type": field_at("spec", "type"),
}


def default(service: Object) -> None:
    spec = service.setdefault("spec", {})
    spec.setdefault("type", "ClusterIP")
    spec.setdefault("sessionAffinity", "None")
    spec.setdefault("internalTrafficPolicy", "Cluster")
    if spec.get("clusterIP"):
        spec.setdefault("clusterIPs", [spec["clusterIP"]])
    for port in spec.get("ports") or ():
        port.setdefault("protocol", "TCP")
        if "port" in port:
            port.setdefault("targetPort", port["port"])
    service.setdefault("status", {"loadBalancer": {}})


def validate(new: Object, old: Object | None) -> list[Cause]:
    spec = new["spec"]
    causes = list(_port_causes(spec))
    if spec["type"] not in TYPES:
        causes.append(unsupported("spec.type", spec["type"], TYPES))
    before = ((old or {}).get("spec") or {}).get("clusterIP")
    if before and spec.get("clusterIP") != before:
        causes.append(invalid_value("spec.clusterIPs[0]", spec.get("clusterIP"), "may not change once set"))
    return causes


def _port_causes(spec: Mapping[str, Any]) -> Iterator[Cause]:
    ports = spec.get("ports") or []
    if not ports and spec.get("clusterIP") != "None" and spec["type"] != "ExternalName":
        yield required("spec.ports")
    names: set[str] = set()
    for at, port in enumerate(ports):
        path = f"spec.ports[{at}]"
        yield from port_causes(f"{path}.port", port.get("port"))
        if isinstance(port.get("targetPort"), int):
            yield from port_causes(f"{path}.targetPort", port["targetPort"])
        if port["protocol"] not in PROTOCOLS:
            yield unsupported(f"{path}.protocol", port["protocol"], PROTOCOLS)
        name = port.get("name", "")
        if not name and len(ports) > 1:
            yield required(f"{path}.name")
        elif name and name in names:
            yield duplicate(f"{path}.name", name)
        names.add(name)
