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


def refused(template: PodTemplate) -> Iterator[Refusal]:
    """Pairs of field path and sentence for everything in the template that is the operator's own."""
    yield from _metadata("labels", template.metadata.labels)
    yield from _metadata("annotations", template.metadata.annotations)
    spec = template.spec
    for field, why in OPERATORS_OWN.items():
        if field in spec:
            yield f"spec.podTemplate.spec.{field}", f"cannot be set: {why}"
    if spec.get("restartPolicy", "Never") != "Never":
        yield (
            "spec.podTemplate.spec.restartPolicy",
            "must be Never: a single restarted rank cannot join a running gang; use spec.failurePolicy",
        )
    yield from _containers(spec)
    yield from _volumes(spec)


def _metadata(kind: str, entries: dict[str, str]) -> Iterator[Refusal]:
    for key in entries:
        if key.startswith(f"{names.GROUP}/") or key in (names.LABEL_MANAGED_BY, names.LABEL_NAME):
            yield f"spec.podTemplate.metadata.{kind}[{key}]", "is set by the operator: remove it"


def _containers(spec: dict[str, Any]) -> Iterator[Refusal]:
    for field in ("containers", "initContainers"):
        entries = spec.get(field, [])
        if not isinstance(entries, list):
            yield f"spec.podTemplate.spec.{field}", "must be a list"
            continue
        for index, container in enumerate(entries):
            path = f"spec.podTemplate.spec.{field}[{index}]"
            if not isinstance(container, dict) or not container.get("name"):
                yield f"{path}.name", f"is required; the training container is called {names.MAIN_CONTAINER!r}"
            elif container["name"] == names.MAIN_CONTAINER:
                yield from _main_container(path, container, field)


def _main_container(path: str, container: dict[str, Any], field: str) -> Iterator[Refusal]:
    if field == "initContainers":
        yield f"{path}.name", f"{names.MAIN_CONTAINER!r} is the training container: choose another name"
    for key, remedy in MAIN_CONTAINER_OWN.items():
        if key in container:
            yield f"{path}.{key}", f"cannot be set here: {remedy}"
    for index, variable in enumerate(container.get("env") or []):
        name = variable.get("name", "") if isinstance(variable, dict) else ""
        if names.is_reserved_env(name):
            yield f"{path}.env[{index}].name", f"{name} is set by the operator: remove it"


def _volumes(spec: dict[str, Any]) -> Iterator[Refusal]:
    volumes = spec.get("volumes", [])
    if not isinstance(volumes, list):
        yield "spec.podTemplate.spec.volumes", "must be a list"
        return
    for index, volume in enumerate(volumes):
        path = f"spec.podTemplate.spec.volumes[{index}].name"
        if not isinstance(volume, dict) or not volume.get("name"):
            yield path, "is required"
        elif volume["name"] in names.VOLUMES:
            yield path, f"{volume['name']!r} is a volume of the operator: choose another name"
