"""What an API server refuses and what it completes: schema, CEL, defaults, pruning, names, labels."""

from typing import Any

from sandbox.apiserver.scripts.script import (
    CONFIGMAPS,
    LEASES,
    POLICIES,
    SERVICES,
    WIDGET,
    WIDGETS,
    Script,
    bare,
    get,
    named,
    patch,
    post,
    script,
)
from support.api_objects import configmap, labelled, widget

DRY = "?dryRun=All"
REFUSED_SPECS: list[dict[str, Any]] = [
    {"numNodes": 0},
    {"numNodes": 11},
    {"numNodes": "a"},
    {"numNodes": 6},
    {"numNodes": 7},
    {"ratio": 0},
    {"ratio": "x"},
    {"image": 5},
    {"image": None},
    {"image": "A B"},
    {"image": "abc\n"},
    {"image": "abcdefghijkl"},
    {"image": "a"},
    {"image": "A"},
    {"image": "bad"},
    {"image": "bad", "numNodes": 70, "choice": {}},
    {"image": ["a"]},
    {"flag": "x"},
    {"flag": 1},
    {"policy": "Z"},
    {"policy": "Z", "image": "A"},
    {"tags": "x"},
    {"tags": [None]},
    {"tags": ["a", "b", "c"]},
    {"tags": []},
    {"tags": [1, "a"]},
    {"marks": ["a", "a"]},
    {"ports": [{"name": "a"}, {"name": "a"}]},
    {"ports": [{}]},
    {"ports": [{"name": "a", "n": "x"}]},
    {"counts": {"a": 1, "b": 2}},
    {"counts": {"a": "x"}},
    {"counts": [1]},
    {"size": True},
    {"size": 1.5},
    {"when": "yesterday"},
    {"when": "2026-01-02"},
    {"either": {"a": "x", "b": "y"}},
    {"either": {}},
    {"choice": {"a": "x", "b": "y"}},
    {"choice": {}},
    {"choice": {"a": 1}},
    {"import": "forbidden"},
    {"free": "text"},
]
ACCEPTED_SPECS: list[dict[str, Any]] = [
    {},
    {"size": 5},
    {"size": "50%"},
    {"ratio": 1},
    {"nullable": None, "numNodes": None, "policy": None, "when": None},
    {"tags": None, "choice": None},
    {"foo": 1, "choice": {"a": "x", "zz": 1}, "free": {"any": {"thing": [1]}}},
    {"ports": [{"name": "a"}, {"name": "b", "n": 1}]},
    {"ports": [{"name": "a", "n": None, "x": {"y": 1}}]},
    {"either": {"a": "x"}, "import": "allowed", "when": "2026-01-02T03:04:05Z"},
    {"counts": {"a": 1}, "marks": ["a", "b"], "flag": False},
]
NAMES = ["X_y", "a.b", "-a", "a" * 254, "a/b", "ä", "1"]
BAD_METADATA: list[dict[str, Any]] = [
    {"labels": {"a b": "c"}},
    {"labels": {"a": "b c"}},
    {"labels": {"a": "x" * 64}},
    {"labels": {"x/y/z": "a"}},
    {"annotations": {"a b": "c"}},
    {"finalizers": ["no domain"]},
    {"finalizers": ["plain"]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "", "uid": "1"}]},
    {"ownerReferences": [{"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": ""}]},
    {
        "ownerReferences": [
            {"apiVersion": "v1", "kind": "Pod", "name": name, "uid": name, "controller": True} for name in "ab"
        ]
    },
    {"uid": "mine"},
    {"generation": 7, "creationTimestamp": "2020-01-01T00:00:00Z", "deletionTimestamp": "2020-01-01T00:00:00Z"},
]
NAMELESS: list[dict[str, Any]] = [
    {"spec": None},
    {"spec": "text"},
    {"metadata": {"name": 5}},
]
LEASE_SPECS: list[dict[str, Any]] = [
    {"holderIdentity": "a", "leaseDurationSeconds": 15, "renewTime": "2026-01-02T03:04:05.678901Z"},
    {"leaseDurationSeconds": 0},
    {"leaseTransitions": -1},
]
SELECTED: dict[str, Any] = {"podSelector": {"matchLabels": {"a": "b"}}}
POLICY_SPECS: list[dict[str, Any]] = [
    SELECTED,
    SELECTED | {"policyTypes": ["Ingress"], "ingress": [{"from": [SELECTED]}]},
    SELECTED | {"egress": [{}]},
    SELECTED | {"ingress": [{"ports": [{"port": 80}]}]},
]
SERVICE_SPECS: list[dict[str, Any]] = [
    {"clusterIP": "None", "selector": {"a": "b"}},
    {"clusterIP": "None", "ports": [{"name": "main", "port": 29500}], "publishNotReadyAddresses": True},
    {"ports": [{"port": 99999}]},
    {"ports": [{"port": 0}]},
    {},
    {"ports": [{"port": 1}, {"port": 2}]},
    {"clusterIP": "None", "ports": [{"name": "a", "port": 1}, {"name": "a", "port": 2}]},
]

NUMBERS = "Numbers that do not fit an integer field are judged in other words, and 3.0 is taken as 3."
SEVERAL = "An object with several faults may be refused, or warned of, with fewer of them named."
STATUS_PATHS = "A fault in a status is named with its whole path."

SCRIPTS: list[Script] = [
    *(
        script(f"spec {str(spec)[:60]}", post(bare(widget(**spec)), WIDGETS, DRY))
        for spec in (*REFUSED_SPECS, *ACCEPTED_SPECS)
    ),
    *(script(f"name {name[:20]}", post(bare(widget(name)), WIDGETS, DRY)) for name in NAMES),
    *(
        script(f"metadata {str(found)[:60]}", post(named(bare(widget()), **found), WIDGETS, DRY))
        for found in BAD_METADATA
    ),
    *(script(f"object with {found}", post(bare(widget()) | found, WIDGETS, DRY)) for found in NAMELESS),
    *(
        script(f"lease {number}", post({"metadata": {"name": "l"}, "spec": spec}, LEASES, DRY))
        for number, spec in enumerate(LEASE_SPECS)
    ),
    *(
        script(f"policy {number}", post({"metadata": {"name": "n"}, "spec": spec}, POLICIES, DRY))
        for number, spec in enumerate(POLICY_SPECS)
    ),
    *(
        script(f"service {number}", post({"metadata": {"name": "s"}, "spec": spec}, SERVICES, DRY))
        for number, spec in enumerate(SERVICE_SPECS)
    ),
    *(
        script(f"spec {spec}", post(bare(widget(**spec)), WIDGETS, DRY), differs=NUMBERS)
        for spec in ({"numNodes": 1.5}, {"numNodes": 3000000000}, {"numNodes": 3.0})
    ),
    *(
        script(f"object with {found}", post(bare(widget()) | found, WIDGETS, DRY), differs=SEVERAL)
        for found in ({"kind": "Gadget"}, {"apiVersion": "example.dev/v2"}, {"metadata": {}})
    ),
    script("strict", post(bare(widget(foo=1, choice={"a": "x", "zz": 1})), WIDGETS, "?fieldValidation=Strict")),
    script("ignoring", post(bare(widget(foo=1, choice={"a": "x", "zz": 1})), WIDGETS, "?fieldValidation=Ignore")),
    script("unknown strictness", post(bare(widget()), WIDGETS, "?fieldValidation=Maybe")),
    script("unknown dry run", post(bare(widget()), WIDGETS, "?dryRun=Some")),
    script("bad key", post(bare(configmap(**{"a b": "x"})), CONFIGMAPS)),
    script("key in both parts", post(bare(configmap(a="x")) | {"binaryData": {"a": "eA=="}}, CONFIGMAPS)),
    script("immutable", post(bare(widget())), patch({"spec": {"image": "abd"}}), patch({"spec": {"policy": "B"}})),
    script(
        "a status out of bounds",
        post(bare(widget())),
        patch({"status": {"n": -1}}, path=f"{WIDGET}/status"),
        differs=STATUS_PATHS,
    ),
    script(
        "bad status",
        post(bare(widget())),
        patch({"status": {"conditions": [{"type": "A"}, {"type": "A"}]}}, path=f"{WIDGET}/status"),
        patch({"status": {"unknown": 1, "n": 2}}, path=f"{WIDGET}/status"),
    ),
    script(
        "an update that leaves a default out",
        post(bare(widget(numNodes=5))),
        patch({"spec": {"numNodes": None}}),
        get(),
    ),
    script(
        "an invalid object is not made worse by an update of its labels",
        post(bare(widget())),
        patch({"metadata": {"labels": {"a b": "c"}}}),
        patch({"metadata": {"finalizers": ["plain"]}}),
    ),
    script("bad labels", post(bare(labelled(widget(), **{"a b": "c"}))), post(bare(labelled(widget(), a="b c")))),
    script("a namespace with a dot", post({"metadata": {"name": "a.b"}}, "/api/v1/namespaces")),
]
