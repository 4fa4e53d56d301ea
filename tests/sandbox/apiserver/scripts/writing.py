"""Creating, replacing and patching: versions, generations, optimistic locks, the four kinds of patch."""

from sandbox.apiserver.scripts.pods import POD
from sandbox.apiserver.scripts.script import (
    CONFIGMAPS,
    CORE,
    JSON,
    PODS,
    STRATEGIC,
    WIDGET,
    WIDGETS,
    Ask,
    Script,
    apply,
    bare,
    get,
    named,
    patch,
    post,
    put,
    script,
)
from support.api_objects import configmap, widget

C = f"{CONFIGMAPS}/c"
STATUS = f"{WIDGET}/status"

NO_OBJECT = "A body that is no object is refused with status 400 in other words."

VERSIONS = "A resourceVersion that makes no sense is refused with status 400 (500 on a cluster)."

CREATING = [
    script("twice", post(bare(widget())), post(bare(widget()))),
    script("wrong namespace", post(widget(namespace="other"))),
    script("no namespace", Ask("POST", WIDGETS.replace("NS", "nowhere"), bare(widget()))),
    script("no body", Ask("POST", WIDGETS), differs=NO_OBJECT),
    script("no JSON", Ask("POST", WIDGETS, b"{"), differs=NO_OBJECT),
    script("a list", Ask("POST", WIDGETS, []), differs=NO_OBJECT),
    script("a version", post(named(bare(widget()), resourceVersion="5")), differs=VERSIONS),
    script("a dry run stores nothing", post(bare(widget()), WIDGETS, "?dryRun=All"), get()),
    script("a status at creation is dropped", post(bare(widget()) | {"status": {"state": "early"}}), get()),
    script("what the server owns is overwritten", post(named(bare(widget()), uid="mine", generation=7)), get()),
    script(
        "events",
        post({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "x"}}, f"{CORE}/events"),
        post({"metadata": {"name": "e"}, "involvedObject": {"kind": "Pod", "namespace": "NS"}}, f"{CORE}/events"),
    ),
]

REPLACING = [
    script("put of a missing one", put(bare(widget("none")), f"{WIDGETS}/none")),
    script("put without a version", post(bare(widget())), put(bare(widget(numNodes=3)))),
    script("put of an old version", post(bare(widget())), put(named(widget(), resourceVersion="1", namespace="NS"))),
    script("put under another name", post(bare(widget())), put(bare(widget("x")))),
    script(
        "put of the current version",
        post(bare(widget())),
        put(named(bare(widget(numNodes=3)), resourceVersion="${0.metadata.resourceVersion}")),
        put(named(bare(widget(numNodes=4)), resourceVersion="${0.metadata.resourceVersion}")),
        get(),
    ),
    script(
        "put with another UID",
        post(bare(widget())),
        put(named(bare(widget()), resourceVersion="${0.metadata.resourceVersion}", uid="another")),
    ),
    script(
        "put of the same changes nothing",
        post(bare(widget())),
        put("${0}"),
        put("${0}"),
    ),
    script(
        "put of a status leaves the spec",
        post(bare(widget())),
        put(
            named(bare(widget(numNodes=9)), resourceVersion="${0.metadata.resourceVersion}")
            | {"status": {"state": "x"}},
            STATUS,
        ),
        get(),
    ),
    script(
        "put of a status with labels",
        post(bare(widget())),
        put(
            named(bare(widget()), resourceVersion="${0.metadata.resourceVersion}", labels={"a": "b"})
            | {"status": {"state": "x"}},
            STATUS,
        ),
    ),
    script(
        "put of a status of an old version",
        post(bare(widget())),
        patch({"metadata": {"labels": {"a": "b"}}}),
        put(named(bare(widget()), resourceVersion="${0.metadata.resourceVersion}") | {"status": {}}, STATUS),
    ),
    script("put of a configmap without a version", post(bare(configmap(a="1")), CONFIGMAPS), put(bare(configmap()), C)),
    script(
        "put cannot take the server's metadata away",
        post(named(bare(configmap()), labels={"a": "b"}), CONFIGMAPS),
        put(named(bare(configmap(x="y")), creationTimestamp="2020-01-01T00:00:00Z"), C),
        get(C),
    ),
]

PATCHING = [
    script(
        "generations",
        post(bare(widget()) | {"status": {"state": "early"}}),
        patch({"spec": {"numNodes": 3}}),
        patch({"metadata": {"labels": {"a": "b"}}}),
        patch({"status": {"state": "no"}}),
        patch({"status": {"state": "yes"}, "spec": {"numNodes": 9}}, path=STATUS),
        get(),
    ),
    script("patch of a missing one", patch({}, path=f"{WIDGETS}/none")),
    script("patch of an old version", post(bare(widget())), patch({"metadata": {"resourceVersion": "1"}})),
    script(
        "patch of the current version",
        post(bare(widget())),
        patch({"metadata": {"resourceVersion": "${0.metadata.resourceVersion}"}, "spec": {"numNodes": 4}}),
        patch({"metadata": {"resourceVersion": "${0.metadata.resourceVersion}"}, "spec": {"numNodes": 5}}),
    ),
    script("patch with another UID", post(bare(widget())), patch({"metadata": {"uid": "another"}})),
    script("patch of the name", post(bare(widget())), patch({"metadata": {"name": "x"}})),
    script("patch of the namespace", post(bare(widget())), patch({"metadata": {"namespace": "x"}})),
    script(
        "merge patch takes away",
        post(named(bare(widget(tags=["a"], choice={"a": "x"})), labels={"a": "b", "c": "d"})),
        patch({"metadata": {"labels": {"a": None}}, "spec": {"tags": None, "choice": {"a": None, "b": "y"}}}),
        get(),
    ),
    script("merge patch replaces lists", post(bare(widget(tags=["a"]))), patch({"spec": {"tags": ["b", "c"]}})),
    script("merge patch that is no object", post(bare(widget())), patch([1])),
    script("patch in an unknown format", post(bare(widget())), patch({}, "text/plain")),
    script("strategic patch of a custom object", post(bare(widget())), patch({}, STRATEGIC)),
    script(
        "json patch",
        post(bare(widget(tags=["a"]))),
        patch([{"op": "add", "path": "/spec/tags/-", "value": "b"}], JSON),
        patch([{"op": "remove", "path": "/spec/tags/0"}], JSON),
        patch([{"op": "replace", "path": "/spec/numNodes", "value": 4}], JSON),
        patch([{"op": "copy", "from": "/spec/numNodes", "path": "/spec/size"}], JSON),
        patch([{"op": "move", "from": "/spec/size", "path": "/spec/numNodes"}], JSON),
    ),
    script(
        "json patch that tests",
        post(bare(widget())),
        patch([{"op": "test", "path": "/spec/image", "value": "abc"}, {"op": "remove", "path": "/spec/policy"}], JSON),
        patch([{"op": "test", "path": "/spec/image", "value": "x"}], JSON),
    ),
    script("json patch of nothing", post(bare(widget())), patch([], JSON)),
    script("json patch beside the object", post(bare(widget())), patch([{"op": "remove", "path": "/spec/tags"}], JSON)),
    script("json patch of an unknown kind", post(bare(widget())), patch([{"op": "grow", "path": "/spec"}], JSON)),
    script("json patch that is no list", post(bare(widget())), patch({"op": "remove"}, JSON)),
    script(
        "escaped paths",
        post(named(bare(widget()), labels={"a/b": "c"})),
        patch([{"op": "replace", "path": "/metadata/labels/a~1b", "value": "d"}], JSON),
    ),
    script(
        "strategic patch of a pod",
        post(bare(POD), PODS),
        patch({"spec": {"containers": [{"name": "main", "image": "j"}]}}, STRATEGIC, f"{PODS}/p"),
        patch({"spec": {"activeDeadlineSeconds": 5}}, STRATEGIC, f"{PODS}/p"),
        patch({"metadata": {"labels": {"a": "b"}}}, STRATEGIC, f"{PODS}/p"),
        patch({"metadata": {"labels": {"$patch": "replace", "x": "y"}}}, STRATEGIC, f"{PODS}/p"),
    ),
    script(
        "strategic patch of conditions",
        post(bare(POD), PODS),
        patch({"status": {"conditions": [{"type": "A", "status": "True"}]}}, STRATEGIC, f"{PODS}/p/status"),
        patch({"status": {"conditions": [{"type": "B", "status": "True"}]}}, STRATEGIC, f"{PODS}/p/status"),
        patch({"status": {"conditions": [{"type": "A", "$patch": "delete"}]}}, STRATEGIC, f"{PODS}/p/status"),
    ),
    script(
        "strategic patch of data",
        post(bare(configmap(a="1", b="2")), CONFIGMAPS),
        patch({"data": {"a": None, "c": "3"}}, STRATEGIC, C),
    ),
    script(
        "immutable configmap",
        post(bare(configmap(a="b")) | {"immutable": True}, CONFIGMAPS),
        patch({"data": {"a": "c"}}, path=C),
        patch({"immutable": False}, path=C),
        patch({"metadata": {"labels": {"a": "b"}}}, path=C),
    ),
]

APPLYING = [
    script(
        "apply",
        apply(bare(configmap(a="1", b="2")), C, "first"),
        apply(bare(configmap(a="3", c="2")), C, "second"),
        apply(bare(configmap(a="3", c="2")), C, "second", force=True),
        apply(bare(configmap()), C, "first"),
        patch(bare(configmap()), "application/apply-patch+yaml", C),
    ),
    script(
        "apply with keyed lists",
        apply(bare(widget(ports=[{"name": "a", "n": 1}, {"name": "b"}])), WIDGET, "first"),
        apply(bare(widget(ports=[{"name": "c", "n": 1}])), WIDGET, "second"),
        apply(bare(widget(ports=[{"name": "b", "n": 7}])), WIDGET, "first"),
    ),
    script("apply of the same", *[apply(bare(configmap(a="1")), C, "first")] * 2),
    script(
        "apply of what was created otherwise",
        post(bare(configmap(a="1")), CONFIGMAPS),
        apply(bare(configmap(b="2")), C, "first"),
        apply(bare(configmap(a="1", b="3")), C, "first"),
    ),
    script("apply with managed fields", apply(named(bare(configmap()), managedFields=[{}]), C, "first")),
    script("apply under another name", apply(bare(configmap("d")), C, "first")),
    script("apply of an invalid object", apply(bare(widget(numNodes=70)), WIDGET, "first")),
    script(
        "apply in YAML",
        patch(
            b"apiVersion: v1\nkind: ConfigMap\ndata: {a: b}\n", "application/apply-patch+yaml", f"{C}?fieldManager=a"
        ),
    ),
    script("apply without a kind", apply({"metadata": {"name": "c"}}, C, "first")),
    script(
        "apply of a status",
        post(bare(widget())),
        apply({"apiVersion": "example.dev/v1", "kind": "Widget", "status": {"state": "x"}}, STATUS, "first"),
        apply({"apiVersion": "example.dev/v1", "kind": "Widget", "status": {"n": 3}}, STATUS, "first"),
    ),
    script(
        "apply of sets",
        apply(bare(widget(marks=["a", "b"])), WIDGET, "first"),
        apply(bare(widget(marks=["b", "c"])), WIDGET, "second"),
        apply(bare(widget(marks=["b"])), WIDGET, "first"),
    ),
]

SCRIPTS: list[Script] = [*CREATING, *REPLACING, *PATCHING, *APPLYING]
