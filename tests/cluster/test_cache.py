"""What the watches have shown."""

from typing import Any

import pytest

from support.builders import UID, raw_job, raw_pod
from support.reflected import reflect
from trainingjob_operator.cluster.cache import Graves, JobCache, Key, PodCache, job_of

KEY = Key("ml", "digits")


def job_version(version: int, uid: str = UID, **fields: Any) -> dict[str, Any]:
    raw = raw_job(**fields)
    raw["metadata"] |= {"resourceVersion": str(version), "uid": uid}
    return raw


def pod_version(version: int, rank: int = 0, uid: str = "", **status: Any) -> dict[str, Any]:
    raw = raw_pod(rank, **status)
    raw["metadata"] |= {"resourceVersion": str(version)} | ({"uid": uid} if uid else {})
    return raw


@pytest.fixture
def woken() -> list[Key]:
    return []


@pytest.fixture
def jobs(woken: list[Key]) -> JobCache:
    return JobCache(woken.append)


@pytest.fixture
def pods(woken: list[Key]) -> PodCache:
    return PodCache(woken.append)


def test_a_key_reads_as_namespace_and_name() -> None:
    assert str(KEY) == "ml/digits"


def test_the_newest_version_of_a_job_is_kept_whatever_the_order_of_arrival(jobs: JobCache, woken: list[Key]) -> None:
    for version in (9, 10, 9, 10):
        jobs.put(job_version(version))

    found = jobs.get(KEY)
    assert found is not None
    assert (found.resource_version, len(jobs), woken) == ("10", 1, [KEY, KEY])


def test_versions_compare_as_numbers(jobs: JobCache) -> None:
    jobs.put(job_version(10))
    jobs.put(job_version(9))

    assert jobs.get(KEY).resource_version == "10"  # type: ignore[union-attr]


def test_a_namesake_replaces_a_job_even_with_an_older_version(jobs: JobCache) -> None:
    jobs.put(job_version(10))
    jobs.put(job_version(3, uid="another life"))

    assert jobs.get(KEY).uid == "another life"  # type: ignore[union-attr]


def test_a_job_that_was_deleted_does_not_come_back_to_life(jobs: JobCache, woken: list[Key]) -> None:
    jobs.put(job_version(1))
    jobs.remove(KEY, UID)
    jobs.put(job_version(2))

    assert (jobs.get(KEY), len(jobs), woken) == (None, 0, [KEY, KEY])


def test_the_deletion_of_an_earlier_life_leaves_the_namesake_alone(jobs: JobCache) -> None:
    jobs.put(job_version(5, uid="new"))
    jobs.remove(KEY, "old")

    assert jobs.get(KEY) is not None


def test_a_status_that_is_not_ours_is_an_error_and_the_known_version_stays(jobs: JobCache) -> None:
    jobs.put(job_version(1))

    with pytest.raises(ValueError, match="attempt"):
        jobs.put(job_version(2, status={"attempt": "x"}))

    assert jobs.get(KEY).resource_version == "1"  # type: ignore[union-attr]


def test_a_pod_wakes_its_job_only_if_a_decision_could_depend_on_the_change(pods: PodCache, woken: list[Key]) -> None:
    pods.put(pod_version(1))
    pods.put(pod_version(2))
    pods.put(pod_version(3, phase="Running"))

    assert woken == [KEY, KEY]
    assert [pod.phase for pod in pods.of(KEY)] == ["Running"]


def test_an_old_version_of_a_pod_is_ignored(pods: PodCache) -> None:
    pods.put(pod_version(10, phase="Running"))
    pods.put(pod_version(9, phase="Pending"))

    assert [pod.phase for pod in pods.of(KEY)] == ["Running"]


def test_a_late_reply_does_not_bring_a_deleted_pod_back(pods: PodCache, woken: list[Key]) -> None:
    pods.remove(pod_version(2))
    pods.put(pod_version(1))

    assert (pods.of(KEY), len(pods), woken) == ((), 0, [])


def test_a_pod_that_took_the_name_of_another_takes_its_place(pods: PodCache) -> None:
    pods.put(pod_version(5, uid="old"))
    pods.put(pod_version(6, uid="new"))
    assert ([pod.uid for pod in pods.of(KEY)], len(pods)) == (["new"], 1)

    pods.remove(pod_version(7, uid="old"))

    assert [pod.uid for pod in pods.of(KEY)] == ["new"]


def test_a_late_word_of_a_pod_does_not_displace_the_one_that_took_its_name(pods: PodCache) -> None:
    pods.put(pod_version(5, uid="old"))
    pods.put(pod_version(8, uid="new"))

    pods.put(pod_version(6, uid="old"))
    pods.put(pod_version(7, uid="between"))

    assert [pod.uid for pod in pods.of(KEY)] == ["new"]


def test_a_pod_whose_name_was_taken_is_dead_even_if_its_successor_has_gone_too(pods: PodCache) -> None:
    pods.put(pod_version(5, uid="old"))
    reflect(pods, [pod_version(8, uid="new")], "9")
    pods.remove(pod_version(10, uid="new"))

    pods.put(pod_version(6, uid="old"))

    assert pods.of(KEY) == ()


def test_the_last_pod_to_go_leaves_nothing_behind(pods: PodCache, woken: list[Key]) -> None:
    pods.put(pod_version(1))
    pods.put(pod_version(1, rank=1))
    pods.remove(pod_version(2))
    pods.remove(pod_version(2, rank=1))
    pods.remove(pod_version(2, rank=1))

    assert (pods.of(KEY), len(pods), len(woken)) == ((), 0, 4)


def test_a_whole_list_removes_what_it_does_not_hold(pods: PodCache) -> None:
    pods.put(pod_version(1))
    pods.put(pod_version(1, rank=1))

    reflect(pods, [pod_version(2, rank=1), pod_version(2, rank=2)], "2")

    assert sorted(pod.rank for pod in pods.of(KEY)) == [1, 2]
    pods.put(pod_version(1))
    assert sorted(pod.rank for pod in pods.of(KEY)) == [1, 2]


def test_a_pod_made_while_the_list_was_on_its_way_stays(pods: PodCache) -> None:
    pods.put(pod_version(3))

    reflect(pods, [], "2")

    assert len(pods) == 1


def test_one_jobs_list_leaves_the_pods_of_others(pods: PodCache) -> None:
    other = raw_pod(0, meta={"namespace": "other", "uid": "x", "resourceVersion": "1"})
    pods.put(other)
    pods.put(pod_version(1))

    pods.replace_job(KEY, [], "2")

    assert pods.of(KEY) == ()
    assert len(pods.of(Key("other", "digits"))) == 1


def test_a_pod_belongs_to_the_job_that_controls_it() -> None:
    raw = raw_pod()
    raw["metadata"]["labels"]["trainingjob.dev/job"] = "edited"

    assert job_of(raw) == KEY


@pytest.mark.parametrize("owners", [None, [], [{"kind": "Job", "name": "x", "controller": True}]])
def test_an_orphan_belongs_to_the_job_of_its_label(owners: object) -> None:
    assert job_of(raw_pod(meta={"ownerReferences": owners})) == KEY


def test_a_strangers_pod_belongs_to_nobody(pods: PodCache) -> None:
    stranger = raw_pod(meta={"ownerReferences": None, "labels": None})

    pods.put(stranger)
    pods.remove(stranger)

    assert job_of(stranger) is None
    assert len(pods) == 0


def test_graves_forget_the_oldest() -> None:
    graves = Graves(limit=2)
    for uid in ("a", "b", "c"):
        graves.bury(uid)

    assert ["a" in graves, "b" in graves, "c" in graves] == [False, True, True]
