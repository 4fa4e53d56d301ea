"""The built-in kinds that the store serves. Decides nothing: it is their list."""

from trainingjob_operator.api.resources import (
    CLAIMS,
    CONFIGMAPS,
    CRDS,
    EVENTS,
    LEASES,
    NAMESPACES,
    NETWORKPOLICIES,
    NODES,
    PODS,
    SERVICES,
    Resource,
)
from trainingjob_sandbox.store.builtin import configuration, definitions, pods, services, shapes, small
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.names import label_complaint, undotted_label_complaint

SECRETS = Resource("", "v1", "secrets", "Secret")
SERVICE_ACCOUNTS = Resource("", "v1", "serviceaccounts", "ServiceAccount")
VOLUMES = Resource("", "v1", "persistentvolumes", "PersistentVolume", namespaced=False)
ENDPOINT_SLICES = Resource("discovery.k8s.io", "v1", "endpointslices", "EndpointSlice")

_STATUS = frozenset({"status"})

BUILTIN = (
    Kind(
        NAMESPACES,
        short_names=("ns",),
        subresources=_STATUS,
        name_complaint=undotted_label_complaint,
        default=small.default_namespace,
        mark_deleted=small.terminating,
        fields=small.NAMESPACE_FIELDS,
        shape=shapes.NAMESPACE,
    ),
    Kind(
        PODS,
        short_names=("po",),
        categories=("all",),
        subresources=frozenset({"status", "log", "binding", "eviction"}),
        generation=True,
        graceful=True,
        returns_deleted=True,
        default=pods.default,
        validate=pods.validate,
        fields=pods.FIELDS,
        shape=shapes.POD,
    ),
    Kind(
        SERVICES,
        short_names=("svc",),
        categories=("all",),
        subresources=_STATUS,
        returns_deleted=True,
        name_complaint=label_complaint,
        default=services.default,
        validate=services.validate,
        fields=services.FIELDS,
        shape=shapes.SERVICE,
    ),
    Kind(CONFIGMAPS, short_names=("cm",), validate=configuration.validate, shape=shapes.PLAIN),
    Kind(
        SECRETS,
        default=configuration.default_secret,
        validate=configuration.validate,
        fields=small.SECRET_FIELDS,
        shape=shapes.PLAIN,
    ),
    Kind(
        EVENTS,
        short_names=("ev",),
        validate=small.validate_event,
        fields=small.EVENT_FIELDS,
        shape=shapes.PLAIN,
    ),
    Kind(NODES, short_names=("no",), subresources=_STATUS, fields=small.NODE_FIELDS, shape=shapes.NODE),
    Kind(SERVICE_ACCOUNTS, short_names=("sa",), returns_deleted=True, shape=shapes.SERVICE_ACCOUNT),
    Kind(
        CLAIMS,
        short_names=("pvc",),
        subresources=_STATUS,
        returns_deleted=True,
        default=small.default_claim,
        validate=small.validate_claim,
        shape=shapes.CLAIM,
    ),
    Kind(
        VOLUMES,
        short_names=("pv",),
        subresources=_STATUS,
        returns_deleted=True,
        default=small.default_volume,
        shape=shapes.PLAIN,
    ),
    Kind(
        NETWORKPOLICIES,
        short_names=("netpol",),
        generation=True,
        default=small.default_policy,
        shape=shapes.PLAIN,
    ),
    Kind(LEASES, validate=small.validate_lease, shape=shapes.PLAIN),
    Kind(ENDPOINT_SLICES, generation=True, shape=shapes.PLAIN),
    Kind(
        CRDS,
        short_names=("crd", "crds"),
        categories=("api-extensions",),
        subresources=_STATUS,
        generation=True,
        default=definitions.default,
        validate=definitions.validate,
        shape=shapes.DEFINITION,
    ),
)
