"""Which waiting pod may start on this node, with which GPUs, and what to say of those that may not.

Pure. Pods come first in, first out: a younger pod never takes GPUs that an older one waits for, but one that can never
fit holds up nobody. CPU and memory are not counted: the machine has what it has. All pods share the machine's ports,
so a declared containerPort is taken while its pod lives.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from trainingjob_sandbox.node.quantity import whole

Object = dict[str, Any]

_UNCOUNTED = ("cpu", "memory", "ephemeral-storage")


@dataclass(frozen=True, slots=True)
class Offer:
    """What the node has: its labels, the GPU resource's name and the ids of the GPUs."""

    labels: Mapping[str, str]
    gpu_resource: str
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Tenant:
    """A live pod on the node and the GPUs granted to it."""

    pod: Object
    gpus: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Bind:
    """The pod goes to the node and gets these GPUs."""

    pod: Object
    gpus: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Refuse:
    """The pod stays unscheduled; the message names what is missing and the remedy."""

    pod: Object
    message: str


def place(waiting: Iterable[Object], tenants: Sequence[Tenant], offer: Offer) -> list[Bind | Refuse]:
    """A decision for each waiting pod, the oldest first. ``waiting`` is in the order of arrival."""
    living = list(tenants)
    blocked: str | None = None  # the older pod that GPUs are kept for
    decisions: list[Bind | Refuse] = []
    for pod in sorted(waiting, key=lambda pod: str(pod["metadata"]["creationTimestamp"])):
        try:
            wanted = amounts(pod)
        except ValueError as error:
            decisions.append(Refuse(pod, f"resources of the pod: {error}"))
            continue
        never = _never(pod, wanted, offer)
        gpus = wanted.get(offer.gpu_resource, 0)
        missing = never or _port_taken(pod, living) or _no_gpu(gpus, living, offer, blocked)
        if missing is None:
            granted = free(living, offer)[:gpus]
            living.append(Tenant(pod, granted))
            decisions.append(Bind(pod, granted))
            continue
        if gpus and not never:
            blocked = blocked or pod["metadata"]["name"]
        decisions.append(Refuse(pod, f"0/1 nodes are available: {missing}"))
    return decisions


def free(tenants: Iterable[Tenant], offer: Offer) -> tuple[str, ...]:
    """The GPUs that no tenant has."""
    taken = {gpu for tenant in tenants for gpu in tenant.gpus}
    return tuple(gpu for gpu in offer.gpus if gpu not in taken)


def amounts(pod: Object) -> dict[str, int]:
    """The counted resources of a pod: the sum of its containers, or the largest init container if that is more."""
    together: dict[str, int] = {}
    for container in pod["spec"]["containers"]:
        for name, amount in _counted(container).items():
            together[name] = together.get(name, 0) + amount
    for container in pod["spec"].get("initContainers") or []:
        for name, amount in _counted(container).items():
            together[name] = max(together.get(name, 0), amount)
    return together


def visible_devices(pod: Object, granted: tuple[str, ...], offer: Offer) -> dict[str, dict[str, str]]:
    """Per container, the variable that shows CUDA the GPUs it asked for, and no other; nothing on a node without GPUs.

    Main containers share the pod's GPUs out; init containers run before them, and take from the first on.
    """
    if not offer.gpus:
        return {}
    found, start = {}, 0
    for container in pod["spec"]["containers"]:
        end = start + _counted(container).get(offer.gpu_resource, 0)
        found[container["name"]], start = granted[start:end], end
    for container in pod["spec"].get("initContainers") or []:
        found[container["name"]] = granted[: _counted(container).get(offer.gpu_resource, 0)]
    return {name: {"CUDA_VISIBLE_DEVICES": ",".join(gpus)} for name, gpus in found.items()}


def ports(pod: Object) -> set[tuple[str, int]]:
    """The declared ports (protocol and number) of a pod's containers."""
    declared = (port for container in pod["spec"]["containers"] for port in container.get("ports") or [])
    return {(port.get("protocol", "TCP"), port["containerPort"]) for port in declared}


def _counted(container: Object) -> dict[str, int]:
    resources = container.get("resources") or {}
    asked = {**(resources.get("requests") or {}), **(resources.get("limits") or {})}
    return {
        name: whole(amount)
        for name, amount in asked.items()
        if name not in _UNCOUNTED and not name.startswith("hugepages-") and whole(amount) > 0
    }


def _never(pod: Object, wanted: Mapping[str, int], offer: Offer) -> str | None:
    """Why the pod can never run on this node, whoever leaves."""
    selector = pod["spec"].get("nodeSelector") or {}
    unmatched = [f"{key}={value}" for key, value in sorted(selector.items()) if offer.labels.get(key) != value]
    if unmatched:
        return f"nodeSelector {', '.join(unmatched)} does not match this node's labels; remove it to run here"
    for name, amount in wanted.items():
        have = len(offer.gpus) if name == offer.gpu_resource else 0
        if amount > have:
            remedy = f"ask for at most {have}" if have else f"ask for no {name} (gpusPerNode: 0 trains on the CPU)"
            return f"the pod needs {amount} {name}, this node has {have}; {remedy}, or run it on a larger node"
    return None


def _port_taken(pod: Object, living: Iterable[Tenant]) -> str | None:
    wanted = ports(pod)
    for tenant in living:
        for _, port in sorted(wanted & ports(tenant.pod)):
            other = tenant.pod["metadata"]
            return (
                f"port {port} is taken by pod {other['namespace']}/{other['name']}, and pods of the sandbox share one"
                " network; it starts when that pod has ended, or choose another port (masterPort in a TrainingJob)"
            )
    return None


def _no_gpu(wanted: int, living: Sequence[Tenant], offer: Offer, blocked: str | None) -> str | None:
    if not wanted:
        return None
    have = len(free(living, offer))
    if blocked is None and wanted <= have:
        return None
    holders = sorted(tenant.pod["metadata"]["name"] for tenant in living if tenant.gpus)
    ahead = f", and pod {blocked} waits for them already" if blocked else ""
    return (
        f"the pod needs {wanted} {offer.gpu_resource}, {have} of {len(offer.gpus)} are free{ahead};"
        f" it starts when pods that have them end ({', '.join(holders)}), or delete one of these"
    )
