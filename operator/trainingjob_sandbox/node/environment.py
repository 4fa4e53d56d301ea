"""A container's environment variables, command line and working folder.

Pure: what the pod says, with ConfigMaps, Secrets and facts of the pod filled in and `$(NAME)` expanded as the kubelet
does. Of the node's own environment only a short list is handed on: a WORLD_SIZE or SLURM_JOB_ID left over in the shell
that started the sandbox would otherwise break every launcher.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from trainingjob_sandbox.node.expansion import expand
from trainingjob_sandbox.node.quantity import whole
from trainingjob_sandbox.node.sources import ConfigError, Reference, Sources

Object = dict[str, Any]

# Where programs, libraries and certificates are, and what the user is called and speaks.
HANDED_ON = (
    *("PATH", "HOME", "USER", "LOGNAME", "LANG", "LANGUAGE", "LC_ALL", "LC_CTYPE", "TZ", "TMPDIR"),
    *("VIRTUAL_ENV", "PYTHONPATH", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "CUDA_HOME"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "HF_HOME", "TORCH_HOME", "XDG_CACHE_HOME"),
)


@dataclass(frozen=True, slots=True)
class Facts:
    """What a container may ask about its pod and node. ``capacity`` stands in for limits that are not set."""

    pod: Object
    address: str
    node: str
    capacity: Mapping[str, str]


def handed_on(environ: Mapping[str, str], programs: str) -> dict[str, str]:
    """The part of the node's environment that containers get; ``programs`` is the folder that comes first on PATH."""
    found = {name: environ[name] for name in HANDED_ON if name in environ}
    return found | {"PATH": f"{programs}:{found.get('PATH', '/usr/local/bin:/usr/bin:/bin')}"}


def variables(container: Object, facts: Facts, sources: Sources, base: Mapping[str, str]) -> dict[str, str]:
    """The container's environment; ``base`` is what every container gets, the pod's own variables win.

    Raises:
        ConfigError: a ConfigMap, Secret or key is missing, or a kind of source is not known here.
    """
    own: dict[str, str] = {}
    for source in container.get("envFrom") or []:
        own |= _all_of(source, sources)
    for variable in container.get("env") or []:
        value = _value(variable, container, facts, sources, own)
        if value is not None:
            own[variable["name"]] = value
    return dict(base) | own


def command_line(container: Object, environment: Mapping[str, str]) -> list[str]:
    """The container's command and arguments, expanded.

    Raises:
        ConfigError: there is none, and no image to have one.
    """
    words = [*(container.get("command") or []), *(container.get("args") or [])]
    if not container.get("command"):
        raise ConfigError(
            f'container "{container["name"]}" has no command, and the sandbox runs no images that could have one;'
            " set command in the container (run.command in a TrainingJob)"
        )
    return [expand(word, environment) for word in words]


def field_value(path: str, facts: Facts) -> str:
    """A field of the pod as the downward API names it.

    Raises:
        ConfigError: the sandbox does not know the field.
    """
    name, _, key = path.partition("['")
    if key:
        found: str = (facts.pod["metadata"].get(name.removeprefix("metadata.")) or {}).get(key.removesuffix("']"), "")
        return found
    known = {
        **{f"metadata.{name}": facts.pod["metadata"].get(name, "") for name in ("name", "namespace", "uid")},
        **dict.fromkeys(("status.podIP", "status.podIPs"), facts.address),
        **dict.fromkeys(("status.hostIP", "status.hostIPs"), "127.0.0.1"),
        "spec.nodeName": facts.node,
        "spec.serviceAccountName": facts.pod["spec"].get("serviceAccountName", "default"),
    }
    if path not in known:
        raise ConfigError(f'fieldRef "{path}" is not known here; known are {", ".join(sorted(known))}')
    return str(known[path])


def resource_value(reference: Object, container: Object, facts: Facts) -> str:
    """A limit or request of the container as a whole number of its divisor, the node's amount if it is not set.

    Raises:
        ConfigError: the resource is not known here.
    """
    kind, _, name = reference["resource"].partition(".")
    resources = container.get("resources") or {}
    amount = (resources.get(kind) or {}).get(name) or facts.capacity.get(name)
    if amount is None:
        raise ConfigError(f'resourceFieldRef "{reference["resource"]}" is not known here; set resources.{kind} for it')
    return str(whole(amount, str(reference.get("divisor") or "1")))


def _all_of(source: Object, sources: Sources) -> dict[str, str]:
    kind, field = ("ConfigMap", "configMapRef") if "configMapRef" in source else ("Secret", "secretRef")
    wanted = source[field]
    reference = Reference("ConfigMap" if kind == "ConfigMap" else "Secret", wanted["name"])
    data = sources.data(reference, optional=wanted.get("optional", False))
    return {source.get("prefix", "") + key: value.decode() for key, value in data.items()}


def _value(
    variable: Object, container: Object, facts: Facts, sources: Sources, earlier: Mapping[str, str]
) -> str | None:
    source = variable.get("valueFrom")
    if not source:
        return expand(variable.get("value", ""), earlier)
    if "fieldRef" in source:
        return field_value(source["fieldRef"]["fieldPath"], facts)
    if "resourceFieldRef" in source:
        return resource_value(source["resourceFieldRef"], container, facts)
    if "configMapKeyRef" in source:
        return _key(Reference("ConfigMap", source["configMapKeyRef"]["name"]), source["configMapKeyRef"], sources)
    if "secretKeyRef" in source:
        return _key(Reference("Secret", source["secretKeyRef"]["name"]), source["secretKeyRef"], sources)
    raise ConfigError(f'env "{variable["name"]}": valueFrom.{next(iter(source))} is not known here; use value instead')


def _key(reference: Reference, wanted: Object, sources: Sources) -> str | None:
    found = sources.value(reference, wanted["key"], optional=wanted.get("optional", False))
    return None if found is None else found.decode()
