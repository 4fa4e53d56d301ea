"""The one pydantic base of all API types: frozen values, camelCase on the wire, unknown fields ignored.

Unknown fields are the API server's business (it prunes or refuses them); an operator that is older than its CRD
must not fail jobs that a newer one accepted.
"""

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, StringConstraints
from pydantic.alias_generators import to_camel
from pydantic.config import JsonDict


class Model(BaseModel):
    """A frozen API value. Python attributes are snake_case, the wire is camelCase."""

    model_config = ConfigDict(frozen=True, alias_generator=to_camel, populate_by_name=True, extra="ignore")

    def wire(self) -> dict[str, Any]:
        """The value as it is written to the API server: JSON types, absent instead of null."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)


ShortText = Annotated[str, StringConstraints(min_length=1, max_length=253)]
"""A name or another short string."""

Argument = Annotated[str, StringConstraints(max_length=8192)]
"""One argument of a command."""

AbsolutePath = Annotated[str, StringConstraints(pattern=r"^/.*$", max_length=1024)]
"""A path in the pod that begins with a slash."""

Quantity = Annotated[
    str, StringConstraints(pattern=r"^[0-9]+(\.[0-9]+)?(m|k|M|G|T|P|E|Ki|Mi|Gi|Ti|Pi|Ei)?$", max_length=32)
]
"""A positive Kubernetes quantity (500m, 2, 16Gi)."""


def rule(expression: str, message: str, *, field_path: str | None = None) -> JsonDict:
    """One CEL rule of the CRD (KEP-2876); ``self`` is the value the rule is attached to."""
    found: JsonDict = {"rule": expression, "message": message}
    return found | {"fieldPath": field_path} if field_path else found


def rules(*entries: JsonDict) -> JsonDict:
    """Schema extension that attaches CEL rules to a type or a field."""
    return {"x-kubernetes-validations": list(entries)}


def map_by(key: str) -> JsonDict:
    """Schema extension of a list whose entries are told apart by one field, so that appliers can share it."""
    return {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": [key]}


OPEN: JsonDict = {"x-kubernetes-preserve-unknown-fields": True}
"""Schema extension of an object whose inside Kubernetes or the trainer validates, not the CRD."""
