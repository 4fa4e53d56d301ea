"""The chart on a real API server: what it accepts, and what the operator and users may then do."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from support import permissions
from support.chart import CHART, ROOT, helm, of_kind, render
from support.eventually import eventually
from support.kubernetes.cluster import KubectlError, open_api
from support.kubernetes.control_plane import ControlPlane, start_control_plane
from trainingjob_operator.api.resources import Resource

pytestmark = pytest.mark.real_api

REVIEWS = Resource("authorization.k8s.io", "v1", "subjectaccessreviews", "SubjectAccessReview", namespaced=False)
SYSTEM = "trainingjob-system"
OPERATOR = f"system:serviceaccount:{SYSTEM}:trainingjob-operator"

# All that is asked about: what the operator may use, and what would be dangerous in its hands.
ASKED = [
    *permissions.OPERATOR,
    ("", "secrets"),
    ("", "serviceaccounts"),
    ("", "serviceaccounts/token"),
    ("", "nodes"),
    ("", "namespaces"),
    ("", "persistentvolumeclaims"),
    ("", "pods/exec"),
    ("", "pods/log"),
    ("", "pods/status"),
    ("", "pods/eviction"),
    ("", "pods/ephemeralcontainers"),
    ("apps", "deployments"),
    ("batch", "jobs"),
    ("coordination.k8s.io", "leases"),
    ("rbac.authorization.k8s.io", "roles"),
    ("rbac.authorization.k8s.io", "rolebindings"),
    ("rbac.authorization.k8s.io", "clusterroles"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"),
    ("apiextensions.k8s.io", "customresourcedefinitions"),
]
VERBS = ["get", "list", "watch", "create", "update", "patch", "delete", "deletecollection", "impersonate", "escalate"]


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory, kubernetes_binaries: None) -> Iterator[ControlPlane]:
    """A control plane of its own, with the operator installed from manifests/install.yaml and a namespace `team`."""
    with start_control_plane(tmp_path_factory.mktemp("installed")) as own:
        own.kubectl("apply", "--server-side", "-f", str(ROOT / "manifests" / "install.yaml"))
        own.kubectl("create", "namespace", "team")
        own.kubectl("wait", "--for=condition=Established", "crd/trainingjobs.trainingjob.dev", "--timeout=60s")
        yield own


async def allowed(
    cluster: ControlPlane, user: str, namespace: str, asked: list[tuple[str, str]]
) -> dict[tuple[str, str], set[str]]:
    """The verbs that the API server grants a user, by API group and resource; without those it grants nothing on."""
    found: dict[tuple[str, str], set[str]] = {}
    limit = asyncio.Semaphore(20)

    async def ask(group: str, resource: str, verb: str) -> None:
        name, _, subresource = resource.partition("/")
        attributes = {"namespace": namespace, "group": group, "resource": name, "verb": verb}
        spec = {"user": user, "resourceAttributes": attributes | {"subresource": subresource}}
        body = {"apiVersion": REVIEWS.api_version, "kind": REVIEWS.kind, "spec": spec}
        async with limit:
            answer = await api.create(REVIEWS, None, body)
        if answer["status"]["allowed"]:
            found.setdefault((group, resource), set()).add(verb)

    async with open_api(cluster.kubeconfig) as api:
        await asyncio.gather(*(ask(*each, verb) for each in asked for verb in VERBS))
    return found


async def test_the_operator_may_do_its_work_and_nothing_else(installed: ControlPlane) -> None:
    assert await allowed(installed, OPERATOR, "team", ASKED) == permissions.CLUSTER_OPERATOR


async def test_of_leases_it_may_use_its_own_in_its_own_namespace(installed: ControlPlane) -> None:
    leases = [("coordination.k8s.io", "leases")]
    assert await allowed(installed, OPERATOR, SYSTEM, leases) == {leases[0]: {"create"}}

    def may(verb: str, name: str) -> bool:
        asked = ["auth", "can-i", verb, f"leases.coordination.k8s.io/{name}", "-n", SYSTEM, "--as", OPERATOR]
        return installed.try_kubectl(*asked).stdout.strip() == "yes"

    assert [verb for verb in VERBS if may(verb, "trainingjob-operator")] == ["get", "watch", "create", "update"]
    assert [verb for verb in VERBS if may(verb, "another")] == ["create"]


async def test_in_namespaced_scope_it_may_do_nothing_elsewhere(installed: ControlPlane) -> None:
    installed.kubectl("create", "namespace", "mine")
    settings = ('rbac.scope="namespaces"', 'rbac.namespaces=["mine"]', 'fullnameOverride="local"', "crds.enabled=false")
    installed.apply(*render(*settings))

    user = f"system:serviceaccount:{SYSTEM}:local"
    assert await allowed(installed, user, "mine", ASKED) == permissions.OPERATOR
    assert await allowed(installed, user, "team", ASKED) == {}


@pytest.mark.parametrize(("role", "expected"), [("edit", permissions.EDITOR), ("view", permissions.VIEWER)])
async def test_users_with_a_built_in_role_get_at_jobs(
    installed: ControlPlane, role: str, expected: dict[tuple[str, str], set[str]]
) -> None:
    installed.kubectl("create", "rolebinding", role, f"--clusterrole={role}", f"--user={role}-user", "-n", "team")
    # A controller copies the chart's rules into the built-in roles a moment after they are there.
    eventually(f"{role} knows TrainingJobs", lambda: "trainingjobs" in str(installed.get("clusterrole", role)["rules"]))

    asked = [each for each in ASKED if each[0] == "trainingjob.dev"]
    granted = await allowed(installed, f"{role}-user", "team", asked)

    jobs_resource = ("trainingjob.dev", "trainingjobs")
    assert granted[jobs_resource] == expected[jobs_resource]
    assert not granted.get(("trainingjob.dev", "trainingjobs/status"), set()) & {"create", "update", "patch"}


@pytest.mark.parametrize(
    "settings",
    [
        pytest.param((), id="the defaults"),
        pytest.param(("replicas=1", "leaderElection.enabled=false"), id="one operator"),
        pytest.param(("metrics.dashboard.enabled=true",), id="a dashboard"),
        pytest.param(("networkPolicy.enabled=true", 'commonLabels={"team": "a"}'), id="network policy and labels"),
        pytest.param(('rbac.scope="namespaces"', 'rbac.namespaces=["default", "team"]'), id="two namespaces"),
        pytest.param(
            (
                'imagePullSecrets=[{"name": "registry"}]',
                'nodeSelector={"pool": "system"}',
                'tolerations=[{"operator": "Exists"}]',
                'priorityClassName="system-cluster-critical"',
                'affinity={"nodeAffinity": {}}',
                'extraEnv=[{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}]',
                'clusterDomain="cluster.local"',
                'podAnnotations={"a": "b"}',
                'podLabels={"a": "b"}',
                'serviceAccount.annotations={"a": "b"}',
                f'image.digest="sha256:{"0" * 64}"',
            ),
            id="everything about the pod",
        ),
    ],
)
def test_the_api_server_accepts_every_object(
    installed: ControlPlane, settings: tuple[str, ...], tmp_path: Path
) -> None:
    manifest = tmp_path / "rendered.json"
    manifest.write_text(json.dumps({"apiVersion": "v1", "kind": "List", "items": render(*settings)}))

    installed.kubectl(
        "apply", "--server-side", "--dry-run=server", "--validate=strict", "--force-conflicts", "-f", str(manifest)
    )


def test_the_operators_pod_passes_the_restricted_level(installed: ControlPlane) -> None:
    """The namespace of manifests/install.yaml enforces it; a pod with host networking shows that it does."""
    (deployment,) = of_kind(render(), "Deployment")
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "probe", "namespace": SYSTEM}}
    spec = deployment["spec"]["template"]["spec"]

    installed.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(pod | {"spec": spec}))
    spoilt = json.dumps(pod | {"spec": spec | {"hostNetwork": True}})
    with pytest.raises(KubectlError, match="violates PodSecurity"):
        installed.kubectl("create", "--dry-run=server", "-f", "-", stdin=spoilt)


def test_what_is_installed_is_what_the_manifest_says(installed: ControlPlane) -> None:
    manifest = (ROOT / "manifests" / "install.yaml").read_text()

    for each in yaml.safe_load_all(manifest):
        namespace = ["-n", each["metadata"]["namespace"]] if "namespace" in each["metadata"] else []
        assert installed.get(each["kind"], each["metadata"]["name"], *namespace)["kind"] == each["kind"]


def test_a_release_is_installed_upgraded_and_removed_and_leaves_the_jobs(
    tmp_path: Path, kubernetes_binaries: None
) -> None:
    release = ["mine", str(CHART), "--namespace", "there"]
    with start_control_plane(tmp_path) as own:
        said = helm("install", *release, "--create-namespace", kubeconfig=own.kubeconfig)
        helm("upgrade", *release, "--set", "networkPolicy.enabled=true", kubeconfig=own.kubeconfig)
        assert own.get("networkpolicy", "-n", "there")["items"] != []
        helm("uninstall", "mine", "--namespace", "there", kubeconfig=own.kubeconfig)

        assert own.get("deployment", "-n", "there")["items"] == []
        assert own.get("crd", "trainingjobs.trainingjob.dev")["metadata"]["name"] == "trainingjobs.trainingjob.dev"

    wait, example, _watch = [line.split() for line in said.split("NOTES:")[1].splitlines() if line.startswith("  ")]
    assert wait[:6] == ["kubectl", "-n", "there", "rollout", "status", "deployment/mine-trainingjob-operator"]
    assert example[:3] == ["kubectl", "apply", "-f"]
    assert (ROOT / example[3]).is_file()
