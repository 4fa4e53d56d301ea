"""Pods: what is filled in, refused, changed; their binding, status and eviction."""

from typing import Any

from sandbox.apiserver.scripts.script import MERGE, PODS, STRATEGIC, Script, bare, get, patch, post, script
from support.api_objects import pod

P = f"{PODS}/p"
CONTAINER = {"name": "main", "image": "image:1"}
# Without the token volume that only a real server mounts.
POD = pod(automountServiceAccountToken=False)


def one(container: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """A pod whose container has more fields."""
    return pod(containers=[CONTAINER | container], automountServiceAccountToken=False, **spec)


REFUSED = [
    pod(containers=[]),
    pod(containers=[{"image": "i"}]),
    pod(containers=[{"name": "c"}]),
    pod(containers=[CONTAINER, CONTAINER]),
    pod(containers=[{"name": "C_", "image": "i"}]),
    pod(restartPolicy="Sometimes"),
    one({"volumeMounts": [{"name": "v", "mountPath": "/x"}]}),
    one({"ports": [{"containerPort": 99999}]}),
    one({"env": [{"name": "a=b", "value": "x"}]}),
    pod(volumes=[{"name": "v", "emptyDir": {}}, {"name": "v", "emptyDir": {}}]),
    pod("x" * 254),
    pod("Upper"),
    pod(hostname="Upper"),
]
ACCEPTED = [
    POD,
    one({"ports": [{"name": "main", "containerPort": 29500}]}),
    one(
        {"env": [{"name": "A", "value": "x"}, {"name": "B", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]}
    ),
    one({"resources": {"limits": {"cpu": "2", "memory": "1Gi"}}}),
    one(
        {"volumeMounts": [{"name": "v", "mountPath": "/x"}], "readinessProbe": {"tcpSocket": {"port": 80}}},
        volumes=[{"name": "v", "emptyDir": {"medium": "Memory"}}],
    ),
    one({"image": "image"}),
    one({"image": "image:latest"}),
    one({}, hostname="h", subdomain="s", restartPolicy="Never", hostAliases=[{"ip": "10.0.0.1", "hostnames": ["a"]}]),
    one({}, terminationGracePeriodSeconds=-1),
    one({}, initContainers=[{"name": "init", "image": "i:1"}]),
]
RUNNING = {
    "status": {
        "phase": "Running",
        "podIP": "10.0.0.1",
        "podIPs": [{"ip": "10.0.0.1"}],
        "conditions": [{"type": "Ready", "status": "True"}],
        "containerStatuses": [
            {"name": "main", "ready": True, "restartCount": 0, "image": "i", "imageID": "", "state": {"running": {}}}
        ],
    }
}
BINDING = {"metadata": {"name": "p"}, "target": {"kind": "Node", "name": "n"}}
EVICTION = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": "p"}}

NO_NODE = "A binding that names no node is refused with status 422."

SCRIPTS: list[Script] = [
    *(
        script(f"pod {number}", post(bare(found), PODS, "?dryRun=All"))
        for number, found in enumerate((*REFUSED, *ACCEPTED))
    ),
    script("a pod is kept as it was told", post(bare(ACCEPTED[4]), PODS), get(P)),
    script("a status is written apart", post(bare(POD), PODS), patch(RUNNING, MERGE, f"{P}/status"), get(P)),
    script("a status beside the subresource", post(bare(POD), PODS), patch(RUNNING, MERGE, P)),
    script(
        "a pod's status starts anew in parts",
        post(bare(POD), PODS),
        patch(RUNNING, STRATEGIC, f"{P}/status"),
        patch({"status": {"phase": "Succeeded", "conditions": None}}, STRATEGIC, f"{P}/status"),
    ),
    script(
        "a status for a pod's namesake",
        post(bare(POD), PODS),
        patch({"metadata": {"uid": "another"}, "status": {"phase": "Failed"}}, MERGE, f"{P}/status"),
        patch({"metadata": {"uid": "another"}, "status": {"phase": "Failed"}}, STRATEGIC, f"{P}/status"),
    ),
    script("labels of a pod", post(bare(POD), PODS), patch({"metadata": {"labels": {"a": "b"}}}, MERGE, P)),
    script("a pod's node cannot be changed", post(bare(POD), PODS), patch({"spec": {"nodeName": "n"}}, MERGE, P)),
    script(
        "a pod's restart policy is fixed", post(bare(POD), PODS), patch({"spec": {"restartPolicy": "Never"}}, MERGE, P)
    ),
    script("binding", post(bare(POD), PODS), *[post(BINDING, f"{P}/binding")] * 2, get(P)),
    script("binding of a missing pod", post(BINDING, f"{P}/binding")),
    script(
        "binding without a node",
        post(bare(POD), PODS),
        post({"metadata": {"name": "p"}}, f"{P}/binding"),
        differs=NO_NODE,
    ),
    script("eviction of a waiting pod", post(bare(POD), PODS), post(EVICTION, f"{P}/eviction"), get(P)),
    script(
        "eviction of a placed pod",
        post(bare(pod(node="n", automountServiceAccountToken=False)), PODS),
        post(EVICTION, f"{P}/eviction"),
        get(P),
    ),
    script("eviction of a missing pod", post(EVICTION, f"{P}/eviction")),
    script("the log of a missing pod", get(f"{P}/log")),
    script("the log of a waiting pod", post(bare(POD), PODS), get(f"{P}/log")),
]
