"""Which samples the operator's metrics page has: names as Prometheus stores them."""

from prometheus_client import REGISTRY

from trainingjob_operator.metrics import GAUGES, PREFIX, Metrics

_SUFFIXES = {"counter": ("total",), "histogram": ("bucket", "count", "sum")}


def samples(metrics: Metrics) -> set[str]:
    """Every name that a query may use, whether anything was counted or not."""
    found = {f"{PREFIX}_{name}" for name in GAUGES} | {"trainingjob_jobs"}
    for registry in (metrics.registry, REGISTRY):
        for family in registry.collect():
            found |= {family.name} | {f"{family.name}_{suffix}" for suffix in _SUFFIXES.get(family.type, ())}
    return found
