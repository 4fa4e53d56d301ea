"""What is read out of a pod and a job as a real API server gives them."""

from typing import Any

import pytest

from support.builders import NOON, after, raw_job, raw_pod
from trainingjob_operator.core.observed import Blocked, Exit, Pod, job_from, pod_from

Object = dict[str, Any]


def container(name: str = "trainer", **state: Any) -> Object:
    return {"name": name, "ready": False, "restartCount": 0, "image": "trainer:1", "imageID": "", "state": state}


def terminated(code: int, **fields: Any) -> Object:
    return {"exitCode": code, "startedAt": "2026-01-01T12:00:01Z", "finishedAt": "2026-01-01T12:01:00Z"} | fields


def test_a_pod_that_was_just_created_has_no_status_to_speak_of() -> None:
    raw = raw_pod(1, attempt=3)
    del raw["status"], raw["spec"]

    one = pod_from(raw)

    assert (one.name, one.attempt, one.rank, one.uid) == ("digits-3-1", 3, 1, "pod-3-1")
    assert (one.phase, one.ready, one.ip, one.node, one.exit, one.blocked) == ("Pending", False, None, None, None, None)
    assert (one.stopped, one.succeeded, one.deleting) == (False, False, False)
    assert one.created_at == NOON


def test_a_running_pod_is_ready_by_its_condition() -> None:
    ready = [{"type": "Ready", "status": "True"}, {"type": "PodScheduled", "status": "True"}]

    one = pod_from(
        raw_pod(phase="Running", podIP="10.0.0.9", conditions=ready, containerStatuses=[container(running={})])
    )

    assert (one.ready, one.ip, one.node, one.blocked) == (True, "10.0.0.9", "node-0", None)
    assert not pod_from(raw_pod(conditions=[{"type": "Ready", "status": "False"}])).ready


def test_an_exit_shows_before_the_phase_says_so() -> None:
    ended = terminated(137, reason="OOMKilled", message="last words")

    one = pod_from(raw_pod(phase="Running", containerStatuses=[container(terminated=ended)]))

    assert one.exit == Exit(137, "OOMKilled", "last words", after(60))
    assert one.stopped
    assert not one.succeeded


def test_an_exit_that_the_runtime_knows_little_about_is_still_one() -> None:
    one = pod_from(raw_pod(containerStatuses=[container(terminated={"exitCode": 0})]))

    assert one.exit == Exit(0, "Error", "", None)
    assert one.succeeded


def test_phase_succeeded_without_container_statuses_is_success() -> None:
    one = pod_from(raw_pod(phase="Succeeded"))

    assert (one.stopped, one.succeeded) == (True, True)


def test_an_evicted_pod_has_no_container_statuses_and_says_why() -> None:
    one = pod_from(raw_pod(phase="Failed", reason="Evicted", message="The node was low on resource: memory."))

    assert (one.stopped, one.exit, one.disruption) == (True, None, "Evicted")
    assert one.message == "The node was low on resource: memory."


def test_a_pod_that_the_kubelet_did_not_admit_is_no_disruption() -> None:
    one = pod_from(raw_pod(phase="Failed", reason="UnexpectedAdmissionError", message="Allocate failed"))

    assert (one.disruption, one.reason) == (None, "UnexpectedAdmissionError")


@pytest.mark.parametrize(
    ("condition", "disruption"),
    [
        ({"status": "True", "reason": "PreemptionByScheduler"}, "PreemptionByScheduler"),
        ({"status": "True"}, "DisruptionTarget"),
        ({"status": "False", "reason": "PreemptionByScheduler"}, None),
    ],
)
def test_a_disruption_target_names_its_disruption(condition: Object, disruption: str | None) -> None:
    assert pod_from(raw_pod(conditions=[{"type": "DisruptionTarget"} | condition])).disruption == disruption


def test_a_deletion_was_asked_for_a_grace_period_before_its_timestamp() -> None:
    going = {"deletionTimestamp": "2026-01-01T12:01:00Z", "deletionGracePeriodSeconds": 60}

    assert pod_from(raw_pod(meta=going)).deleting_since == NOON
    assert pod_from(raw_pod(meta={"deletionTimestamp": "2026-01-01T12:01:00Z"})).deleting_since == after(60)
    assert pod_from(raw_pod(meta=going | {"deletionGracePeriodSeconds": 0})).deleting_since == after(60)


def test_a_sidecar_neither_stops_nor_unblocks_the_training_container() -> None:
    one = pod_from(
        raw_pod(
            phase="Running",
            containerStatuses=[container("proxy", running={}), container(terminated=terminated(0))],
        )
    )
    other = pod_from(raw_pod(containerStatuses=[container("proxy", terminated=terminated(1)), container(running={})]))

    assert (one.succeeded, one.has_running_sidecar) == (True, True)
    assert (other.stopped, other.has_running_sidecar) == (False, False)


def test_the_training_container_is_no_sidecar_of_itself() -> None:
    assert not pod_from(raw_pod(containerStatuses=[container(running={})])).has_running_sidecar
    assert not pod_from(raw_pod(containerStatuses=[{"name": "proxy"}])).has_running_sidecar


def test_an_unschedulable_pod_is_blocked() -> None:
    conditions = [{"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/3 nodes"}]

    assert pod_from(raw_pod(conditions=conditions)).blocked == Blocked("Unschedulable", "0/3 nodes")
    assert pod_from(raw_pod(conditions=[{"type": "PodScheduled", "status": "False"}])).blocked == Blocked(
        "Unschedulable", ""
    )


@pytest.mark.parametrize("reason", ["ContainerCreating", "PodInitializing", None])
def test_a_container_that_is_being_created_is_not_blocked(reason: str | None) -> None:
    assert pod_from(raw_pod(containerStatuses=[container(waiting={"reason": reason})])).blocked is None


def test_an_image_that_cannot_be_pulled_blocks() -> None:
    waiting = {"reason": "ImagePullBackOff", "message": "Back-off pulling image"}

    one = pod_from(raw_pod(containerStatuses=[container(waiting=waiting)]))

    assert one.blocked == Blocked("ImagePullBackOff", "Back-off pulling image")


def test_an_init_container_that_crashes_blocks_while_the_others_wait_for_it() -> None:
    one = pod_from(
        raw_pod(
            initContainerStatuses=[container("fetch", waiting={"reason": "CrashLoopBackOff"})],
            containerStatuses=[container(waiting={"reason": "PodInitializing"})],
        )
    )

    assert one.blocked == Blocked("CrashLoopBackOff", "")


@pytest.mark.parametrize(
    "owners",
    [
        None,
        [],
        [{"kind": "TrainingJob", "uid": "x"}],
        [{"kind": "Job", "uid": "x", "controller": True}],
    ],
)
def test_a_pod_belongs_to_its_controller_whatever_its_labels_say(owners: list[Object] | None) -> None:
    assert pod_from(raw_pod(meta={"ownerReferences": owners})).job_uid == ""
    assert pod_from(raw_pod(meta={"labels": {}})).job_uid != ""


def test_a_pod_with_a_name_that_is_none_of_ours_is_nobodys_rank() -> None:
    one = pod_from(raw_pod(meta={"name": "digits-shell"}))

    assert (one.attempt, one.rank) == (0, -1)


def test_an_empty_address_is_none() -> None:
    assert pod_from(raw_pod(podIP="")).ip is None


def test_a_job_is_read_with_its_status() -> None:
    found = job_from(raw_job(status={"attempt": 3, "fieldOfALaterVersion": 1}, numNodes=4))

    assert (found.name, found.namespace, found.resource_version, found.generation) == ("digits", "ml", "1", 1)
    assert found.spec is not None
    assert (found.spec.num_nodes, found.status.attempt, found.deleting, found.problems) == (4, 3, False, ())


def test_the_spec_of_one_generation_is_parsed_once() -> None:
    known = job_from(raw_job(numNodes=4))
    newer = job_from(raw_job(status={"attempt": 1}, numNodes=4), known)
    edited = raw_job(numNodes=3)
    edited["metadata"]["generation"] = 2
    reborn = raw_job(numNodes=3)
    reborn["metadata"]["uid"] = "another life"

    assert (newer.spec is known.spec, newer.status.attempt) == (True, 1)
    assert [job_from(raw, known).spec.num_nodes for raw in (edited, reborn)] == [3, 3]  # type: ignore[union-attr]


def test_an_invalid_job_has_problems_instead_of_a_spec() -> None:
    found = job_from(raw_job(numNodes=0))

    assert found.spec is None
    assert [problem.field for problem in found.problems] == ["spec.numNodes"]


def test_a_job_without_a_spec_or_a_version_is_read_as_well() -> None:
    raw = {"metadata": {"name": "digits", "namespace": "ml", "uid": "u", "deletionTimestamp": "2026-01-01T12:00:00Z"}}

    found = job_from(raw)

    assert (found.spec, found.deleting, found.resource_version, found.generation) == (None, True, "", 0)


def test_a_status_that_is_not_ours_is_an_error() -> None:
    with pytest.raises(ValueError, match="attempt"):
        job_from(raw_job(status={"attempt": "many"}))


def test_parsed_pods_compare_by_what_decisions_need() -> None:
    other = raw_pod(meta={"resourceVersion": "11", "annotations": {"a": "b"}})

    assert pod_from(raw_pod()) == pod_from(other)
    assert isinstance(pod_from(other), Pod)
