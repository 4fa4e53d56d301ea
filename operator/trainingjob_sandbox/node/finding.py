"""Which file holds the log that somebody asks for, and what to answer where there is none."""

from collections.abc import Iterable

from trainingjob_sandbox.node.logs import log_file
from trainingjob_sandbox.node.pod import PodRun
from trainingjob_sandbox.node.serving import Log, NoLog
from trainingjob_sandbox.node.status import ContainerView, Running, Waiting


def find_log(runs: Iterable[PodRun], namespace: str, pod: str, container: str, *, previous: bool) -> Log:
    """The log of a container's current run, or of the one before.

    Raises:
        NoLog: there is no such pod or container, or it has not run (again) yet.
    """
    run = _newest(runs, namespace, pod)
    view = next((view for view in run.views() if view.name == container), None)
    if view is None:
        raise NoLog(404, f'container "{container}" is not part of pod "{pod}"')
    number = view.restarts - 1 if previous else view.restarts
    path = log_file(run.ground.folder.logs, container, number)
    if number < 0 or not path.exists():
        raise NoLog(400, _why_not(view, pod, previous=previous))
    return Log(path, lambda: _is_over(run, container, number))


def _newest(runs: Iterable[PodRun], namespace: str, pod: str) -> PodRun:
    named = [r for r in runs if (r.pod["metadata"]["namespace"], r.pod["metadata"]["name"]) == (namespace, pod)]
    if not named:
        raise NoLog(404, f'pod "{namespace}/{pod}" is not on this node')
    return named[-1]


def _why_not(view: ContainerView, pod: str, *, previous: bool) -> str:
    if previous:
        return f'previous terminated container "{view.name}" in pod "{pod}" not found'
    reason = view.state.reason if isinstance(view.state, Waiting) else "its log is gone"
    return f'container "{view.name}" in pod "{pod}" is waiting to start: {reason}'


def _is_over(run: PodRun, container: str, number: int) -> bool:
    """Whether that run of the container has ended."""
    view = next(view for view in run.views() if view.name == container)
    return view.restarts > number or not isinstance(view.state, Running)
