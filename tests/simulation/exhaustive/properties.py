"""What must hold of every write in the small world, and when a job has settled. Looks at the world's state only.

S1 never two gangs, S2 restarts are counted exactly, S3 only condemned pods are deleted, S4 nobody joins a committed
gang, S5 an end is an end, S6 no restart without a cause, S8 a suspended job stays so, S9 children come before pods.
"""

from simulation.exhaustive.automaton import DOWN, Automaton
from simulation.exhaustive.values import DONE, EVICTED, FAILED, LEAVES, LEFT, LIVE, Facts, Pod, facts
from simulation.exhaustive.world import NODES, Move, World

BUDGET = 1


def broken_by(before: World, move: Move) -> str:
    """The rule that a move breaks, in words; empty if it breaks none."""
    match move.write:
        case ("create", "Pod", life, attempt, _) if len(move.after.pods) > len(before.pods):
            made = next(pod for pod in move.after.pods if pod not in before.pods)
            return _by_creation(before, made, life, attempt)
        case ("delete", name, uid, _):
            return _by_deletion(before, name, uid)
        case ("status", *_) if before.job != move.after.job and before.job and move.after.job:
            return _by_status(before, facts(before.job.status), facts(move.after.job.status))
    return ""


def _by_creation(world: World, made: Pod, life: int, attempt: int) -> str:
    for pod in world.pods:
        if pod.state in LIVE and (pod.life, pod.attempt) != (life, attempt):
            return f"S1: {made.name} was created beside {pod.name}, which {pod.state}"
    if world.job is None or world.job.life != life:
        return ""
    committed = facts(world.job.status)
    if attempt != committed.attempt:
        return f"S4: {made.name} was created while status.attempt is {committed.attempt}"
    if committed.gang:
        return f"S4: {made.name} was created after the gang was committed"
    if committed.finished:
        return f"S5: {made.name} was created for a finished job"
    if committed.suspended:
        return f"S8: {made.name} was created for a suspended job"
    return "" if world.service == life else f"S9: {made.name} was created before the job's Service"


def _by_deletion(world: World, name: str, uid: str | None) -> str:
    pod = next((pod for pod in world.pods if pod.name == name), None)
    if pod is None or (uid is not None and pod.uid != uid):
        return ""
    if uid is None:
        return f"S3: {name} was deleted without its UID as a precondition"
    if world.job is None or world.job.life != pod.life:
        return ""
    committed = facts(world.job.status)
    condemned = pod.attempt < committed.attempt or committed.finished or committed.suspended
    return "" if condemned else f"S3: {name} was deleted though no committed status condemns it"


def _by_status(world: World, old: Facts, new: Facts) -> str:
    attempts, restarts = new.attempt - old.attempt, new.restarts - old.restarts
    if attempts not in (0, 1) or not 0 <= restarts <= attempts:
        return f"S2: one write added {attempts} attempts and {restarts} restarts"
    if old.finished and (new.finished, new.attempt, new.restarts) != (old.finished, old.attempt, old.restarts):
        return "S5: a finished job went on"
    if attempts and old.attempt and not old.suspended:
        return _by_restart(world, old, new)
    if new.finished == "Complete" and not old.finished:
        done = all((new.attempt, rank, DONE) in world.fates for rank in range(NODES))
        return "" if done else "S5: the job is complete, but not all ranks exited with 0"
    if new.finished == "Failed" and not old.finished:
        failed = _has_failed(world, new.attempt)
        return "" if failed and new.restarts == BUDGET else f"S2: Failed after {new.restarts} restarts"
    return ""


def _by_restart(world: World, old: Facts, new: Facts) -> str:
    """An attempt ends for a cause, and counts if and only if one of its pods failed on its own."""
    gang = [pod for pod in world.pods if world.job and (pod.life, pod.attempt) == (world.job.life, old.attempt)]
    states = {pod.state for pod in gang}
    broken = len(gang) < NODES or not states.isdisjoint({FAILED, EVICTED, LEAVES, LEFT})
    if not broken and all(number == 1 for (_, attempt, _), number in world.numbers if attempt == old.attempt):
        return f"S6: attempt {old.attempt} was ended while its gang was whole"
    counted = new.restarts > old.restarts
    if counted and not _has_failed(world, old.attempt):
        return f"S2: the end of attempt {old.attempt} was counted, but none of its pods failed"
    if not counted and FAILED in states and len(gang) == NODES and states.isdisjoint({EVICTED, LEAVES, LEFT}):
        return f"S2: the failure of attempt {old.attempt} was not counted"
    return f"S2: {new.restarts} restarts with a budget of {BUDGET}" if new.restarts > BUDGET else ""


def _has_failed(world: World, attempt: int) -> bool:
    return any((attempt, rank, FAILED) in world.fates for rank in range(NODES))


def is_settled(world: World, operator: Automaton) -> bool:
    """The job has ended, says so about its newest spec, nothing runs any more, and the operator is at rest."""
    job = world.job
    if job is None or job.suspend or world.operator == DOWN or world.job_news or world.pod_news:
        return False
    state, told = operator.state(world.operator), facts(job.status)
    at_rest = not state.is_at_work and not (state.memory.woken or state.memory.retry or state.memory.timer is not None)
    ended = bool(told.finished) and told.generation == job.generation
    return at_rest and ended and not any(pod.state in LIVE for pod in world.pods)
