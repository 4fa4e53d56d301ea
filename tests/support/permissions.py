"""What the chart lets the operator and users do, written down once more by hand, so that a change must be meant."""

from collections.abc import Iterable
from typing import Any

OPERATOR = {
    ("trainingjob.dev", "trainingjobs"): {"get", "list", "watch", "delete"},
    ("trainingjob.dev", "trainingjobs/status"): {"get", "update", "patch"},
    ("trainingjob.dev", "trainingjobs/finalizers"): {"update"},
    ("", "pods"): {"get", "list", "watch", "create", "delete"},
    ("", "services"): {"get", "list", "watch", "create"},
    ("", "configmaps"): {"get", "list", "watch", "create"},
    ("networking.k8s.io", "networkpolicies"): {"get", "list", "watch", "create"},
    ("", "events"): {"create", "patch"},
}

CLUSTER_OPERATOR = OPERATOR | {("", "nodes"): {"get", "list", "watch"}}

EDITOR = {
    ("trainingjob.dev", "trainingjobs"): {
        "get", "list", "watch", "create", "update", "patch", "delete", "deletecollection",
    }
}  # fmt: skip

VIEWER = {
    ("trainingjob.dev", "trainingjobs"): {"get", "list", "watch"},
    ("trainingjob.dev", "trainingjobs/status"): {"get", "list", "watch"},
}


def permissions(rules: Iterable[dict[str, Any]]) -> dict[tuple[str, str], set[str]]:
    """The rules of a role by API group and resource."""
    found: dict[tuple[str, str], set[str]] = {}
    for rule in rules:
        for group in rule["apiGroups"]:
            for resource in rule["resources"]:
                found.setdefault((group, resource), set()).update(rule["verbs"])
    return found
