"""What a pod refers to: ConfigMaps, Secrets and claims, and what is said when one of them is missing.

Pure. A reference is looked for each time the pod is about to start; a missing one that is not optional keeps the pod
waiting, with a message that says how to provide it.
"""

import base64
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

Object = dict[str, Any]
Kind = Literal["ConfigMap", "Secret"]


class ConfigError(Exception):
    """CreateContainerConfigError: a container cannot be started as things are; the message says what to do about it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """A ConfigMap or Secret that a pod names."""

    kind: Kind
    name: str


@dataclass(frozen=True, slots=True)
class Sources:
    """What was found: objects by reference, and the folders of the claims that are known."""

    objects: Mapping[Reference, Object] = field(default_factory=dict)
    claims: Mapping[str, Path] = field(default_factory=dict)

    def data(self, reference: Reference, *, optional: bool = False) -> dict[str, bytes]:
        """All keys of a ConfigMap or Secret, none if it is missing and optional.

        Raises:
            ConfigError: it is missing.
        """
        found = self.objects.get(reference)
        if found is not None:
            return _decoded(found)
        if optional:
            return {}
        kind = reference.kind.lower()
        raise ConfigError(
            f'{kind} "{reference.name}" not found; create it with kubectl create {_created(reference)} ...'
        )

    def value(self, reference: Reference, key: str, *, optional: bool = False) -> bytes | None:
        """One key's value, None if it is missing and optional.

        Raises:
            ConfigError: the object or the key is missing.
        """
        found = self.data(reference, optional=optional)
        if key in found or optional:
            return found.get(key)
        kind = reference.kind.lower()
        raise ConfigError(
            f'{kind} "{reference.name}" has no key "{key}"; add it with kubectl edit {kind} {reference.name}'
        )

    def claim(self, name: str) -> Path:
        """The folder of a claim.

        Raises:
            ConfigError: no manifest made the claim and no option names it.
        """
        if name in self.claims:
            return self.claims[name]
        remedy = f'apply a PersistentVolumeClaim "{name}", or start with --claim {name}=DIR'
        raise ConfigError(f'claim "{name}" is not known here; {remedy}')


def references(pod: Object) -> frozenset[Reference]:
    """Every ConfigMap and Secret that the pod's containers and volumes name."""
    spec = pod["spec"]
    found: list[Reference] = []
    for container in [*spec.get("initContainers", []), *spec["containers"]]:
        found += _of_environment(container)
    for volume in spec.get("volumes") or []:
        found += _of_volume(volume)
    return frozenset(found)


def claim_names(pod: Object) -> frozenset[str]:
    """Every claim that the pod's volumes name."""
    volumes = pod["spec"].get("volumes") or []
    return frozenset(v["persistentVolumeClaim"]["claimName"] for v in volumes if "persistentVolumeClaim" in v)


def _of_environment(container: Object) -> Iterator[Reference]:
    for source in container.get("envFrom") or []:
        yield from _named(source, "configMapRef", "secretRef")
    for variable in container.get("env") or []:
        yield from _named(variable.get("valueFrom") or {}, "configMapKeyRef", "secretKeyRef")


def _of_volume(volume: Object) -> Iterator[Reference]:
    if "secret" in volume:
        yield Reference("Secret", volume["secret"]["secretName"])
    for source in [volume, *((volume.get("projected") or {}).get("sources") or [])]:
        if "configMap" in source:
            yield Reference("ConfigMap", source["configMap"]["name"])
        if "name" in (source.get("secret") or {}):
            yield Reference("Secret", source["secret"]["name"])


def _named(source: Object, configmap: str, secret: str) -> Iterator[Reference]:
    if configmap in source:
        yield Reference("ConfigMap", source[configmap]["name"])
    if secret in source:
        yield Reference("Secret", source[secret]["name"])


def _decoded(found: Object) -> dict[str, bytes]:
    if found.get("kind") == "Secret":
        return {key: base64.b64decode(value) for key, value in (found.get("data") or {}).items()}
    text = {key: value.encode() for key, value in (found.get("data") or {}).items()}
    return text | {key: base64.b64decode(value) for key, value in (found.get("binaryData") or {}).items()}


def _created(reference: Reference) -> str:
    return f"configmap {reference.name}" if reference.kind == "ConfigMap" else f"secret generic {reference.name}"
