"""Names stay legal and can be read back."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from support.builders import UID
from trainingjob_operator.api import names

LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
JOB_NAMES = st.from_regex(names.JOB_NAME_PATTERN, fullmatch=True).filter(names.is_job_name)
ATTEMPTS, RANKS = st.integers(1, 9_999_999), st.integers(0, names.MAX_NODES - 1)


@given(JOB_NAMES | st.just("a" * names.MAX_JOB_NAME), ATTEMPTS, RANKS)
def test_the_pod_of_any_legal_job_has_a_legal_host_name(job: str, attempt: int, rank: int) -> None:
    name = names.pod_name(job, attempt, rank)

    assert len(name) <= 63
    assert LABEL.fullmatch(name)
    assert names.attempt_and_rank(name) == (attempt, rank)


@given(JOB_NAMES, ATTEMPTS, RANKS)
def test_labels_are_legal_and_tie_a_pod_to_its_rank(job: str, attempt: int, rank: int) -> None:
    labels = names.pod_labels(job, UID, attempt, rank)

    assert all(len(value) <= 63 for value in labels.values())
    assert (labels["trainingjob.dev/attempt"], labels["trainingjob.dev/rank"]) == (str(attempt), str(rank))
    assert names.job_labels(job, UID).items() <= labels.items()
    for requirement in names.job_selector(job).split(","):
        key, value = requirement.split("=")
        assert labels[key] == value


@pytest.mark.parametrize(
    "name", ["digits", "digits-0-1", "digits-01-1", "digits-1-01", "-1-0", "digits-1-10000", "1-0", ""]
)
def test_other_names_are_nobodys_pods(name: str) -> None:
    assert names.attempt_and_rank(name) is None


def test_a_job_whose_own_name_ends_in_numbers_is_no_trouble() -> None:
    assert names.attempt_and_rank(names.pod_name("run-2-3", 4, 5)) == (4, 5)


@pytest.mark.parametrize("name", ["a", "a1", "my-job-2", "a" * 50])
def test_legal_job_names(name: str) -> None:
    assert names.is_job_name(name)


@pytest.mark.parametrize("name", ["", "1a", "-a", "a-", "A", "a.b", "a_b", "a" * 51, "a\n", "ä"])
def test_illegal_job_names(name: str) -> None:
    assert not names.is_job_name(name)


def test_the_main_address_is_the_name_that_the_kubelet_writes() -> None:
    assert names.main_address("digits", 2, "ml", "cluster.local") == "digits-2-0.digits.ml.svc.cluster.local"


@pytest.mark.parametrize("name", ["MASTER_ADDR", "RANK", "TRAININGJOB_ANYTHING", "SLURM_JOB_ID", "TORCHELASTIC_RUN_ID"])
def test_reserved_variables(name: str) -> None:
    assert names.is_reserved_env(name)


@pytest.mark.parametrize("name", ["NCCL_DEBUG", "OMP_NUM_THREADS", "NCCL_SOCKET_IFNAME", "rank", "MY_RANK", "PATH"])
def test_variables_that_are_the_users(name: str) -> None:
    assert not names.is_reserved_env(name)


@pytest.mark.parametrize("path", ["train.py", "lib/net.py", "_x", "a-b.c/d_e"])
def test_legal_files(path: str) -> None:
    assert names.is_file_name(path)
    assert re.fullmatch(r"[-._a-zA-Z0-9]+", names.file_key(path))


@pytest.mark.parametrize("path", ["", "/etc/passwd", "../x", "a/../b", "a//b", "a/", ".hidden", "a b", "a\n", "-x"])
def test_illegal_files(path: str) -> None:
    assert not names.is_file_name(path)
