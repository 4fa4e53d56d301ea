"""Service, NetworkPolicy and ConfigMap of a job."""

from typing import Any

import yaml

from support.builders import UID, job
from trainingjob_operator.core.children import children


def of(**fields: Any) -> dict[str, dict[str, Any]]:
    """The children by kind."""
    found = {}
    for resource, body in children(job(**fields)):
        assert (body["apiVersion"], body["kind"]) == (resource.api_version, resource.kind)
        found[resource.kind] = body
    return found


def test_every_child_is_called_like_the_job_and_owned_by_its_uid() -> None:
    owner = {
        "apiVersion": "trainingjob.dev/v1alpha1",
        "kind": "TrainingJob",
        "name": "digits",
        "uid": UID,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    for body in of(files={"train.py": "pass"}).values():
        meta = body["metadata"]
        assert (meta["name"], meta["namespace"], meta["ownerReferences"]) == ("digits", "ml", [owner])
        assert meta["labels"]["trainingjob.dev/job-uid"] == UID


def test_the_service_is_headless_and_publishes_pods_that_are_not_ready() -> None:
    spec = of(masterPort=1234)["Service"]["spec"]

    assert spec == {
        "clusterIP": "None",
        "publishNotReadyAddresses": True,
        "selector": {"trainingjob.dev/job-uid": UID},
        "ports": [{"name": "rendezvous", "port": 1234}],
    }


def test_only_pods_of_the_job_reach_its_pods_and_egress_stays_open() -> None:
    ours = {"matchLabels": {"trainingjob.dev/job-uid": UID}}

    assert of()["NetworkPolicy"]["spec"] == {
        "podSelector": ours,
        "policyTypes": ["Ingress"],
        "ingress": [{"from": [{"podSelector": ours}]}],
    }


def test_the_operator_reaches_the_progress_port_and_no_other() -> None:
    (_, _), (_, policy) = children(job(progressPort=1234), "trainingjob-system")

    assert policy["spec"]["ingress"][1] == {
        "from": [
            {
                "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "trainingjob-system"}},
                "podSelector": {"matchLabels": {"trainingjob.dev/role": "operator"}},
            }
        ],
        "ports": [{"port": 1234, "protocol": "TCP"}],
    }


def test_without_progress_the_operator_reaches_nothing() -> None:
    (_, _), (_, policy) = children(job(progressPort=0), "trainingjob-system")

    assert len(policy["spec"]["ingress"]) == 1


def test_a_network_policy_can_be_done_without() -> None:
    assert set(of(networkPolicy={"enabled": False})) == {"Service"}


def test_a_config_map_is_only_made_when_it_would_hold_something() -> None:
    assert set(of()) == {"Service", "NetworkPolicy"}


def test_files_go_into_an_immutable_config_map_under_flat_keys() -> None:
    found = of(files={"train.py": "pass", "lib/net.py": "x = 1"})["ConfigMap"]

    assert found["immutable"] is True
    assert found["data"] == {"train.py": "pass", "lib__net.py": "x = 1"}


def test_the_trainers_configuration_is_kept_in_the_users_order() -> None:
    config = {"trainer": {"max_epochs": 1}, "model": {"class_path": "m"}, "data": {"class_path": "d"}}

    data = of(run={"trainer": {"config": config}})["ConfigMap"]["data"]

    assert list(data) == ["trainingjob.config.yaml"]
    assert list(yaml.safe_load(data["trainingjob.config.yaml"]).items()) == list(config.items())
