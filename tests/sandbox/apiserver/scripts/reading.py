"""Reading: objects, lists, selectors, pages, tables, and what is not there."""

from sandbox.apiserver.scripts.pods import POD
from sandbox.apiserver.scripts.script import (
    CONFIGMAPS,
    CORE,
    METADATA,
    METADATA_LIST,
    PODS,
    SERVICES,
    TABLE,
    WIDGET,
    WIDGETS,
    Script,
    bare,
    delete,
    get,
    patch,
    post,
    put,
    script,
)
from support.api_objects import configmap, labelled, widget

THREE = [post(bare(labelled(widget(name), name=name, odd=odd))) for name, odd in (("a", "1"), ("b", "0"), ("c", "1"))]
LABELS = [
    "name=a",
    "name==a",
    "name!=a",
    "name in (a,c)",
    "name notin (a,c)",
    "odd=1,name!=a",
    "name",
    "!name",
    "other",
    "odd>0",
    "odd<1",
    "name=",
    "name in ()",
]
BAD_LABELS = ["a in b", "=", "a==b==c", "a b", "odd>x", "in (a)", "a,,b"]
FIELDS = ["metadata.name=a", "metadata.name!=a", "metadata.namespace=NS", "metadata.name=a,metadata.name=b"]
BAD_FIELDS = ["spec.a=b", "metadata.labels.a=b", "metadata.name"]


def quoted(selector: str) -> str:
    return "".join(f"%{ord(c):02x}" if c in " =!(),<>" else c for c in selector)


NO_GROUP = "An unknown group or version is refused with a Status, not with a line of text."
BAD_PAGE = "A continue token that no server gave is refused in other words."

AGES = "An event that tells no time is shown with the age of its object."

OBJECTS = [
    script("missing", get(f"{WIDGETS}/none"), delete(f"{WIDGETS}/none")),
    script("missing pod", get(f"{PODS}/none"), delete(f"{PODS}/none")),
    script("missing namespace", get("/api/v1/namespaces/nowhere")),
    script("an empty list", get(WIDGETS)),
    script("a list in a missing namespace", get(WIDGETS.replace("NS", "nowhere"))),
    script("unknown kind", get(f"{CORE}/gadgets")),
    script("unknown group", get("/apis/nobody.dev/v1/things"), differs=NO_GROUP),
    script("unknown version", get(WIDGETS.replace("v1", "v2")), differs=NO_GROUP),
    script("unknown subresource", post(bare(widget())), get(f"{WIDGET}/scale")),
    script("status of a kind without one", post(bare(configmap()), CONFIGMAPS), get(f"{CONFIGMAPS}/c/status")),
    script("status of one object", post(bare(widget())), get(f"{WIDGET}/status")),
    script("methods", put({}, PODS), patch({}, path=PODS), post({}, f"{PODS}/p")),
    script("metadata of one", post(bare(widget())), get(WIDGET, METADATA)),
    script("metadata of all", *THREE, get(WIDGETS, METADATA_LIST)),
    script("an unknown form", post(bare(widget())), get(WIDGET, "text/html")),
]

LISTS = [
    script("selected by labels", *THREE, *(get(f"{WIDGETS}?labelSelector={quoted(one)}") for one in LABELS)),
    *(script(f"bad labels {one}", get(f"{WIDGETS}?labelSelector={quoted(one)}")) for one in BAD_LABELS),
    script("selected by fields", *THREE, *(get(f"{WIDGETS}?fieldSelector={quoted(one)}") for one in FIELDS)),
    *(script(f"bad fields {one}", get(f"{WIDGETS}?fieldSelector={quoted(one)}")) for one in BAD_FIELDS),
    script(
        "pods by their fields",
        post(bare(POD), PODS),
        get(f"{PODS}?fieldSelector=status.phase%3DPending"),
        get(f"{PODS}?fieldSelector=status.phase%3DRunning"),
        get(f"{PODS}?fieldSelector=spec.nodeName%3D"),
        get(f"{PODS}?fieldSelector=spec.restartPolicy!%3DNever"),
        get(f"{PODS}?fieldSelector=spec.a%3Db"),
    ),
    script("services have no phase", get(f"{SERVICES}?fieldSelector=status.phase%3DRunning")),
    script("a list at a version", *THREE, get(f"{WIDGETS}?resourceVersion=0&limit=2")),
    script("a list at exactly a version", get(f"{WIDGETS}?resourceVersionMatch=Exact")),
    script("a list of a version that is no number", get(f"{WIDGETS}?resourceVersion=x")),
]

PAGES = [
    script(
        "pages",
        *THREE,
        get(f"{WIDGETS}?limit=2"),
        get(f"{WIDGETS}?limit=2&continue=${{3.metadata.continue}}"),
    ),
    script(
        "pages of one",
        *THREE,
        get(f"{WIDGETS}?limit=1"),
        get(f"{WIDGETS}?limit=1&continue=${{3.metadata.continue}}"),
        get(f"{WIDGETS}?limit=1&continue=${{4.metadata.continue}}"),
    ),
    script(
        "pages show one moment",
        *THREE,
        get(f"{WIDGETS}?limit=1"),
        delete(f"{WIDGETS}/b"),
        post(bare(widget("d"))),
        get(f"{WIDGETS}?limit=9&continue=${{3.metadata.continue}}"),
    ),
    script("pages with a selector", *THREE, get(f"{WIDGETS}?limit=1&labelSelector=odd%3D1")),
    script("a page that holds all", *THREE, get(f"{WIDGETS}?limit=3")),
    script("a bad page", get(f"{WIDGETS}?limit=1&continue=abc"), differs=BAD_PAGE),
    script("a bad limit", get(f"{WIDGETS}?limit=x")),
    script(
        "pages of a version",
        *THREE,
        get(f"{WIDGETS}?limit=1"),
        get(f"{WIDGETS}?limit=1&continue=${{3.metadata.continue}}&resourceVersion=${{3.metadata.resourceVersion}}"),
    ),
]

TABLES = [
    script("a table", *THREE, patch({"status": {"state": "Up"}}, path=f"{WIDGETS}/a/status"), get(WIDGETS, TABLE)),
    script("a table of one", post(bare(widget())), get(WIDGET, TABLE)),
    script("an empty table", get(WIDGETS, TABLE)),
    script("a table with objects", post(bare(widget())), get(f"{WIDGETS}?includeObject=Object", TABLE)),
    script("a table without objects", post(bare(widget())), get(f"{WIDGETS}?includeObject=None", TABLE)),
    script("a table of a page", *THREE, get(f"{WIDGETS}?limit=1", TABLE)),
    script(
        "a table with conditions",
        post(bare(widget())),
        patch({"status": {"conditions": [{"type": "Complete", "reason": "R"}]}}, path=f"{WIDGET}/status"),
        get(WIDGETS, TABLE),
    ),
    script("a table of pods", post(bare(POD), PODS), get(PODS, TABLE)),
    script(
        "a table of services",
        post({"metadata": {"name": "s"}, "spec": {"clusterIP": "None", "ports": [{"port": 80}]}}, SERVICES),
        get(SERVICES, TABLE),
    ),
    script("a table of configmaps", post(bare(configmap(a="1", b="2")), CONFIGMAPS), get(f"{CONFIGMAPS}/c", TABLE)),
    script(
        "a table of events",
        post(
            {
                "metadata": {"name": "e"},
                "involvedObject": {"kind": "Pod", "namespace": "NS", "name": "p"},
                "type": "Normal",
                "reason": "R",
                "message": "m",
            },
            f"{CORE}/events",
        ),
        get(f"{CORE}/events", TABLE),
        differs=AGES,
    ),
    script("a table of a missing object", get(WIDGET, TABLE)),
]

SCRIPTS: list[Script] = [*OBJECTS, *LISTS, *PAGES, *TABLES]
