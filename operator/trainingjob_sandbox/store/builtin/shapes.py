"""How the lists of built-in kinds merge. Decides nothing: it is the table of their keys."""

from trainingjob_sandbox.store.patches.shape import Shape, as_set, keyed, struct

METADATA = struct(ownerReferences=keyed(["uid"]), finalizers=as_set())
_CONDITIONS = keyed(["type"])
_PROTOCOL = {"protocol": "TCP"}

_CONTAINERS = keyed(
    ["name"],
    env=keyed(["name"]),
    ports=keyed(["containerPort", "protocol"], defaults=_PROTOCOL),
    volumeMounts=keyed(["mountPath"]),
    volumeDevices=keyed(["devicePath"]),
    resources=struct(claims=keyed(["name"])),
)
_POD_SPEC = struct(
    containers=_CONTAINERS,
    initContainers=_CONTAINERS,
    ephemeralContainers=_CONTAINERS,
    volumes=keyed(["name"]),
    imagePullSecrets=keyed(["name"]),
    hostAliases=keyed(["ip"]),
    topologySpreadConstraints=keyed(["topologyKey", "whenUnsatisfiable"]),
    schedulingGates=keyed(["name"]),
    resourceClaims=keyed(["name"]),
    nodeSelector=Shape(atomic=True),
)
_POD_STATUS = struct(conditions=_CONDITIONS, podIPs=keyed(["ip"]), hostIPs=Shape())

PLAIN = struct(metadata=METADATA)
POD = struct(metadata=METADATA, spec=_POD_SPEC, status=_POD_STATUS)
SERVICE = struct(
    metadata=METADATA,
    spec=struct(ports=keyed(["port", "protocol"], defaults=_PROTOCOL), selector=Shape(atomic=True)),
    status=struct(conditions=_CONDITIONS),
)
NODE = struct(
    metadata=METADATA,
    spec=struct(podCIDRs=as_set()),
    status=struct(conditions=_CONDITIONS, addresses=keyed(["type"])),
)
CLAIM = struct(metadata=METADATA, status=struct(conditions=_CONDITIONS))
NAMESPACE = struct(metadata=METADATA, status=struct(conditions=_CONDITIONS))
SERVICE_ACCOUNT = struct(metadata=METADATA, secrets=keyed(["name"]), imagePullSecrets=Shape(merge_key="name"))
DEFINITION = struct(metadata=METADATA, status=struct(conditions=_CONDITIONS))
