"""What must be left when the faults have stopped and the job has had time: liveness, no orphans, a true status.

L1 the job settles where the world puts it, L2 nothing is left over, L3 a settled job costs no write, D a scripted job
ends as its script says.
"""

from typing import TYPE_CHECKING, Any

from simulation.kubelet import NAMESPACE, has_stopped, owner_of
from simulation.oracles import JOB, is_finished, is_true
from simulation.script import End, expected
from trainingjob_operator.api import names
from trainingjob_operator.api.resources import CONFIGMAPS, NETWORKPOLICIES, PODS, SERVICES

if TYPE_CHECKING:
    from simulation.world import World

Object = dict[str, Any]
CHILDREN = (SERVICES, NETWORKPOLICIES, CONFIGMAPS)


def check_settled(world: "World") -> None:
    """The job's state, some time after the last fault."""
    job = world.job()
    if job is None:
        _check_gone(world)
        return
    status = job.get("status") or {}
    if is_finished(status) and world.schedule.shape.time_to_live:
        world.oracle.broken("L2", "the job outlived its time")
    live = [pod for pod in world.kubelet.pods() if owner_of(pod) and not has_stopped(pod)]
    if is_finished(status) or job["spec"].get("suspend"):
        if live:
            world.oracle.broken("L2", f"{[pod['metadata']['name'] for pod in live]} still run")
        if not is_finished(status) and not is_true(status, "Suspended"):
            world.oracle.broken("L1", f"the job is {status.get('state')}, not Suspended")
    else:
        _check_running(world, job, status, live)
    if status.get("observedGeneration") != job["metadata"]["generation"]:
        world.oracle.broken("L1", f"observedGeneration is {status.get('observedGeneration')}")


def _check_gone(world: "World") -> None:
    left = [record.object["metadata"]["name"] for kind in (PODS, *CHILDREN) for record in _of(world, kind)]
    if left:
        world.oracle.broken("L2", f"{left} outlived the job")


def _of(world: "World", kind: Any) -> list[Any]:
    return world.store.list(kind, NAMESPACE).records


def _check_running(world: "World", job: Object, status: Object, live: list[Object]) -> None:
    nodes, attempt = world.schedule.shape.nodes, status.get("attempt", 0)
    shown = (status.get("state"), status.get("nodes"), is_true(status, "PodsReady"), bool(status.get("gang")))
    if shown != ("Running", f"{nodes}/{nodes}", True, True):
        world.oracle.broken("L1", f"the job is {shown}, reason {status.get('reason')}")
    gang = {names.pod_name(JOB, attempt, rank) for rank in range(nodes)}
    pods = {pod["metadata"]["name"] for pod in world.kubelet.pods() if owner_of(pod) == job["metadata"]["uid"]}
    strays = {pod["metadata"]["name"] for pod in live} - gang
    if strays or gang - pods:
        world.oracle.broken("L2", f"strays {sorted(strays)}, missing {sorted(gang - pods)}")
    if not world.users.children_deleted:
        wanted = CHILDREN if world.schedule.shape.files else CHILDREN[:2]
        absent = [kind.kind for kind in wanted if not world.store.exists(kind, NAMESPACE, JOB)]
        if absent:
            world.oracle.broken("L2", f"{absent} are missing")


def check_script(world: "World") -> None:
    """The end of a scripted job."""
    status = (world.job() or {}).get("status") or {}
    found = End(
        status.get("state", ""),
        status.get("attempt", 0),
        status.get("restarts", 0),
        tuple(attempt["counted"] for attempt in status.get("attempts", ())),
    )
    if found != expected(world.schedule):
        world.oracle.broken("D", f"the job ended as {found}, the script says {expected(world.schedule)}")
