"""Watches: what happened since a version, first sights, selectors, bookmarks, and histories that are gone."""

from dataclasses import replace

from sandbox.apiserver.scripts.pods import POD
from sandbox.apiserver.scripts.script import (
    CONFIGMAPS,
    METADATA,
    PODS,
    TABLE,
    WIDGET,
    WIDGETS,
    Script,
    bare,
    delete,
    get,
    patch,
    post,
    script,
    watch,
)
from sandbox.apiserver.scripts.writing import VERSIONS
from support.api_objects import finalized, labelled, pod, widget

START = get(WIDGETS)
SINCE = "&resourceVersion=${0.metadata.resourceVersion}"
CHANGE = patch({"spec": {"numNodes": 3}})
LABEL = patch({"metadata": {"labels": {"a": "b"}}})
FIRST = "&sendInitialEvents=true&resourceVersionMatch=NotOlderThan&allowWatchBookmarks=true"

TABLES = "A watch of tables repeats the columns in every row."
P = f"{PODS}/p"
PLACED = bare(pod(node="n", automountServiceAccountToken=False))

SCRIPTS: list[Script] = [
    script("a life", START, post(bare(widget())), CHANGE, LABEL, delete(), watch(WIDGETS, 4, SINCE)),
    script(
        "a status",
        START,
        post(bare(widget())),
        patch({"status": {"n": 1}}, path=f"{WIDGET}/status"),
        watch(WIDGETS, 2, SINCE),
    ),
    script(
        "what changes nothing is no event",
        START,
        post(bare(widget())),
        CHANGE,
        CHANGE,
        delete(),
        watch(WIDGETS, 3, SINCE),
    ),
    script(
        "from the middle",
        START,
        post(bare(widget())),
        CHANGE,
        LABEL,
        watch(WIDGETS, 1, "&resourceVersion=${2.metadata.resourceVersion}"),
    ),
    script("without a version all come first", post(bare(widget("a"))), post(bare(widget("b"))), watch(WIDGETS, 2)),
    script("version 0", post(bare(widget())), watch(WIDGETS, 1, "&resourceVersion=0")),
    script("first sights and their end", post(bare(widget("a"))), post(bare(widget("b"))), watch(WIDGETS, 3, FIRST)),
    script("the end of no first sights", watch(WIDGETS, 1, FIRST)),
    script("first sights without a match", watch(WIDGETS, 1, "&sendInitialEvents=true&allowWatchBookmarks=true")),
    script(
        "one object",
        START,
        post(bare(widget("a"))),
        post(bare(widget())),
        delete(),
        watch(WIDGETS, 2, f"{SINCE}&fieldSelector=metadata.name%3Dw"),
    ),
    script("of one object by its path", post(bare(widget())), get(f"{WIDGET}?watch=1")),
    script(
        "an object that comes to match is new, one that stops matching is gone",
        START,
        post(bare(widget())),
        LABEL,
        CHANGE,
        patch({"metadata": {"labels": {"a": "c"}}}),
        watch(WIDGETS, 3, f"{SINCE}&labelSelector=a%3Db"),
    ),
    script(
        "of pods by phase",
        get(PODS),
        post(bare(POD), PODS),
        patch({"status": {"phase": "Running"}}, path=f"{PODS}/p/status"),
        watch(PODS, 2, f"{SINCE}&fieldSelector=status.phase%3DPending"),
    ),
    script(
        "a finalizer holds",
        START,
        post(bare(finalized(widget(), "example.dev/a"))),
        delete(),
        patch({"metadata": {"finalizers": None}}),
        watch(WIDGETS, 3, SINCE),
    ),
    script(
        "another namespace is not seen",
        START,
        post(bare(widget("x")), "/apis/example.dev/v1/namespaces/default/widgets", "?dryRun=All"),
        post(bare(widget())),
        watch(WIDGETS, 1, SINCE),
    ),
    script("too old", post(bare(widget())), watch(WIDGETS, 1, "&resourceVersion=1"), forgets=True),
    script("a version that is no number", watch(WIDGETS, 1, "&resourceVersion=x"), differs=VERSIONS),
    script("as a table", START, post(bare(widget())), replace(watch(WIDGETS, 1, SINCE), accept=TABLE)),
    script(
        "as tables",
        START,
        post(bare(widget())),
        CHANGE,
        replace(watch(WIDGETS, 2, SINCE), accept=TABLE),
        differs=TABLES,
    ),
    script(
        "a pod's end", get(PODS), post(PLACED, PODS), delete(P), delete(P, gracePeriodSeconds=0), watch(PODS, 3, SINCE)
    ),
    script("a waiting pod's end", get(PODS), post(bare(POD), PODS), delete(P), watch(PODS, 2, SINCE)),
    script(
        "as metadata", START, post(bare(labelled(widget(), a="b"))), replace(watch(WIDGETS, 1, SINCE), accept=METADATA)
    ),
    script("a bad selector", watch(WIDGETS, 1, "&labelSelector=a%20in%20b")),
    script("an unknown kind", watch(f"{CONFIGMAPS}x", 1)),
]
