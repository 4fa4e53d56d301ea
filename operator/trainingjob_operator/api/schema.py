"""The CustomResourceDefinition, made from the API types.

Says what `kubectl apply` answers at once: types and bounds (structural.py), rules over several fields in CEL (here and
beside the types), the columns of `kubectl get`, short name and subresource. What CEL cannot say is in validate.py.
"""

from typing import Any

from trainingjob_operator.api import names
from trainingjob_operator.api.model import rule
from trainingjob_operator.api.status import TrainingJobStatus
from trainingjob_operator.api.structural import Schema, structural
from trainingjob_operator.api.types import TrainingJobSpec

MUTABLE = frozenset({"suspend", "failurePolicy", "activeDeadlineSeconds", "ttlSecondsAfterFinished"})
"""Fields of the spec that may change while a job exists; the rest is fixed when the job is created.

Of failurePolicy all may change: a rule or a limit is about what happens next.
"""

NAME_RULES = [
    rule(
        f"self.metadata.name.size() <= {names.MAX_JOB_NAME}",
        f"metadata.name must have at most {names.MAX_JOB_NAME} characters: pods are called <name>-<attempt>-<rank>",
    ),
    rule(
        f"self.metadata.name.matches('{names.JOB_NAME_PATTERN}')",
        "metadata.name must be lower-case letters, digits and '-', begin with a letter and end with a letter or digit: "
        "it is also the name of a Service",
    ),
]


def crd() -> dict[str, Any]:
    """The whole CustomResourceDefinition as it is applied."""
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"trainingjobs.{names.GROUP}"},
        "spec": {
            "group": names.GROUP,
            "scope": "Namespaced",
            "names": {
                "kind": names.KIND,
                "listKind": f"{names.KIND}List",
                "plural": "trainingjobs",
                "singular": "trainingjob",
                "shortNames": ["tj"],
                "categories": ["training"],
            },
            "versions": [
                {
                    "name": names.VERSION,
                    "served": True,
                    "storage": True,
                    "subresources": {"status": {}},
                    "additionalPrinterColumns": _columns(),
                    "schema": {"openAPIV3Schema": _root()},
                }
            ],
        },
    }


def _root() -> Schema:
    return {
        "type": "object",
        "description": "A multi-node PyTorch run: one pod per node, started, watched and restarted together.",
        "required": ["spec"],
        "properties": {"spec": _spec(), "status": _status()},
        "x-kubernetes-validations": NAME_RULES,
    }


def _spec() -> Schema:
    """The spec with a rule against each change that is none of its mutable fields'.

    Such a rule stands on the field, but is not asked there when the field appears or disappears: that is asked on the
    spec, of the fields that may be absent. All on the spec would be simpler, but each look at a field from there costs
    the API server some 40 us of CPU, and rules are asked at each write of a status, too.
    """
    schema = structural(TrainingJobSpec)
    fields = schema["properties"]
    fixed = [field for field in fields if field not in MUTABLE]
    may_be_absent = [field for field in fixed if field not in schema["required"] and "default" not in fields[field]]
    for field in fixed:
        fields[field] = _with_rules(fields[field], rule("self == oldSelf", _unchangeable(field)))
    presence = (
        rule(f"has(self.{field}) == has(oldSelf.{field})", _unchangeable(field), field_path=f".{field}")
        for field in may_be_absent
    )
    return _with_rules(schema, *presence) | {"description": "What to run, on how many nodes, with which data."}


def _with_rules(schema: Schema, *rules: Schema) -> Schema:
    return schema | {"x-kubernetes-validations": [*schema.get("x-kubernetes-validations", ()), *rules]}


def _unchangeable(field: str) -> str:
    return f"spec.{field} cannot be changed: delete the job and create it again, or give the new one another name"


def _status() -> Schema:
    """The status, owned as one: the operator alone writes it, and always whole.

    Finding out who owns each of its fields costs the API server a fifth of a status write's CPU (docs/design.md).
    """
    return structural(TrainingJobStatus) | {
        "description": "How the job is going; written by the operator.",
        "x-kubernetes-map-type": "atomic",
    }


def _columns() -> list[dict[str, Any]]:
    def column(name: str, kind: str, path: str, description: str, priority: int = 0) -> dict[str, Any]:
        found = {"name": name, "type": kind, "jsonPath": path, "description": description}
        return found | {"priority": priority} if priority else found

    return [
        column("State", "string", ".status.state", "The job's state in one word."),
        column("Nodes", "string", ".status.nodes", "Running nodes of all nodes."),
        column("Restarts", "integer", ".status.restarts", "Restarts that counted towards maxRestarts."),
        column("Progress", "string", ".status.progress.done", "How much of the training is done."),
        column("ETA", "string", ".status.progress.eta", "Time that is left at the present speed."),
        column("Age", "date", ".metadata.creationTimestamp", "Time since the job was created."),
        column("Attempt", "integer", ".status.attempt", "Number of the current attempt.", 1),
        column("Reason", "string", ".status.reason", "Why the job is in this state.", 1),
        column("Image", "string", ".spec.image", "Container image.", 1),
    ]
