"""What the operator counts, as Prometheus metrics (docs/metrics.md). Recorded at the edges; decides nothing.

Labels are words of this operator or of Kubernetes, never names of jobs, pods or namespaces: the number of time series
does not grow with the cluster.
"""

from collections.abc import Callable, Iterable, Mapping

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.registry import Collector

from trainingjob_operator.api.status import State, TrainingJobStatus
from trainingjob_operator.core.observed import DISRUPTIONS, Job

PREFIX = "trainingjob_operator"
PASS_BUCKETS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0)
START_BUCKETS = (0.5, 1.0, 2.0, 3.0, 5.0, 10.0, 20.0, 30.0, 60.0, 120.0, 300.0, 600.0, 1800.0)
STATES = ("New", *(str(state) for state in State))
REASONS = DISRUPTIONS | {
    "Error", "LostPeer", "OOMKilled", "PodDeleted", "PodFailed", "PodReplaced", "DisruptionTarget",
    "DeletionByTaintManager", "EvictionByEvictionAPI", "PreemptionByScheduler", "TerminationByKubelet",
    "Stalled", "StartError", "ContainerCannotRun", "DeadlineExceeded", "UnexpectedAdmissionError",
}  # fmt: skip
"""Reasons that are counted by name. A container runtime may invent others: they are ``Other``."""

GAUGES = {
    "queue_depth": "Jobs that wait to be looked at.",
    "queue_age_seconds": "How long the first of them has waited.",
    "pass_age_seconds": "How long the longest running pass has run.",
    "api_window": "Requests for jobs that may be under way at once.",
    "api_in_flight": "Requests for jobs that are under way.",
    "api_waiting": "Requests for jobs that wait for their turn.",
    "leader": "1 if this process works, 0 if it stands by.",
}
"""What is asked for when metrics are, by name without the prefix."""

UNFINISHED = 100_000
"""Jobs whose way to Running is timed at once, at most."""


class Metrics:
    """The counters of one process. ``registry`` holds nothing else."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self.registry = own = CollectorRegistry()
        self._clock = clock
        self._begun: dict[str, float] = {}
        self._passes = Histogram(
            f"{PREFIX}_reconcile_seconds",
            "Duration of passes over a job.",
            ["result"],
            buckets=PASS_BUCKETS,
            registry=own,
        )
        self._requests = Counter(
            f"{PREFIX}_api_requests",
            "Requests to the API server.",
            ["verb", "resource", "code"],
            registry=own,
        )
        self._watches = Counter(f"{PREFIX}_watch_restarts", "Watches opened anew.", ["resource"], registry=own)
        self._restarts = Counter("trainingjob_restarts", "Gangs restarted.", ["reason", "counted"], registry=own)
        self._starts = Histogram(
            "trainingjob_time_to_running_seconds",
            "From a job's first attempt to its first gang Running.",
            buckets=START_BUCKETS,
            registry=own,
        )

    def passed(self, result: str, seconds: float) -> None:
        """A pass ended: ``done``, ``stale``, ``deposed`` or ``error``."""
        self._passes.labels(result).observe(seconds)

    def requested(self, verb: str, resource: str, code: str) -> None:
        """A request was answered, or not (``none``)."""
        self._requests.labels(verb, resource, code).inc()

    def watch_restarted(self, resource: str) -> None:
        """A watch was opened that had been open before."""
        self._watches.labels(resource).inc()

    def decided(self, job: Job, new: TrainingJobStatus) -> None:
        """A status was written; what it says beyond the one before is counted."""
        old = job.status
        if 0 < old.attempt < new.attempt and old.state != State.SUSPENDED:
            self._restarted(new)
        if old.attempt == 0 < new.attempt and len(self._begun) < UNFINISHED:
            self._begun[job.uid] = self._clock()
        if new.state == State.RUNNING and (begun := self._begun.pop(job.uid, None)) is not None:
            self._starts.observe(self._clock() - begun)
        elif new.state in (State.SUCCEEDED, State.FAILED, State.SUSPENDED, State.RESTARTING):
            self._begun.pop(job.uid, None)

    def _restarted(self, new: TrainingJobStatus) -> None:
        ended = new.attempts[-2] if len(new.attempts) > 1 else None
        failure = ended.first_failure if ended else None
        reason = failure.reason if failure and failure.reason in REASONS else "Other"
        self._restarts.labels(reason, str(bool(ended and ended.counted)).lower()).inc()

    def gauge(self, name: str, value: Callable[[], float]) -> None:
        """Where one of GAUGES comes from."""
        Gauge(f"{PREFIX}_{name}", GAUGES[name], registry=self.registry).set_function(value)

    def jobs(self, states: Callable[[], Mapping[str, int]]) -> None:
        """Jobs by state, asked for when metrics are."""
        self.registry.register(_Jobs(states))

    def text(self) -> bytes:
        """All metrics and those of the process, in Prometheus' text format."""
        return generate_latest(self.registry) + generate_latest(REGISTRY)


class _Jobs(Collector):
    """Jobs by state; each state is always there, so that an alert sees zero and not nothing."""

    def __init__(self, states: Callable[[], Mapping[str, int]]) -> None:
        self._states = states

    def collect(self) -> Iterable[Metric]:
        family = GaugeMetricFamily("trainingjob_jobs", "TrainingJobs by state.", labels=["state"])
        counted = self._states()
        for state in STATES:
            family.add_metric([state], counted.get(state, 0))
        yield family


CONTENT_TYPE = CONTENT_TYPE_LATEST
