"""The parts of a container that a TrainingJob takes over as they are: environment, resources, pod template.

Kubernetes validates the inside of `valueFrom`, `envFrom` and the pod template when a pod is created; here only
their outer shape is checked.
"""

from typing import Annotated, Any

from pydantic import Field, StringConstraints

from trainingjob_operator.api.model import OPEN, Model, rule, rules

EnvName = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_.-]*$", max_length=253)]
LABEL_RULES = rules(
    rule("self.all(key, !key.startsWith('trainingjob.dev/'))", "trainingjob.dev/ is the operator's own")
)
QuantityOrInt = int | Annotated[str, StringConstraints(max_length=64)]


class EnvVar(Model):
    """One environment variable, as in a container."""

    name: EnvName = Field(description="Name of the variable. Names that the operator sets itself are refused.")
    value: Annotated[str, StringConstraints(max_length=32768)] | None = Field(
        default=None, description="Value; $(OTHER) refers to other variables of the container."
    )
    value_from: dict[str, Any] | None = Field(
        default=None,
        description="Source of the value: configMapKeyRef, secretKeyRef, fieldRef or resourceFieldRef.",
        json_schema_extra=OPEN,
    )


class Resources(Model):
    """CPU and memory of the training container, as in a container."""

    limits: dict[str, QuantityOrInt] = Field(
        default={},
        max_length=32,
        description="Upper bounds, e.g. cpu: 8, memory: 64Gi. GPUs are set by spec.gpusPerNode.",
    )
    requests: dict[str, QuantityOrInt] = Field(
        default={}, max_length=32, description="What the scheduler reserves; equal to limits where only limits are set."
    )


class PodMetadata(Model):
    """Labels and annotations to put on every pod."""

    labels: dict[str, Annotated[str, StringConstraints(max_length=63)]] = Field(
        default={},
        max_length=64,
        description="Additional labels. Labels under trainingjob.dev/ are reserved.",
        json_schema_extra=LABEL_RULES,
    )
    annotations: dict[str, Annotated[str, StringConstraints(max_length=32768)]] = Field(
        default={}, max_length=64, description="Additional annotations, e.g. of a gang scheduler or a network plug-in."
    )


class PodTemplate(Model):
    """An overlay over the pods that the operator makes."""

    metadata: PodMetadata = Field(default=PodMetadata(), description="Labels and annotations of the pods.")
    spec: dict[str, Any] = Field(
        default={},
        description="Any field of a pod's spec (nodeSelector, tolerations, volumes, ...), laid over the "
        "operator's own. Lists of named things are merged by name: the training container is called `trainer`.",
        json_schema_extra=OPEN,
    )
