"""What a podTemplate may not touch."""

from typing import Any

import pytest
from hypothesis import Phase, given, settings
from hypothesis import strategies as st

from support.builders import job, raw_job
from trainingjob_operator.api.container import PodTemplate
from trainingjob_operator.api.overlay_rules import refused
from trainingjob_operator.core.observed import job_from
from trainingjob_operator.core.pod import for_rank, template

PATH = "spec.podTemplate."


def refusals(spec: Any = None, **metadata: Any) -> dict[str, str]:
    """Sentences by field, without the common beginning of the path."""
    found = refused(PodTemplate.model_validate({"spec": spec or {}, "metadata": metadata}))
    return {field.removeprefix(PATH): why for field, why in found}


def containers(*entries: Any) -> dict[str, str]:
    return refusals({"containers": list(entries)})


def test_what_pods_usually_need_is_allowed() -> None:
    usual = {
        "nodeSelector": {"gpu": "a100"},
        "tolerations": [{"operator": "Exists"}],
        "restartPolicy": "Never",
        "volumes": [{"name": "cache", "emptyDir": {}}],
        "initContainers": [{"name": "fetch", "image": "fetch:1", "command": ["fetch"]}],
        "containers": [
            {"name": "trainer", "env": [{"name": "NCCL_DEBUG", "value": "INFO"}], "volumeMounts": []},
            {"name": "sidecar", "image": "sidecar:1", "env": [{"name": "RANK", "value": "0"}]},
        ],
    }

    assert refusals(usual, labels={"team": "vision"}, annotations={"note": "x"}) == {}


@pytest.mark.parametrize("field", ["hostname", "subdomain", "nodeName", "ephemeralContainers"])
def test_fields_that_the_operator_stands_on_are_refused_with_the_reason(field: str) -> None:
    (why,) = refusals({field: "x"}).values()

    assert why.startswith("cannot be set: ")


def test_a_restart_of_a_single_rank_is_refused() -> None:
    assert "spec.failurePolicy" in refusals({"restartPolicy": "OnFailure"})["spec.restartPolicy"]


@pytest.mark.parametrize("kind", ["labels", "annotations"])
@pytest.mark.parametrize("key", ["trainingjob.dev/rank", "app.kubernetes.io/name", "app.kubernetes.io/managed-by"])
def test_labels_and_annotations_of_the_operator_are_refused(kind: str, key: str) -> None:
    assert refusals(**{kind: {key: "x"}}) == {f"metadata.{kind}[{key}]": "is set by the operator: remove it"}


@pytest.mark.parametrize(
    ("field", "remedy"),
    [("image", "spec.image"), ("command", "spec.run"), ("args", "spec.run"), ("workingDir", "spec.workingDir")],
)
def test_the_training_container_is_set_elsewhere(field: str, remedy: str) -> None:
    assert containers({"name": "side"}, {"name": "trainer", field: "x"}) == {
        f"spec.containers[1].{field}": f"cannot be set here: use {remedy}"
    }


def test_rendezvous_variables_are_refused_in_the_training_container() -> None:
    env = [{"name": "A"}, {"name": "MASTER_ADDR", "value": "x"}]

    assert containers({"name": "trainer", "env": env}) == {
        "spec.containers[0].env[1].name": "MASTER_ADDR is set by the operator: remove it"
    }


def test_an_init_container_cannot_be_the_training_container() -> None:
    (why,) = refusals({"initContainers": [{"name": "trainer"}]}).values()

    assert why == "'trainer' is the training container: choose another name"


@pytest.mark.parametrize("entry", [{}, {"name": ""}, "trainer", None, {"name": ["x"]}])
def test_a_container_needs_a_name(entry: object) -> None:
    assert containers(entry) == {"spec.containers[0].name": "is required; the training container is called 'trainer'"}


@pytest.mark.parametrize("entry", [{}, {"name": ""}, "cache", None, {"name": {}}, {"name": ["x"]}])
def test_a_volume_needs_a_name(entry: object) -> None:
    assert refusals({"volumes": [entry]}) == {"spec.volumes[0].name": "is required"}


def test_a_volume_of_the_operator_is_refused() -> None:
    assert refusals({"volumes": [{"name": "trainingjob-shm"}]}) == {
        "spec.volumes[0].name": "'trainingjob-shm' is a volume of the operator: choose another name"
    }


@pytest.mark.parametrize("field", ["containers", "initContainers", "volumes", "hostAliases"])
@pytest.mark.parametrize("value", [None, {}, "x", 1])
def test_a_list_must_be_a_list(field: str, value: object) -> None:
    assert refusals({field: value}) == {f"spec.{field}": "must be a list"}


@pytest.mark.parametrize("field", ["env", "ports", "volumeMounts"])
@pytest.mark.parametrize("value", [None, {"A": "1"}, "x"])
def test_a_list_in_the_training_container_must_be_a_list(field: str, value: object) -> None:
    assert containers({"name": "trainer", field: value}) == {f"spec.containers[0].{field}": "must be a list"}


@pytest.mark.parametrize(("field", "key"), [("env", "name"), ("ports", "containerPort"), ("volumeMounts", "mountPath")])
@pytest.mark.parametrize("entry", [None, "x", {}, {"other": 1}, {"name": [], "containerPort": [], "mountPath": {}}])
def test_entries_that_are_merged_by_a_key_need_it(field: str, key: str, entry: object) -> None:
    assert containers({"name": "trainer", field: [entry]}) == {f"spec.containers[0].{field}[0].{key}": "is required"}


JSON = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(), st.sampled_from(["trainer", "x", "NCCL_DEBUG"])),
    lambda inside: (
        st.lists(inside, max_size=2)
        | st.dictionaries(
            st.sampled_from(["name", "ip", "env", "ports", "containerPort", "mountPath"]), inside, max_size=2
        )
    ),
    max_leaves=4,
)
LISTS = st.lists(st.fixed_dictionaries({"name": st.sampled_from(["trainer", "x"])}, optional={
    "env": JSON, "ports": JSON, "volumeMounts": JSON, "resources": JSON, "securityContext": JSON,
}) | JSON, max_size=2)  # fmt: skip
TEMPLATES = st.dictionaries(
    st.sampled_from(
        ["containers", "initContainers", "volumes", "hostAliases", "tolerations", "imagePullSecrets", "securityContext"]
    ),
    LISTS | JSON,
    max_size=3,
)


@settings(phases=[Phase.explicit, Phase.generate])
@given(TEMPLATES)
def test_whatever_a_template_holds_it_is_refused_or_pods_can_be_made_of_it(spec: dict[str, Any]) -> None:
    one = job_from(raw_job(podTemplate={"spec": spec}))
    if one.spec is None:
        return

    for rank, main_ip in ((0, None), (1, "10.0.0.1")):
        body = for_rank(one, template(one, 1, "cluster.local"), 1, rank, main_ip)
        assert [c["name"] for c in body["spec"]["containers"]].count("trainer") == 1


def test_a_template_that_says_nothing_changes_nothing() -> None:
    one, other = job(), job(podTemplate={"spec": {"containers": [{"name": "trainer"}]}})

    assert template(one, 1, "cluster.local") == template(other, 1, "cluster.local")


def test_the_name_of_the_rendezvous_port_cannot_be_given_to_another_port() -> None:
    entry = {"name": "trainer", "ports": [{"containerPort": 8000, "name": "rendezvous"}, {"containerPort": 29500}]}

    assert containers(entry) == {
        "spec.containers[0].ports[0].name": "'rendezvous' is spec.masterPort: choose another name"
    }
