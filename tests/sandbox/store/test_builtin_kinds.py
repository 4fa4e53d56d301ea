"""What the store knows of pods, services, ConfigMaps and the other built-in kinds."""

import base64
from typing import Any

import pytest

from support.api_objects import Clock, configmap, new_store, pod
from trainingjob_operator.api.resources import (
    CLAIMS,
    CONFIGMAPS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NETWORKPOLICIES,
    PODS,
    SERVICES,
    Resource,
)
from trainingjob_operator.cluster.api import MERGE_PATCH, ApiError
from trainingjob_sandbox.store.builtin.kinds import SECRETS

Object = dict[str, Any]


def test_a_pod_gets_what_a_kubelet_counts_on() -> None:
    created = new_store().create(PODS, "default", pod()).object

    spec = created["spec"]
    assert (spec["restartPolicy"], spec["terminationGracePeriodSeconds"]) == ("Always", 30)
    (container,) = spec["containers"]
    assert container["terminationMessagePolicy"] == "File"
    assert container["imagePullPolicy"] == "IfNotPresent"
    assert created["status"] == {"phase": "Pending", "qosClass": "BestEffort"}


@pytest.mark.parametrize(
    ("image", "policy"),
    [("a", "Always"), ("a:latest", "Always"), ("a:1", "IfNotPresent"), ("host:5000/a", "Always")],
)
def test_only_fixed_images_are_not_pulled_again(image: str, policy: str) -> None:
    created = new_store().create(PODS, "default", pod(containers=[{"name": "c", "image": image}])).object

    assert created["spec"]["containers"][0]["imagePullPolicy"] == policy


@pytest.mark.parametrize(
    ("resources", "quality"),
    [
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}}, "Guaranteed"),
        ({"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1", "memory": "2Gi"}}, "Burstable"),
    ],
)
def test_a_pod_has_a_quality_of_service(resources: Object, quality: str) -> None:
    container = {"name": "c", "image": "i", "resources": resources}

    assert new_store().create(PODS, "default", pod(containers=[container])).object["status"]["qosClass"] == quality


CONTAINER = {"name": "c", "image": "i"}


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"containers": []}, "spec.containers: Required value"),
        ({"containers": [{"image": "i"}]}, "spec.containers[0].name: Required value"),
        ({"containers": [{"name": "c"}]}, "spec.containers[0].image: Required value"),
        ({"containers": [CONTAINER, CONTAINER]}, 'spec.containers[1].name: Duplicate value: "c"'),
        ({"containers": [{"name": "C_", "image": "i"}]}, "a lowercase RFC 1123 label must consist of"),
        ({"restartPolicy": "Now"}, 'Unsupported value: "Now": supported values: "Always", "OnFailure", "Never"'),
        (
            {"containers": [CONTAINER | {"volumeMounts": [{"name": "v", "mountPath": "/x"}]}]},
            'spec.containers[0].volumeMounts[0].name: Not found: "v"',
        ),
        (
            {"containers": [CONTAINER | {"ports": [{"containerPort": 99999}]}]},
            "spec.containers[0].ports[0].containerPort: Invalid value: 99999: must be between 1 and 65535, inclusive",
        ),
        (
            {"containers": [CONTAINER | {"env": [{"name": "a=b"}]}]},
            "must consist only of printable ASCII characters other than '='",
        ),
        ({"containers": [CONTAINER | {"env": [{"name": "a", "value": 1}]}]}, "must be a string; quote it"),
        ({"volumes": [{"name": "v"}, {"name": "v"}]}, 'spec.volumes[1].name: Duplicate value: "v"'),
        ({"hostname": "a.b"}, "spec.hostname: Invalid value"),
    ],
)
def test_a_pod_that_cannot_run_is_refused(spec: Object, complaint: str) -> None:
    with pytest.raises(ApiError) as refused:
        new_store().create(PODS, "default", pod(**spec))

    assert refused.value.status == 422
    assert complaint in refused.value.message


def test_a_pods_spec_is_fixed_but_for_its_images_and_more_tolerations() -> None:
    store = new_store()
    created = store.create(PODS, "default", pod()).object
    container = created["spec"]["containers"][0]

    store.patch(
        PODS, "default", "p", {"spec": {"containers": [container | {"image": "new:1"}]}}, content_type=MERGE_PATCH
    )
    store.patch(PODS, "default", "p", {"spec": {"tolerations": [{"key": "k"}]}}, content_type=MERGE_PATCH)

    for change in ({"nodeName": "n"}, {"containers": [container | {"args": ["x"]}]}, {"tolerations": []}):
        with pytest.raises(ApiError, match="pod updates may not change fields other than"):
            store.patch(PODS, "default", "p", {"spec": change}, content_type=MERGE_PATCH)


def test_a_pod_is_bound_once() -> None:
    clock = Clock()
    store = new_store(clock=clock)
    store.create(PODS, "default", pod())

    bound = store.bind("default", "p", "n1").object

    assert bound["spec"]["nodeName"] == "n1"
    assert bound["status"]["conditions"][0]["type"] == "PodScheduled"
    with pytest.raises(ApiError, match='pod p is already assigned to node "n1"') as refused:
        store.bind("default", "p", "n2")
    assert refused.value.status == 409


def test_a_pod_without_a_node_to_bind_to_stays_unbound() -> None:
    store = new_store()
    store.create(PODS, "default", pod())

    with pytest.raises(ApiError, match=r"target\.name: Required value"):
        store.bind("default", "p", "")


def test_an_immutable_configmap_stays_as_it_is() -> None:
    store = new_store()
    store.create(CONFIGMAPS, "default", configmap(k="v") | {"immutable": True})

    for change, field in (({"data": {"k": "w"}}, "data"), ({"immutable": False}, "immutable")):
        with pytest.raises(ApiError, match=f"{field}: Forbidden: field is immutable when `immutable` is set"):
            store.patch(CONFIGMAPS, "default", "c", change, content_type=MERGE_PATCH)

    store.patch(CONFIGMAPS, "default", "c", {"metadata": {"labels": {"a": "b"}}}, content_type=MERGE_PATCH)


@pytest.mark.parametrize(
    ("change", "complaint"),
    [
        ({"data": {"a b": "x"}}, "a valid config key must consist of"),
        ({"data": {"a": 5}}, "data.a must be a string"),
        ({"data": {"a": "x" * (1024 * 1024 + 1)}}, "Too long: may not be more than 1048576 bytes"),
    ],
)
def test_a_configmap_that_cannot_be_mounted_is_refused(change: Object, complaint: str) -> None:
    with pytest.raises(ApiError, match=complaint):
        new_store().create(CONFIGMAPS, "default", configmap() | change)


def test_a_secrets_plain_strings_are_never_given_out() -> None:
    body = {"metadata": {"name": "s"}, "stringData": {"a": "b"}}

    created = new_store().create(SECRETS, "default", body).object

    assert "stringData" not in created
    assert base64.b64decode(created["data"]["a"]) == b"b"
    assert created["type"] == "Opaque"


def test_a_service_gets_its_defaults() -> None:
    spec = {"ports": [{"port": 80}]}

    created = new_store().create(SERVICES, "default", {"metadata": {"name": "s"}, "spec": spec}).object

    assert created["spec"]["ports"] == [{"port": 80, "protocol": "TCP", "targetPort": 80}]
    assert created["spec"]["type"] == "ClusterIP"


@pytest.mark.parametrize(
    ("spec", "complaint"),
    [
        ({"ports": [{"port": 99999}]}, r"spec.ports\[0\].port: Invalid value: 99999"),
        ({}, "spec.ports: Required value"),
        ({"ports": [{"port": 1}, {"port": 2}]}, r"spec.ports\[0\].name: Required value"),
        ({"ports": [{"port": 1, "name": "a"}, {"port": 2, "name": "a"}]}, "Duplicate value"),
        ({"ports": [{"port": 1, "protocol": "ICMP"}]}, "supported values"),
        ({"ports": [{"port": 1}], "type": "Open"}, "supported values"),
    ],
)
def test_a_service_that_leads_nowhere_is_refused(spec: Object, complaint: str) -> None:
    with pytest.raises(ApiError, match=complaint):
        new_store().create(SERVICES, "default", {"metadata": {"name": "s"}, "spec": spec})


def test_a_headless_service_needs_no_ports_and_keeps_its_address() -> None:
    store = new_store()
    store.create(SERVICES, "default", {"metadata": {"name": "s"}, "spec": {"clusterIP": "None"}})

    with pytest.raises(ApiError, match="may not change once set"):
        store.patch(SERVICES, "default", "s", {"spec": {"clusterIP": "10.0.0.1"}}, content_type=MERGE_PATCH)


@pytest.mark.parametrize(
    ("resource", "body", "complaint"),
    [
        (NAMESPACES, {"metadata": {"name": "a.b"}}, "must not contain dots"),
        (SERVICES, {"metadata": {"name": "a.b"}, "spec": {"ports": [{"port": 1}]}}, "RFC 1123 label"),
        (EVENTS, {"metadata": {"name": "e"}, "involvedObject": {"namespace": "x"}}, "does not match event.namespace"),
        (CLAIMS, {"metadata": {"name": "c"}}, "spec.accessModes: Required value"),
        (LEASES, {"metadata": {"name": "l"}, "spec": {"leaseDurationSeconds": 0}}, "must be greater than 0"),
        (LEASES, {"metadata": {"name": "l"}, "spec": {"leaseTransitions": -1}}, "greater than or equal to 0"),
    ],
)
def test_what_other_kinds_refuse(resource: Resource, body: Object, complaint: str) -> None:
    namespace = "default" if resource.namespaced else None

    with pytest.raises(ApiError, match=complaint):
        new_store().create(resource, namespace, body)


def test_a_claim_begins_unbound_and_a_policy_is_about_what_comes_in() -> None:
    store = new_store()
    claim = {"accessModes": ["ReadWriteMany"], "resources": {"requests": {"storage": "1Gi"}}}

    assert store.create(CLAIMS, "default", {"metadata": {"name": "c"}, "spec": claim}).object["status"] == {
        "phase": "Pending"
    }
    policy = store.create(NETWORKPOLICIES, "default", {"metadata": {"name": "n"}, "spec": {"podSelector": {}}}).object
    assert policy["spec"]["policyTypes"] == ["Ingress"]
