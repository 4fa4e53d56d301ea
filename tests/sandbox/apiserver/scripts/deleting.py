"""Deleting: preconditions, grace, finalizers, owners and their dependents, collections, namespaces."""

from typing import Any

from sandbox.apiserver.scripts.pods import POD
from sandbox.apiserver.scripts.script import (
    CONFIGMAPS,
    CORE,
    PODS,
    SERVICES,
    WIDGET,
    WIDGETS,
    Ask,
    Script,
    bare,
    delete,
    eventually,
    get,
    named,
    patch,
    post,
    script,
)
from support.api_objects import Object, configmap, finalized, labelled, pod, widget

P = f"{PODS}/p"
PLACED = bare(pod(node="n", automountServiceAccountToken=False))
DONE = patch({"status": {"phase": "Succeeded"}}, path=f"{P}/status")
HELD = bare(finalized(widget(), "example.dev/a", "example.dev/b"))
GONE = 404


def dependent(name: str, owner: int, *, blocking: bool = False) -> Object:
    """A configmap whose owner is the configmap of an earlier answer."""
    reference = {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "name": f"${{{owner}.metadata.name}}",
        "uid": f"${{{owner}.metadata.uid}}",
        "blockOwnerDeletion": blocking,
    }
    return named(bare(configmap(name)), ownerReferences=[reference])


def family(*, blocking: bool = False) -> list[Ask]:
    """An owner ``o`` and its dependent ``d``."""
    return [post(bare(configmap("o")), CONFIGMAPS), post(dependent("d", 0, blocking=blocking), CONFIGMAPS)]


def precondition(**wanted: Any) -> Ask:
    return delete(preconditions=wanted)


PRECONDITIONS = [
    script("another UID", post(bare(widget())), precondition(uid="x")),
    script("this UID", post(bare(widget())), precondition(uid="${0.metadata.uid}"), get()),
    script("another version", post(bare(widget())), precondition(resourceVersion="1")),
    script("this version", post(bare(widget())), precondition(resourceVersion="${0.metadata.resourceVersion}")),
    script(
        "the UID of the one before",
        post(bare(widget())),
        delete(),
        post(bare(widget())),
        precondition(uid="${0.metadata.uid}"),
        get(),
    ),
    script(
        "a pod with another UID",
        post(PLACED, PODS),
        delete(P, preconditions={"uid": "x"}, gracePeriodSeconds=0),
        get(P),
    ),
]

GRACE = [
    script("a pod without a node goes at once", post(bare(POD), PODS), delete(P), get(P)),
    script("a pod on a node gets its grace", post(PLACED, PODS), delete(P), get(P)),
    script(
        "a pod on a node gets the grace that is asked for", post(PLACED, PODS), delete(P, gracePeriodSeconds=5), get(P)
    ),
    script("no grace", post(PLACED, PODS), delete(P, gracePeriodSeconds=0), get(P)),
    script("grace gets shorter", post(PLACED, PODS), *[delete(P, gracePeriodSeconds=n) for n in (20, 5)], get(P)),
    script("grace never gets longer", post(PLACED, PODS), *[delete(P, gracePeriodSeconds=n) for n in (5, 20)], get(P)),
    script("the kubelet's last word", post(PLACED, PODS), delete(P), delete(P, gracePeriodSeconds=0), get(P)),
    script("deleted twice", post(PLACED, PODS), delete(P), delete(P)),
    script("a finished pod goes at once", post(PLACED, PODS), DONE, delete(P), get(P)),
    script("negative grace", post(PLACED, PODS), delete(P, gracePeriodSeconds=-3)),
    script("grace in the query", post(PLACED, PODS), Ask("DELETE", f"{P}?gracePeriodSeconds=0"), get(P)),
    script("a dry run", post(bare(widget())), Ask("DELETE", f"{WIDGET}?dryRun=All"), get()),
    script("a leaving pod takes a status", post(PLACED, PODS), delete(P), DONE, get(P)),
    script("a leaving pod's name is taken", post(PLACED, PODS), delete(P), post(PLACED, PODS)),
    script(
        "a service", post({"metadata": {"name": "s"}, "spec": {"clusterIP": "None"}}, SERVICES), delete(f"{SERVICES}/s")
    ),
    script("a configmap", post(bare(configmap()), CONFIGMAPS), delete(f"{CONFIGMAPS}/c"), get(f"{CONFIGMAPS}/c")),
]

FINALIZERS = [
    script("a finalizer holds", post(HELD), delete(), get()),
    script(
        "the last finalizer lets go",
        post(HELD),
        delete(),
        patch({"metadata": {"finalizers": ["example.dev/b"]}}),
        patch({"metadata": {"finalizers": []}}),
        get(),
    ),
    script(
        "nothing new holds a leaving object",
        post(HELD),
        delete(),
        patch({"metadata": {"finalizers": ["example.dev/a", "example.dev/c"]}}),
    ),
    script("a leaving object's spec changes", post(HELD), delete(), patch({"spec": {"numNodes": 4}})),
    script("deleted twice with a finalizer", post(HELD), delete(), delete()),
    script("a finalizer that goes before", post(HELD), patch({"metadata": {"finalizers": None}}), delete(), get()),
    script(
        "a pod with a finalizer and grace",
        post(finalized(PLACED, "example.dev/a"), PODS),
        delete(P, gracePeriodSeconds=0),
        patch({"metadata": {"finalizers": None}}, path=P),
        get(P),
    ),
]

OWNERS = [
    script(
        "dependents go with their owner", *family(), delete(f"{CONFIGMAPS}/o"), eventually(get(f"{CONFIGMAPS}/d"), GONE)
    ),
    script(
        "dependents go later",
        *family(),
        delete(f"{CONFIGMAPS}/o", propagationPolicy="Background"),
        eventually(get(f"{CONFIGMAPS}/d"), GONE),
    ),
    script(
        "dependents go first",
        *family(blocking=True),
        delete(f"{CONFIGMAPS}/o", propagationPolicy="Foreground"),
        eventually(get(f"{CONFIGMAPS}/o"), GONE),
        get(f"{CONFIGMAPS}/d"),
    ),
    script(
        "dependents are left alone",
        *family(),
        delete(f"{CONFIGMAPS}/o", propagationPolicy="Orphan"),
        eventually(get(f"{CONFIGMAPS}/o"), GONE),
        get(f"{CONFIGMAPS}/d"),
    ),
    script(
        "grandchildren",
        *family(),
        post(dependent("e", 1), CONFIGMAPS),
        delete(f"{CONFIGMAPS}/o"),
        eventually(get(f"{CONFIGMAPS}/e"), GONE),
    ),
    script(
        "an owner that never was",
        post(bare(configmap("o")), CONFIGMAPS),
        delete(f"{CONFIGMAPS}/o"),
        post(dependent("d", 0), CONFIGMAPS),
        eventually(get(f"{CONFIGMAPS}/d"), GONE),
    ),
    script("an unknown propagation", post(bare(widget())), delete(propagationPolicy="Sideways")),
]

COLLECTIONS = [
    script("all", post(bare(widget("a"))), post(bare(widget("b"))), delete(WIDGETS), get(WIDGETS)),
    script(
        "some",
        post(bare(labelled(widget("a"), a="b"))),
        post(bare(widget("b"))),
        delete(f"{WIDGETS}?labelSelector=a%3Db"),
        get(WIDGETS),
    ),
    script(
        "a namespace",
        post(bare(configmap()), CONFIGMAPS),
        Ask("DELETE", CORE),
        eventually(get(CORE), GONE),
        get(f"{CONFIGMAPS}/c"),
        post(bare(configmap()), CONFIGMAPS),
    ),
]

SCRIPTS: list[Script] = [*PRECONDITIONS, *GRACE, *FINALIZERS, *OWNERS, *COLLECTIONS]
