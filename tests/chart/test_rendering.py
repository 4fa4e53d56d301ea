"""The chart as text: which objects it makes of which values, and which values it refuses."""

import json
import re
import tomllib
from collections.abc import Iterator

import pytest
import yaml

from support import permissions
from support.chart import CHART, ROOT, HelmError, helm, install_manifest, of_kind, readme, render, template
from support.counted import samples
from trainingjob_operator.api import names
from trainingjob_operator.lifetime import DRAIN_SECONDS
from trainingjob_operator.metrics import Metrics

pytestmark = pytest.mark.real_api  # helm is built like the control plane

DIGEST = "sha256:" + "a" * 64


def container(*settings: str) -> dict[str, object]:
    (deployment,) = of_kind(render(*settings), "Deployment")
    (found,) = deployment["spec"]["template"]["spec"]["containers"]
    return found


def pod(*settings: str) -> dict[str, object]:
    (deployment,) = of_kind(render(*settings), "Deployment")
    return deployment["spec"]["template"]


def described(schema: object, path: str = "") -> Iterator[tuple[str, bool]]:
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", bool(field.get("description"))
        yield from described(field, f"{path}.{name}")


def test_lint_finds_nothing() -> None:
    assert "0 chart(s) failed" in helm("lint", "--strict", str(CHART))


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("replica=2", "additional properties 'replica' not allowed"),
        ("leaderElection.enabled=false", "replicas above 1 need leaderElection.enabled"),
        ("leaderElection.leaseSeconds=1", "'/leaderElection/leaseSeconds': minimum"),
        ("metrics.port=80", "'/metrics/port': minimum"),
        ('metrics.serviceMonitor.interval="soon"', "'/metrics/serviceMonitor/interval': 'soon' does not match pattern"),
        ('image.name="x"', "'/image': additional properties 'name' not allowed"),
        ('image.digest="latest"', "'/image/digest': 'latest' does not match pattern"),
        ('image.pullPolicy="Sometimes"', "'/image/pullPolicy': value must be one of"),
        ('image.repository=""', "'/image/repository': minLength"),
        ('rbac.scope="all"', "'/rbac/scope': value must be one of 'cluster', 'namespaces'"),
        ('rbac.namespaces="a"', "'/rbac/namespaces': got string, want array"),
        ('rbac.namespaces=["A"]', "'/rbac/namespaces/0': 'A' does not match pattern"),
        ('crds.enabled="yes"', "'/crds/enabled': got string, want boolean"),
        ("serviceAccount.create=false", "serviceAccount.name is required when serviceAccount.create is false"),
        ('clusterDomain="Cluster Local"', "'/clusterDomain': 'Cluster Local' does not match pattern"),
        ("terminationGracePeriodSeconds=0", "'/terminationGracePeriodSeconds': minimum"),
        ("networkPolicy.apiServerPorts=[0]", "'/networkPolicy/apiServerPorts/0': minimum"),
        ('extraEnv=[{"value": "x"}]', "'/extraEnv/0': missing property 'name'"),
        ('commonLabels={"team": 1}', "'/commonLabels/team': got number, want string"),
    ],
)
def test_a_bad_value_is_refused_by_its_name(setting: str, complaint: str) -> None:
    with pytest.raises(HelmError) as refusal:
        template(setting)

    assert complaint in str(refusal.value)


def test_every_value_is_in_the_schema_with_a_description() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    assert [path for path, is_described in described(schema) if not is_described] == []
    assert set(schema["properties"]) == {*values, "global"}


def test_the_operator_gets_exactly_these_permissions_everywhere() -> None:
    objects = render()
    roles = {role["metadata"]["name"]: role for role in of_kind(objects, "ClusterRole")}
    (binding,) = of_kind(objects, "ClusterRoleBinding")

    assert permissions.permissions(roles["trainingjob-operator"]["rules"]) == permissions.CLUSTER_OPERATOR
    assert binding["subjects"] == [
        {"kind": "ServiceAccount", "name": "trainingjob-operator", "namespace": "trainingjob-system"}
    ]
    assert [role["metadata"]["name"] for role in of_kind(objects, "Role")] == ["trainingjob-operator-lease"]


def test_the_operator_may_touch_one_lease_in_its_own_namespace() -> None:
    objects = render()
    (role,), (binding,) = of_kind(objects, "Role"), of_kind(objects, "RoleBinding")
    create, own = role["rules"]

    assert role["metadata"]["namespace"] == binding["metadata"]["namespace"] == "trainingjob-system"
    assert (create["verbs"], own["verbs"]) == (["create"], ["get", "watch", "update"])
    assert own["resourceNames"] == ["trainingjob-operator"]
    assert "--lease-name=trainingjob-operator" in container()["args"]
    assert binding["subjects"][0]["name"] == "trainingjob-operator"
    assert of_kind(render("leaderElection.enabled=false", "replicas=1"), "Role") == []


def test_in_namespaced_scope_it_gets_them_in_those_namespaces_only() -> None:
    objects = render('rbac.scope="namespaces"', 'rbac.namespaces=["b", "a", "b"]')

    served = [role for role in of_kind(objects, "Role") if role["metadata"]["name"] == "trainingjob-operator"]
    roles = {role["metadata"]["namespace"]: role for role in served}
    assert sorted(roles) == ["a", "b"]
    assert all(permissions.permissions(role["rules"]) == permissions.OPERATOR for role in roles.values())
    bound = {binding["metadata"]["namespace"] for binding in of_kind(objects, "RoleBinding")}
    assert bound == {"a", "b", "trainingjob-system"}
    assert of_kind(objects, "ClusterRoleBinding") == []
    arguments = container('rbac.scope="namespaces"', 'rbac.namespaces=["b", "a"]')["args"]
    assert [each for each in arguments if "namespace" in each] == ["--namespace=a", "--namespace=b"]


def test_namespaced_scope_without_a_list_means_the_releases_own() -> None:
    roles = of_kind(render('rbac.scope="namespaces"', namespace="here"), "Role")

    assert {role["metadata"]["namespace"] for role in roles} == {"here"}


def test_users_get_their_permissions_through_the_built_in_roles() -> None:
    roles = {role["metadata"]["name"]: role for role in of_kind(render(), "ClusterRole")}

    editor, viewer = roles["trainingjob-operator-edit"], roles["trainingjob-operator-view"]
    assert permissions.permissions(editor["rules"]) == permissions.EDITOR
    assert permissions.permissions(viewer["rules"]) == permissions.VIEWER
    assert "rbac.authorization.k8s.io/aggregate-to-view" not in editor["metadata"]["labels"]
    assert len(of_kind(render("rbac.aggregate=false"), "ClusterRole")) == 1


def test_no_role_is_left_without_rbac_create() -> None:
    objects = render("rbac.create=false", "rbac.aggregate=false")

    kinds = {each["kind"] for each in objects}
    assert kinds == {"CustomResourceDefinition", "Deployment", "PodDisruptionBudget", "Service", "ServiceAccount"}


def test_the_operators_pod_is_restricted() -> None:
    spec = pod()["spec"]

    assert spec["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container()["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    assert not {"hostNetwork", "hostPID", "hostIPC"} & set(spec)
    assert spec["volumes"] == [{"name": "tmp", "emptyDir": {"sizeLimit": "16Mi"}}]


def test_only_the_operators_own_pod_gets_a_token() -> None:
    (account,) = of_kind(render(), "ServiceAccount")

    assert account["automountServiceAccountToken"] is False
    assert pod()["spec"]["automountServiceAccountToken"] is True


def test_two_operators_elect_a_leader_and_one_without_an_election_is_alone() -> None:
    (deployment,) = of_kind(render(), "Deployment")
    assert deployment["spec"]["replicas"] == 2
    assert {"--leader-elect", "--lease-seconds=15"} <= set(container()["args"])
    assert deployment["spec"]["strategy"]["type"] == "RollingUpdate"
    assert [each["topologyKey"] for each in pod()["spec"]["topologySpreadConstraints"]] == ["kubernetes.io/hostname"]

    alone = ("leaderElection.enabled=false", "replicas=1")
    (deployment,) = of_kind(render(*alone), "Deployment")
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert not any("lease" in each or "elect" in each for each in container(*alone)["args"])


def test_operators_are_evicted_one_at_a_time_where_there_are_several() -> None:
    (budget,) = of_kind(render(), "PodDisruptionBudget")
    (deployment,) = of_kind(render(), "Deployment")

    assert budget["spec"]["maxUnavailable"] == 1
    assert budget["spec"]["selector"] == deployment["spec"]["selector"]
    assert of_kind(render("replicas=1"), "PodDisruptionBudget") == []
    assert of_kind(render("podDisruptionBudget.enabled=false"), "PodDisruptionBudget") == []


def test_the_kubelet_asks_for_readiness_and_life_apart() -> None:
    probes = container()

    assert probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": "health"}
    assert probes["livenessProbe"]["httpGet"] == {"path": "/healthz", "port": "health"}


def test_there_is_time_to_end_what_is_under_way() -> None:
    assert pod()["spec"]["terminationGracePeriodSeconds"] >= 4 * DRAIN_SECONDS


MONITORED = ("metrics.serviceMonitor.enabled=true", "metrics.rules.enabled=true", "metrics.dashboard.enabled=true")


def test_metrics_have_a_service_and_what_needs_other_operators_is_off() -> None:
    objects = render()
    (service,) = of_kind(objects, "Service")

    assert "--metrics-port=8081" in container()["args"]
    assert service["spec"]["ports"] == [{"name": "metrics", "port": 8081, "targetPort": "metrics"}]
    assert not {"ServiceMonitor", "PrometheusRule", "ConfigMap"} & {each["kind"] for each in objects}
    off = render("metrics.enabled=false", *MONITORED)
    assert not {"Service", "ServiceMonitor", "PrometheusRule", "ConfigMap"} & {each["kind"] for each in off}


def test_the_service_monitor_finds_the_service() -> None:
    objects = render(*MONITORED, 'metrics.serviceMonitor.labels={"release": "prometheus"}')
    (monitor,), (service,) = of_kind(objects, "ServiceMonitor"), of_kind(objects, "Service")

    wanted = monitor["spec"]["selector"]["matchLabels"]
    assert wanted.items() <= service["metadata"]["labels"].items()
    assert monitor["spec"]["endpoints"] == [{"port": "metrics", "interval": "30s"}]
    assert monitor["metadata"]["labels"]["release"] == "prometheus"


def test_every_alert_is_explained_in_the_runbook() -> None:
    (rule,) = of_kind(render(*MONITORED, 'metrics.rules.runbook="https://example.org/runbook"'), "PrometheusRule")
    (group,) = rule["spec"]["groups"]
    sections = re.findall(r"^## (\w+)$", (ROOT / "docs" / "runbook.md").read_text(), re.MULTILINE)

    assert [alert["alert"] for alert in group["rules"]] == [each for each in sections if each.startswith("TrainingJob")]
    for alert in group["rules"]:
        assert alert["annotations"]["runbook_url"] == f"https://example.org/runbook#{alert['alert'].lower()}"
        assert alert["annotations"]["summary"].endswith(".")
        assert alert["labels"]["severity"] in ("critical", "warning")


def test_alerts_and_dashboard_ask_only_for_what_the_operator_counts() -> None:
    objects = render(*MONITORED)
    (rule,), (dashboard,) = of_kind(objects, "PrometheusRule"), of_kind(objects, "ConfigMap")
    panels = json.loads(dashboard["data"]["trainingjob-operator.json"])["panels"]
    asked = [alert["expr"] for alert in rule["spec"]["groups"][0]["rules"]]
    asked += [target["expr"] for panel in panels for target in panel["targets"]]

    known = samples(Metrics(lambda: 0.0))
    used = {name for text in asked for name in re.findall(r"\b((?:trainingjob|process)_\w+)", text)}
    assert used - known == set()
    assert len(used) > 10


def test_a_digest_wins_over_a_tag() -> None:
    assert container()["image"] == "trainingjob-operator:0.1.0"
    assert container('image.tag="edge"')["image"] == "trainingjob-operator:edge"
    assert container('image.tag="edge"', f'image.digest="{DIGEST}"')["image"] == f"trainingjob-operator@{DIGEST}"


def test_the_cluster_domain_reaches_the_operator() -> None:
    environment = container('clusterDomain="example.org"', 'extraEnv=[{"name": "A", "value": "b"}]')["env"]

    assert environment == [{"name": "TRAININGJOB_CLUSTER_DOMAIN", "value": "example.org"}, {"name": "A", "value": "b"}]
    assert "env" not in container()


def test_common_labels_are_on_every_object_and_never_in_the_selector() -> None:
    objects = render('commonLabels={"team": "vision", "app.kubernetes.io/name": "mine"}', 'podLabels={"zone": "a"}')

    assert all(each["metadata"]["labels"]["team"] == "vision" for each in objects)
    (deployment,) = of_kind(objects, "Deployment")
    selector = {"app.kubernetes.io/name": "trainingjob-operator", "app.kubernetes.io/instance": "trainingjob"}
    assert deployment["spec"]["selector"]["matchLabels"] == selector
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    assert labels == selector | names.OPERATOR_LABELS | {"team": "vision", "zone": "a"}


def test_the_network_policy_lets_out_dns_the_api_server_and_questions_to_jobs_only() -> None:
    (policy,) = of_kind(render("networkPolicy.enabled=true"), "NetworkPolicy")

    assert policy["spec"]["ingress"] == [{"ports": [{"port": 8081, "protocol": "TCP"}]}]
    (closed,) = of_kind(render("networkPolicy.enabled=true", "metrics.enabled=false"), "NetworkPolicy")
    assert closed["spec"]["ingress"] == []
    *elsewhere, jobs = policy["spec"]["egress"]
    assert [port["port"] for rule in elsewhere for port in rule["ports"]] == [53, 53, 443, 6443]
    assert jobs["to"][0]["podSelector"]["matchLabels"] == {names.LABEL_MANAGED_BY: names.MANAGED_BY}
    assert of_kind(render(), "NetworkPolicy") == []


def test_the_crd_is_the_generated_one_and_outlives_the_release() -> None:
    (crd,) = of_kind(render(), "CustomResourceDefinition")

    assert crd["spec"] == yaml.safe_load((ROOT / "manifests" / "crd.yaml").read_text())["spec"]
    assert crd["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
    (unkept,) = of_kind(render("crds.keep=false"), "CustomResourceDefinition")
    assert "annotations" not in unkept["metadata"]
    assert of_kind(render("crds.enabled=false"), "CustomResourceDefinition") == []


def test_the_charts_version_is_the_projects() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]

    assert (chart["version"], chart["appVersion"]) == (project["version"], project["version"])


def test_the_generated_files_are_up_to_date() -> None:
    stale = "run `make generate`"

    assert (CHART / "files" / "crd.yaml").read_text() == (ROOT / "manifests" / "crd.yaml").read_text(), stale
    assert (CHART / "README.md").read_text() == readme(), stale
    assert (ROOT / "manifests" / "install.yaml").read_text() == install_manifest(), stale
