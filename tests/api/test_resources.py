"""URL paths of resources."""

import pytest

from trainingjob_operator.api.resources import CRDS, NODES, PODS, TRAININGJOBS, Resource


@pytest.mark.parametrize(
    ("resource", "arguments", "path"),
    [
        (PODS, (), "/api/v1/pods"),
        (PODS, ("ml",), "/api/v1/namespaces/ml/pods"),
        (PODS, ("ml", "digits-1-0", "log"), "/api/v1/namespaces/ml/pods/digits-1-0/log"),
        (NODES, (None, "node-0"), "/api/v1/nodes/node-0"),
        (NODES, ("ml", "node-0"), "/api/v1/nodes/node-0"),
        (
            TRAININGJOBS,
            ("ml", "digits", "status"),
            "/apis/trainingjob.dev/v1alpha1/namespaces/ml/trainingjobs/digits/status",
        ),
        (PODS, ("ml", "a/b?c"), "/api/v1/namespaces/ml/pods/a%2Fb%3Fc"),
    ],
)
def test_paths(resource: Resource, arguments: tuple[str, ...], path: str) -> None:
    assert resource.path(*arguments) == path


def test_the_core_group_has_a_bare_version() -> None:
    assert (PODS.api_version, CRDS.api_version) == ("v1", "apiextensions.k8s.io/v1")
