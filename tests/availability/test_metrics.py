"""What is counted: by stable names, with labels that do not grow with the cluster."""

import re
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client.parser import text_string_to_metric_families

from support.builders import raw_job
from trainingjob_operator.api.status import Attempt, Failure, State, TrainingJobStatus
from trainingjob_operator.core.observed import Job, job_from
from trainingjob_operator.metrics import GAUGES, PREFIX, REASONS, STATES, Metrics

DOCUMENT = Path(__file__).resolve().parents[2] / "docs" / "metrics.md"


class Clock:
    """A clock that a test sets."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


def sample(metrics: Metrics, name: str, **labels: str) -> float | None:
    return metrics.registry.get_sample_value(name, labels)


def at(status: TrainingJobStatus) -> Job:
    return replace(job_from(raw_job()), status=status)


def restarted(reason: str, *, counted: bool) -> tuple[TrainingJobStatus, TrainingJobStatus]:
    """A status before and after a restart."""
    failure = Failure(rank=0, pod="digits-1-0", reason=reason)
    ended = Attempt(attempt=1, reason=reason, counted=counted, first_failure=failure)
    before = TrainingJobStatus(state=State.RUNNING, attempt=1, attempts=[Attempt(attempt=1)])
    return before, TrainingJobStatus(state=State.RESTARTING, attempt=2, attempts=[ended, Attempt(attempt=2)])


def everything() -> Metrics:
    """Metrics in which everything was counted once."""
    metrics = Metrics(Clock())
    for name in GAUGES:
        metrics.gauge(name, lambda: 0.0)
    metrics.jobs(lambda: {"Running": 2})
    metrics.passed("done", 0.1)
    metrics.requested("create", "pods", "201")
    metrics.watch_restarted("pods")
    before, after = restarted("OOMKilled", counted=True)
    metrics.decided(at(before), after)
    return metrics


def documented() -> dict[str, tuple[str, set[str]]]:
    rows = re.findall(r"^\| `(\w+)` \| (\w+) \| ([^|]*)\|", DOCUMENT.read_text(), re.MULTILINE)
    return {name: (kind, set(re.findall(r"`(\w+)`", labels))) for name, kind, labels in rows}


def test_the_document_names_every_metric_its_type_and_its_labels() -> None:
    found = {}
    for family in everything().registry.collect():
        labels = {label for each in family.samples for label in each.labels} - {"le"}
        found[f"{family.name}_total" if family.type == "counter" else family.name] = (family.type, labels)

    assert found == documented()
    assert set(GAUGES) <= {name.removeprefix(f"{PREFIX}_") for name in found}


def test_the_page_is_prometheus_text_with_the_processs_own_figures() -> None:
    names = {family.name for family in text_string_to_metric_families(everything().text().decode())}

    assert {"trainingjob_jobs", "trainingjob_operator_api_requests", "process_resident_memory_bytes"} <= names


def test_jobs_of_every_state_are_told_even_if_there_are_none() -> None:
    metrics = everything()

    told = {state: sample(metrics, "trainingjob_jobs", state=state) for state in STATES}
    assert told == dict.fromkeys(STATES, 0) | {"Running": 2}


@pytest.mark.parametrize(
    ("reason", "counted", "label"),
    [("OOMKilled", True, "OOMKilled"), ("NodeLost", False, "NodeLost"), ("WrittenByAUsersRuntime", True, "Other")],
)
def test_restarts_are_counted_by_a_bounded_reason(reason: str, counted: bool, label: str) -> None:
    metrics = Metrics(Clock())
    before, after = restarted(reason, counted=counted)

    metrics.decided(at(before), after)

    assert sample(metrics, "trainingjob_restarts_total", reason=label, counted=str(counted).lower()) == 1
    assert len(REASONS) < 40


def test_a_job_that_goes_on_after_a_suspension_was_not_restarted() -> None:
    metrics = Metrics(Clock())
    before = TrainingJobStatus(state=State.SUSPENDED, attempt=1)

    metrics.decided(at(before), TrainingJobStatus(state=State.STARTING, attempt=2))

    assert "trainingjob_restarts_total{" not in metrics.text().decode()


def test_the_way_from_the_first_attempt_to_running_is_timed_once() -> None:
    clock = Clock()
    metrics = Metrics(clock)
    new, starting = TrainingJobStatus(), TrainingJobStatus(state=State.STARTING, attempt=1)
    running = TrainingJobStatus(state=State.RUNNING, attempt=1)

    metrics.decided(at(new), starting)
    clock.now = 4.0
    metrics.decided(at(starting), running)
    clock.now = 9.0
    metrics.decided(at(running), running)

    assert sample(metrics, "trainingjob_time_to_running_seconds_sum") == 4
    assert sample(metrics, "trainingjob_time_to_running_seconds_count") == 1


@pytest.mark.parametrize("state", [State.FAILED, State.SUSPENDED, State.RESTARTING])
def test_a_job_that_never_ran_is_not_timed(state: State) -> None:
    metrics = Metrics(Clock())
    starting = TrainingJobStatus(state=State.STARTING, attempt=1)

    metrics.decided(at(TrainingJobStatus()), starting)
    metrics.decided(at(starting), TrainingJobStatus(state=state, attempt=1))
    metrics.decided(at(starting), TrainingJobStatus(state=State.RUNNING, attempt=2))

    assert sample(metrics, "trainingjob_time_to_running_seconds_count") == 0
