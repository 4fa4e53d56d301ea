"""The cluster's DNS domain, as a pod's resolver knows it."""

from pathlib import Path

import pytest

from trainingjob_operator.settings import found_cluster_domain, found_operator_namespace


@pytest.mark.parametrize(
    ("text", "domain"),
    [
        ("nameserver 10.96.0.10\nsearch ml.svc.cluster.local svc.cluster.local cluster.local\n", "cluster.local"),
        ("search ml.svc.k8s.example.com svc.k8s.example.com k8s.example.com corp\noptions ndots:5", "k8s.example.com"),
        ("search svc.cluster.local.\n", "cluster.local"),
        ("search corp.example\n", "cluster.local"),
        ("# search svc.commented.out\nnameserver 1.1.1.1\n", "cluster.local"),
        ("", "cluster.local"),
    ],
)
def test_the_domain_is_read_from_the_search_list(tmp_path: Path, text: str, domain: str) -> None:
    file = tmp_path / "resolv.conf"
    file.write_text(text)

    assert found_cluster_domain(file) == domain


def test_without_a_resolver_there_is_the_usual_domain(tmp_path: Path) -> None:
    assert found_cluster_domain(tmp_path / "absent") == "cluster.local"


def test_the_operators_namespace_is_its_service_accounts(tmp_path: Path) -> None:
    file = tmp_path / "namespace"
    file.write_text("trainingjob-system\n")

    assert found_operator_namespace(file) == "trainingjob-system"
    assert found_operator_namespace(tmp_path / "absent") is None
