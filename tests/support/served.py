"""The TrainingJob kind on a store, compiled once per process.

Generating the CRD and compiling its schema takes as long as a whole simulated story; every story needs them.
"""

from functools import cache
from random import Random
from typing import Any

from support.builders import NOON
from trainingjob_operator.api.resources import CRDS, NAMESPACES, TRAININGJOBS
from trainingjob_operator.api.schema import crd
from trainingjob_sandbox.store import Store
from trainingjob_sandbox.store.kinds import Kind
from trainingjob_sandbox.store.table import Table

HISTORY = 4096


def serve_trainingjobs(store: Store, namespace: str, *, rules: bool = True) -> None:
    """Make a store serve TrainingJobs in a namespace; without ``rules`` no CEL is evaluated, which is the slow part."""
    kind = _kind(rules)
    # The store has no way to adopt a compiled kind, and needs none outside of these tests.
    store.catalog._found[kind.key] = (kind, Table(HISTORY))
    store.create(NAMESPACES, None, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}})


@cache
def _kind(rules: bool) -> Kind:
    store = Store(lambda: NOON, Random(0))
    definition = crd()
    store.create(CRDS, None, definition if rules else _without_rules(definition))
    return store.catalog.find(TRAININGJOBS)[0]


def _without_rules(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_rules(v) for key, v in value.items() if key != "x-kubernetes-validations"}
    return [_without_rules(v) for v in value] if isinstance(value, list) else value
