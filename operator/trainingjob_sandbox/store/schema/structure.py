"""A custom kind's schema as the store uses it. Decides nothing: it joins completion and validation."""

from collections.abc import Mapping
from typing import Any

from trainingjob_operator.cluster.api import Object
from trainingjob_sandbox.store.errors import Cause
from trainingjob_sandbox.store.schema.completion import completed
from trainingjob_sandbox.store.schema.rules import ABSENT
from trainingjob_sandbox.store.schema.structural import Schema, structural
from trainingjob_sandbox.store.schema.validation import schema_causes


class OpenApiStructure:
    """An ``openAPIV3Schema``, compiled. Raises ValueError if it cannot be."""

    def __init__(self, document: Mapping[str, Any]) -> None:
        self.schema: Schema = structural(document)

    def complete(self, value: Object, old: Object | None) -> tuple[Object, list[str]]:
        return completed(value, old, self.schema)

    def causes(self, value: Object, old: Object | None) -> list[Cause]:
        return schema_causes(value, ABSENT if old is None else old, self.schema)
