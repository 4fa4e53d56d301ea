"""Namespaces, events, claims, volumes, leases and network policies: a few rules each.

Decides what they default to and refuse. A claim is never bound here: who runs pods decides what its folder is.
"""

from collections.abc import Mapping

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import Cause, invalid_value, required
from trainingjob_sandbox.store.selectors import METADATA_FIELDS, FieldGetter, field_at

EVENT_FIELDS: Mapping[str, FieldGetter] = {
    **METADATA_FIELDS,
    "type": field_at("type"),
    "reason": field_at("reason"),
    "source": field_at("source", "component"),
    "reportingComponent": field_at("reportingComponent"),
    **{
        f"involvedObject.{name}": field_at("involvedObject", name)
        for name in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
    },
}
NODE_FIELDS: Mapping[str, FieldGetter] = {
    **METADATA_FIELDS,
    "spec.unschedulable": lambda node: str(bool((node.get("spec") or {}).get("unschedulable"))).lower(),
}
NAMESPACE_FIELDS: Mapping[str, FieldGetter] = {**METADATA_FIELDS, "status.phase": field_at("status", "phase")}
SECRET_FIELDS: Mapping[str, FieldGetter] = {**METADATA_FIELDS, "type": field_at("type")}


def default_namespace(namespace: Object) -> None:
    labels = namespace["metadata"].setdefault("labels", {})
    labels["kubernetes.io/metadata.name"] = namespace["metadata"].get("name", "")
    if namespace["metadata"].get("resourceVersion") is None:
        namespace["spec"] = {"finalizers": ["kubernetes"]}
        namespace["status"] = {"phase": "Active"}


def terminating(namespace: Object) -> Object:
    """A namespace that is marked for deletion says so, and lets nothing new in."""
    meta = {name: value for name, value in namespace["metadata"].items() if name != "deletionGracePeriodSeconds"}
    return namespace | {"metadata": meta, "status": {"phase": "Terminating"}}


def validate_event(new: Object, _: Object | None) -> list[Cause]:
    involved = (new.get("involvedObject") or {}).get("namespace") or "default"
    if involved == new["metadata"]["namespace"]:
        return []
    return [invalid_value("involvedObject.namespace", involved, "does not match event.namespace")]


def default_claim(claim: Object) -> None:
    spec = claim.setdefault("spec", {})
    spec.setdefault("volumeMode", "Filesystem")
    claim.setdefault("status", {"phase": "Pending"})


def validate_claim(new: Object, _: Object | None) -> list[Cause]:
    spec = new["spec"]
    causes = []
    if not spec.get("accessModes"):
        causes.append(required("spec.accessModes", "at least 1 access mode is required"))
    if not ((spec.get("resources") or {}).get("requests") or {}).get("storage"):
        causes.append(required("spec.resources[storage]"))
    return causes


def default_volume(volume: Object) -> None:
    volume.setdefault("spec", {}).setdefault("volumeMode", "Filesystem")
    volume.setdefault("status", {"phase": "Available"})


def validate_lease(new: Object, _: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    duration = spec.get("leaseDurationSeconds")
    if duration is not None and duration <= 0:
        return [invalid_value("spec.leaseDurationSeconds", duration, "must be greater than 0")]
    transitions = spec.get("leaseTransitions")
    if transitions is not None and transitions < 0:
        return [invalid_value("spec.leaseTransitions", transitions, "must be greater than or equal to 0")]
    return []


def default_policy(policy: Object) -> None:
    spec = policy.setdefault("spec", {})
    spec.setdefault("policyTypes", ["Ingress", "Egress"] if spec.get("egress") else ["Ingress"])
    for rule in (*(spec.get("ingress") or ()), *(spec.get("egress") or ())):
        for port in rule.get("ports") or ():
            port.setdefault("protocol", "TCP")
