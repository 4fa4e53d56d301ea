"""What a container finds at its mount paths.

Pure: which folder, file or tmpfs belongs at which path, and which files a ConfigMap, Secret, downward API or projected
volume holds. Writing them and mounting them is done elsewhere.
"""

from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from trainingjob_sandbox.node.environment import Facts, field_value, resource_value
from trainingjob_sandbox.node.expansion import expand
from trainingjob_sandbox.node.quantity import whole
from trainingjob_sandbox.node.sources import ConfigError, Reference, Sources

Object = dict[str, Any]

DEFAULT_MODE = 0o644
_WRITTEN = ("configMap", "secret", "downwardAPI", "projected")


@dataclass(frozen=True, slots=True)
class File:
    """A file that the node writes into a volume."""

    content: bytes
    mode: int


@dataclass(frozen=True, slots=True)
class Mount:
    """One mount path. ``source`` None: a tmpfs of its own, of at most ``size`` bytes.

    ``made`` says that the source is a folder that may be made if it is missing.
    """

    target: str
    source: Path | None
    read_only: bool = False
    size: int | None = None
    made: bool = False


def mounts(container: Object, pod: Object, sources: Sources, folder: Path, env: dict[str, str]) -> list[Mount]:
    """The container's mounts; ``folder`` is where the node keeps the pod's own volumes.

    Raises:
        ConfigError: a claim is missing, a path leaves its volume, or a kind of volume is not known here.
    """
    volumes = {volume["name"]: volume for volume in pod["spec"].get("volumes") or []}
    return [_mount(mount, volumes, pod, sources, folder, env) for mount in container.get("volumeMounts") or []]


def files(volume: Object, facts: Facts, sources: Sources) -> dict[str, File] | None:
    """The files that the node writes into a volume, by path; None for volumes that it leaves alone.

    Raises:
        ConfigError: a ConfigMap, Secret or key is missing.
    """
    if "projected" in volume:
        return _projected(volume["projected"], facts, sources)
    if any(kind in volume for kind in _WRITTEN):
        return _written(volume, facts, sources, DEFAULT_MODE)
    return None


def _mount(
    mount: Object, volumes: dict[str, Object], pod: Object, sources: Sources, folder: Path, env: dict[str, str]
) -> Mount:
    target = str(PurePosixPath("/", mount["mountPath"]))
    volume = volumes.get(mount["name"])
    if volume is None:
        raise ConfigError(f'mount path {target}: the pod has no volume "{mount["name"]}"; add it to spec.volumes')
    memory = (volume.get("emptyDir") or {}).get("medium") == "Memory"
    below = mount.get("subPath") or expand(mount.get("subPathExpr", ""), env)
    if memory and not below and _users(volume["name"], pod) == 1:
        limit = volume["emptyDir"].get("sizeLimit")
        return Mount(target, None, size=whole(limit) if limit else None)
    read_only = mount.get("readOnly", False) or any(kind in volume for kind in _WRITTEN)
    source = _folder(volume, sources, folder)
    made = not any(kind in volume for kind in _WRITTEN)
    return Mount(target, _inside(source, below, target), read_only, made=made)


def _users(volume: str, pod: Object) -> int:
    """Mounts of a volume. A tmpfs belongs to one container's view; what several share must be a folder."""
    containers = [*(pod["spec"].get("initContainers") or []), *pod["spec"]["containers"]]
    return sum(mount["name"] == volume for c in containers for mount in c.get("volumeMounts") or [])


def _folder(volume: Object, sources: Sources, folder: Path) -> Path:
    if "persistentVolumeClaim" in volume:
        return sources.claim(volume["persistentVolumeClaim"]["claimName"])
    if "hostPath" in volume:
        return Path(volume["hostPath"]["path"])
    if "emptyDir" in volume or any(kind in volume for kind in _WRITTEN) or set(volume) == {"name"}:
        return folder / str(volume["name"])
    kind = next(key for key in volume if key != "name")
    raise ConfigError(
        f'volume "{volume["name"]}": the sandbox has no volumes of kind {kind};'
        " use a persistentVolumeClaim (with --claim NAME=DIR it can be any folder)"
    )


def _inside(source: Path, below: str, target: str) -> Path:
    parts = PurePosixPath(below).parts
    if ".." in parts or below.startswith("/"):
        raise ConfigError(f'mount path {target}: subPath "{below}" leaves the volume; use a relative path without ".."')
    return source.joinpath(*parts)


def _projected(volume: Object, facts: Facts, sources: Sources) -> dict[str, File]:
    parts = volume.get("sources") or []
    # The volume that admission adds for talking to the API server: pods here do not, and its ConfigMap may never come.
    if any("serviceAccountToken" in part for part in parts):
        return {}
    mode = volume.get("defaultMode", DEFAULT_MODE)
    found: dict[str, File] = {}
    for part in parts:
        found |= _written(part, facts, sources, mode)
    return found


def _written(source: Object, facts: Facts, sources: Sources, mode: int) -> dict[str, File]:
    if "downwardAPI" in source:
        return _downward(source["downwardAPI"], facts, mode)
    if "configMap" in source:
        wanted = source["configMap"]
        return _items(Reference("ConfigMap", wanted["name"]), wanted, sources, mode)
    if "secret" in source:
        wanted = source["secret"]
        return _items(Reference("Secret", wanted.get("secretName") or wanted["name"]), wanted, sources, mode)
    raise ConfigError(f"projected volumes of kind {next(iter(source))} are not known here; use configMap or secret")


def _items(reference: Reference, wanted: Object, sources: Sources, mode: int) -> dict[str, File]:
    mode, optional = wanted.get("defaultMode", mode), wanted.get("optional", False)
    if not wanted.get("items"):
        return {key: File(value, mode) for key, value in sources.data(reference, optional=optional).items()}
    found = {item["path"]: (sources.value(reference, item["key"], optional=optional), item) for item in wanted["items"]}
    return {path: File(data, item.get("mode", mode)) for path, (data, item) in found.items() if data is not None}


def _downward(wanted: Object, facts: Facts, mode: int) -> dict[str, File]:
    mode = wanted.get("defaultMode", mode)
    return {item["path"]: File(_asked(item, facts).encode(), item.get("mode", mode)) for item in wanted["items"]}


def _asked(item: Object, facts: Facts) -> str:
    if "resourceFieldRef" in item:
        wanted = item["resourceFieldRef"]
        container = next(c for c in facts.pod["spec"]["containers"] if c["name"] == wanted["containerName"])
        return resource_value(wanted, container, facts)
    path = item["fieldRef"]["fieldPath"]
    if path in ("metadata.labels", "metadata.annotations"):
        entries = facts.pod["metadata"].get(path.removeprefix("metadata.")) or {}
        return "\n".join(f'{key}="{_escaped(value)}"' for key, value in sorted(entries.items()))
    return field_value(path, facts)


def _escaped(value: str) -> str:
    return value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
