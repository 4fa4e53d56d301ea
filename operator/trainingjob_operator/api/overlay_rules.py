"""What a podTemplate may not touch: everything that the operator's correctness stands on.

Only refuses; how the overlay is laid over a pod is core/overlay.py.
"""

from collections.abc import Iterator
from typing import Any

from trainingjob_operator.api import names
from trainingjob_operator.api.container import PodTemplate

Refusal = tuple[str, str]

OPERATORS_OWN = {
    "hostname": "pods are called after job, attempt and rank so that MASTER_ADDR can be resolved",
    "subdomain": "pods are called after job, attempt and rank so that MASTER_ADDR can be resolved",
    "nodeName": "it bypasses the scheduler: use nodeSelector or affinity",
    "ephemeralContainers": "they can only be added to a running pod",
}
MAIN_CONTAINER_OWN = {
    "image": "use spec.image",
    "command": "use spec.run",
    "args": "use spec.run",
    "workingDir": "use spec.workingDir",
}


# What tells the entries of a list apart, for the lists of a pod that are merged entry by entry.
POD_LISTS = {
    "containers": "name",
    "initContainers": "name",
    "volumes": "name",
    "imagePullSecrets": "name",
    "hostAliases": "ip",
}
CONTAINER_LISTS = {"env": "name", "ports": "containerPort", "volumeMounts": "mountPath"}
CALLED_TRAINER = f"is required; the training container is called {names.MAIN_CONTAINER!r}"


def refused(template: PodTemplate) -> Iterator[Refusal]:
    """Pairs of field path and sentence for everything in the template that is the operator's own or has no shape."""
    yield from _metadata("labels", template.metadata.labels)
    yield from _metadata("annotations", template.metadata.annotations)
    path, spec = "spec.podTemplate.spec", template.spec
    for field, why in OPERATORS_OWN.items():
        if field in spec:
            yield f"{path}.{field}", f"cannot be set: {why}"
    if spec.get("restartPolicy", "Never") != "Never":
        yield (
            f"{path}.restartPolicy",
            "must be Never: a single restarted rank cannot join a running gang; use spec.failurePolicy",
        )
    misshapen = list(_misshapen(path, spec, POD_LISTS))
    yield from misshapen
    if not misshapen:
        yield from _containers(path, spec)
        yield from _volumes(path, spec)


def _metadata(kind: str, entries: dict[str, str]) -> Iterator[Refusal]:
    for key in entries:
        if key.startswith(f"{names.GROUP}/") or key in (names.LABEL_MANAGED_BY, names.LABEL_NAME):
            yield f"spec.podTemplate.metadata.{kind}[{key}]", "is set by the operator: remove it"


def _misshapen(path: str, value: dict[str, Any], lists: dict[str, str]) -> Iterator[Refusal]:
    """What cannot be merged: no list where one belongs, or an entry without the key that tells it from the others."""
    for field, key in lists.items():
        if field not in value:
            continue
        if not isinstance(value[field], list):
            yield f"{path}.{field}", "must be a list"
            continue
        for index, entry in enumerate(value[field]):
            found = entry.get(key) if isinstance(entry, dict) else None
            if not isinstance(found, str | int) or found == "":
                why = CALLED_TRAINER if field in ("containers", "initContainers") else "is required"
                yield f"{path}.{field}[{index}].{key}", why


def _containers(path: str, spec: dict[str, Any]) -> Iterator[Refusal]:
    for field in ("containers", "initContainers"):
        for index, container in enumerate(spec.get(field, [])):
            if container["name"] == names.MAIN_CONTAINER:
                yield from _main_container(f"{path}.{field}[{index}]", container, field)


def _main_container(path: str, container: dict[str, Any], field: str) -> Iterator[Refusal]:
    if field == "initContainers":
        yield f"{path}.name", f"{names.MAIN_CONTAINER!r} is the training container: choose another name"
    for key, remedy in MAIN_CONTAINER_OWN.items():
        if key in container:
            yield f"{path}.{key}", f"cannot be set here: {remedy}"
    misshapen = list(_misshapen(path, container, CONTAINER_LISTS))
    yield from misshapen
    for index, port in enumerate([] if misshapen else container.get("ports", [])):
        if port.get("name") == names.MAIN_PORT_NAME:
            yield f"{path}.ports[{index}].name", f"{names.MAIN_PORT_NAME!r} is spec.masterPort: choose another name"
    for index, variable in enumerate([] if misshapen else container.get("env", [])):
        if names.is_reserved_env(str(variable["name"])):
            yield f"{path}.env[{index}].name", f"{variable['name']} is set by the operator: remove it"


def _volumes(path: str, spec: dict[str, Any]) -> Iterator[Refusal]:
    for index, volume in enumerate(spec.get("volumes", [])):
        if volume["name"] in names.VOLUMES:
            why = f"{volume['name']!r} is a volume of the operator: choose another name"
            yield f"{path}.volumes[{index}].name", why
