"""Pods: what an API server fills in, refuses, and lets nobody change.

Decides only what users of this project rely on; a real API server checks much more. Never starts anything.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import (
    Cause,
    duplicate,
    field_forbidden,
    field_not_found,
    invalid_type,
    invalid_value,
    required,
    unsupported,
)
from trainingjob_sandbox.store.names import env_name_complaint, label_complaint
from trainingjob_sandbox.store.selectors import METADATA_FIELDS, FieldGetter, field_at

FIELDS: Mapping[str, FieldGetter] = {
    **METADATA_FIELDS,
    "spec.nodeName": field_at("spec", "nodeName"),
    "spec.restartPolicy": field_at("spec", "restartPolicy"),
    "spec.schedulerName": field_at("spec", "schedulerName"),
    "spec.serviceAccountName": field_at("spec", "serviceAccountName"),
    "status.phase": field_at("status", "phase"),
    "status.podIP": field_at("status", "podIP"),
    "status.nominatedNodeName": field_at("status", "nominatedNodeName"),
}

_SPEC_DEFAULTS: Mapping[str, Any] = {
    "restartPolicy": "Always",
    "terminationGracePeriodSeconds": 30,
    "dnsPolicy": "ClusterFirst",
    "schedulerName": "default-scheduler",
    "enableServiceLinks": True,
}
_CONTAINER_DEFAULTS: Mapping[str, Any] = {
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
_PROBE_DEFAULTS: Mapping[str, Any] = {
    "timeoutSeconds": 1,
    "periodSeconds": 10,
    "successThreshold": 1,
    "failureThreshold": 3,
}
_PROBES = ("readinessProbe", "livenessProbe", "startupProbe")
_IMMUTABLE = (
    "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_CHANGEABLE = ("containers", "initContainers", "activeDeadlineSeconds", "tolerations", "schedulingGates")


def default(pod: Object) -> None:
    """Fill in what kubelets and readers of pods count on."""
    spec = pod.setdefault("spec", {})
    for name, value in _SPEC_DEFAULTS.items():
        spec.setdefault(name, value)
    if spec["terminationGracePeriodSeconds"] < 0:
        spec["terminationGracePeriodSeconds"] = 1
    spec.setdefault("securityContext", {})
    for container in _containers(spec):
        _default_container(container)
    if pod["metadata"].get("resourceVersion") is None:
        pod["metadata"].setdefault("generation", 1)
        pod["status"] = {"phase": "Pending", "qosClass": _quality(spec)}


def _default_container(container: Any) -> None:
    for name, value in _CONTAINER_DEFAULTS.items():
        container.setdefault(name, value)
    resources = container.setdefault("resources", {})
    if limits := resources.get("limits"):
        # What is limited is also asked for.
        resources["requests"] = {**limits, **(resources.get("requests") or {})}
    container.setdefault("imagePullPolicy", _pull_policy(str(container.get("image", ""))))
    for port in container.get("ports") or ():
        port.setdefault("protocol", "TCP")
    for probe in filter(None, map(container.get, _PROBES)):
        for name, value in _PROBE_DEFAULTS.items():
            probe.setdefault(name, value)
    for variable in container.get("env") or ():
        if field := (variable.get("valueFrom") or {}).get("fieldRef"):
            field.setdefault("apiVersion", "v1")


def validate(new: Object, old: Object | None) -> list[Cause]:
    spec = new.get("spec") or {}
    if old is not None:
        return _change_causes(spec, old["spec"])
    return [*_container_causes(spec), *_spec_causes(spec)]


def _containers(spec: Mapping[str, Any]) -> Iterator[Any]:
    for field in ("initContainers", "containers"):
        yield from (container for container in spec.get(field) or () if isinstance(container, dict))


def _pull_policy(image: str) -> str:
    name = image.rpartition("/")[2]
    return "Always" if ":" not in name or name.endswith(":latest") else "IfNotPresent"


def _quality(spec: Mapping[str, Any]) -> str:
    """The quality-of-service class: by whether limits and requests are there, and equal."""
    resources = [container.get("resources") or {} for container in _containers(spec)]
    if not any(found.get("limits") or found.get("requests") for found in resources):
        return "BestEffort"
    for found in resources:
        limits, requests = found.get("limits") or {}, found.get("requests") or {}
        if not {"cpu", "memory"} <= limits.keys() or (requests and requests != limits):
            return "Burstable"
    return "Guaranteed"


def _container_causes(spec: Mapping[str, Any]) -> Iterable[Cause]:
    if not spec.get("containers"):
        yield required("spec.containers")
    volumes = {volume.get("name") for volume in spec.get("volumes") or ()}
    seen: set[str] = set()
    for field in ("initContainers", "containers"):
        for at, container in enumerate(spec.get(field) or ()):
            path = f"spec.{field}[{at}]"
            yield from _one_container_causes(container, path, volumes)
            name = container.get("name", "")
            if name and name in seen:
                yield duplicate(f"{path}.name", name)
            seen.add(name)


def _one_container_causes(container: Mapping[str, Any], path: str, volumes: set[Any]) -> Iterator[Cause]:
    name = container.get("name")
    if not name:
        yield required(f"{path}.name")
    elif complaint := label_complaint(name):
        yield invalid_value(f"{path}.name", name, complaint)
    if not container.get("image"):
        yield required(f"{path}.image")
    for at, mount in enumerate(container.get("volumeMounts") or ()):
        if mount.get("name") not in volumes:
            yield field_not_found(f"{path}.volumeMounts[{at}].name", mount.get("name"))
        if not mount.get("mountPath"):
            yield required(f"{path}.volumeMounts[{at}].mountPath")
    for at, port in enumerate(container.get("ports") or ()):
        yield from port_causes(f"{path}.ports[{at}].containerPort", port.get("containerPort"))
    for at, variable in enumerate(container.get("env") or ()):
        yield from _env_causes(f"{path}.env[{at}]", variable)


def port_causes(field: str, port: Any) -> Iterator[Cause]:
    if port is None:
        yield required(field)
    elif not isinstance(port, int) or not 1 <= port <= 65535:
        yield invalid_value(field, port, "must be between 1 and 65535, inclusive")


def _env_causes(path: str, variable: Mapping[str, Any]) -> Iterator[Cause]:
    name = variable.get("name")
    if not name:
        yield required(f"{path}.name")
    elif complaint := env_name_complaint(name):
        yield invalid_value(f"{path}.name", name, complaint)
    value = variable.get("value")
    if value is not None and not isinstance(value, str):
        yield invalid_type(f"{path}.value", type(value).__name__, "must be a string; quote it")
    if value and variable.get("valueFrom"):
        yield invalid_value(f"{path}.valueFrom", "", "may not be specified when `value` is not empty")


def _spec_causes(spec: Mapping[str, Any]) -> Iterator[Cause]:
    policies = ("Always", "OnFailure", "Never")
    if spec["restartPolicy"] not in policies:
        yield unsupported("spec.restartPolicy", spec["restartPolicy"], policies)
    names: set[str] = set()
    for at, volume in enumerate(spec.get("volumes") or ()):
        name = volume.get("name")
        if not name:
            yield required(f"spec.volumes[{at}].name")
        elif complaint := label_complaint(name):
            yield invalid_value(f"spec.volumes[{at}].name", name, complaint)
        elif name in names:
            yield duplicate(f"spec.volumes[{at}].name", name)
        names.add(name)
    for field in ("hostname", "subdomain"):
        if spec.get(field) and (complaint := label_complaint(spec[field])):
            yield invalid_value(f"spec.{field}", spec[field], complaint)


def _change_causes(new: Mapping[str, Any], old: Mapping[str, Any]) -> list[Cause]:
    if new == old or (_fixed(new) == _fixed(old) and _tolerates_still(new, old)):
        return []
    return [field_forbidden("spec", _IMMUTABLE)]


def _fixed(spec: Mapping[str, Any]) -> dict[str, Any]:
    """What of a spec may never change: all but the images and a few fields."""
    kept = {name: value for name, value in spec.items() if name not in _CHANGEABLE}
    for field in ("containers", "initContainers"):
        found = spec.get(field) or []
        kept[field] = [{name: value for name, value in one.items() if name != "image"} for one in found]
    return kept


def _tolerates_still(new: Mapping[str, Any], old: Mapping[str, Any]) -> bool:
    added = new.get("tolerations") or []
    return all(toleration in added for toleration in old.get("tolerations") or [])
