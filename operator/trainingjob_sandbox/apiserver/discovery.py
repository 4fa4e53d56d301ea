"""What is served: the documents from which kubectl learns groups, versions, kinds and verbs."""

from collections.abc import Iterable

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.catalog import Catalog
from trainingjob_sandbox.store.kinds import Kind

VERBS = ["create", "delete", "deletecollection", "get", "list", "patch", "update", "watch"]
STATUS_VERBS = ["get", "patch", "update"]
AGGREGATED = "APIGroupDiscoveryList"

# Reviews are answered but not stored: they are listed for clients that look before they ask.
REVIEWS = {
    ("authorization.k8s.io", "v1"): ("selfsubjectaccessreviews", "SelfSubjectAccessReview"),
    ("authentication.k8s.io", "v1"): ("selfsubjectreviews", "SelfSubjectReview"),
}


def groups(catalog: Catalog) -> list[tuple[str, str]]:
    """Every (group, version) that is served, the core group first."""
    found = dict.fromkeys((kind.resource.group, kind.resource.version) for kind, _ in catalog)
    return sorted(found | dict.fromkeys(REVIEWS))


def kinds_in(catalog: Catalog, group: str, version: str) -> list[Kind]:
    found = [kind for kind, _ in catalog if (kind.resource.group, kind.resource.version) == (group, version)]
    return sorted(found, key=lambda kind: kind.resource.plural)


def core_versions(address: str) -> Object:
    where = [{"clientCIDR": "0.0.0.0/0", "serverAddress": address}]
    return {"kind": "APIVersions", "versions": ["v1"], "serverAddressByClientCIDRs": where}


def group_list(catalog: Catalog) -> Object:
    found = [group_document(group, version) for group, version in groups(catalog) if group]
    return {"kind": "APIGroupList", "apiVersion": "v1", "groups": found}


def group_document(group: str, version: str) -> Object:
    named = {"groupVersion": f"{group}/{version}", "version": version}
    return {"name": group, "versions": [named], "preferredVersion": named}


def resource_list(catalog: Catalog, group: str, version: str) -> Object:
    """The kinds of one group and version, subresources beside them."""
    entries = [entry for kind in kinds_in(catalog, group, version) for entry in _entries(kind)]
    if review := REVIEWS.get((group, version)):
        plural, named = review
        entry = {"name": plural, "singularName": named.lower(), "namespaced": False, "kind": named, "verbs": ["create"]}
        entries.append(entry)
    name = f"{group}/{version}" if group else version
    return {"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": name, "resources": entries}


def _entries(kind: Kind) -> Iterable[Object]:
    resource = kind.resource
    entry: Object = {
        "name": resource.plural,
        "singularName": _singular(kind),
        "namespaced": resource.namespaced,
        "kind": resource.kind,
        "verbs": VERBS,
    }
    lists = {"shortNames": list(kind.short_names), "categories": list(kind.categories)}
    yield entry | {name: names for name, names in lists.items() if names}
    for subresource in sorted(kind.subresources):
        answer, verbs = _subresource(kind, subresource)
        yield {
            "name": f"{resource.plural}/{subresource}",
            "singularName": "",
            "namespaced": resource.namespaced,
            "kind": answer,
            "verbs": verbs,
        }


def _subresource(kind: Kind, subresource: str) -> tuple[str, list[str]]:
    special = {"binding": ("Binding", ["create"]), "eviction": ("Eviction", ["create"]), "log": ("Pod", ["get"])}
    return special.get(subresource, (kind.resource.kind, STATUS_VERBS))


def _singular(kind: Kind) -> str:
    return kind.singular or kind.resource.kind.lower()


def aggregated(catalog: Catalog, *, core: bool) -> Object:
    """All groups with all their kinds in one document (the newer form of discovery)."""
    wanted = [(group, version) for group, version in groups(catalog) if core == (not group)]
    items = [
        {
            "metadata": {"name": group} if group else {},
            "versions": [
                {
                    "version": version,
                    "freshness": "Current",
                    "resources": [_aggregated_entry(kind) for kind in kinds_in(catalog, group, version)]
                    + _aggregated_reviews(group, version),
                }
            ],
        }
        for group, version in wanted
    ]
    return {"kind": AGGREGATED, "apiVersion": "apidiscovery.k8s.io/v2", "metadata": {}, "items": items}


def _aggregated_entry(kind: Kind) -> Object:
    resource = kind.resource
    entry: Object = {
        "resource": resource.plural,
        "responseKind": _response_kind(kind, resource.kind),
        "scope": "Namespaced" if resource.namespaced else "Cluster",
        "singularResource": _singular(kind),
        "verbs": VERBS,
    }
    if kind.short_names:
        entry["shortNames"] = list(kind.short_names)
    if kind.categories:
        entry["categories"] = list(kind.categories)
    if kind.subresources:
        entry["subresources"] = [
            {"subresource": name, "responseKind": _response_kind(kind, answer), "verbs": verbs}
            for name in sorted(kind.subresources)
            for answer, verbs in [_subresource(kind, name)]
        ]
    return entry


def _response_kind(kind: Kind, name: str) -> Object:
    return {"group": kind.resource.group, "version": kind.resource.version, "kind": name}


def _aggregated_reviews(group: str, version: str) -> list[Object]:
    if (group, version) not in REVIEWS:
        return []
    plural, name = REVIEWS[group, version]
    answer = {"group": group, "version": version, "kind": name}
    singular = name.lower()
    return [
        {
            "resource": plural,
            "responseKind": answer,
            "scope": "Cluster",
            "singularResource": singular,
            "verbs": ["create"],
        }
    ]
