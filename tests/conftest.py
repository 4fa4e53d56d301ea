"""What holds for every test: which may be skipped, and which share a worker.

Tests that need Kubernetes' real binaries are skipped, with the reason, where those cannot be had. With CI=true nothing
may be skipped: a skip is a failure there.
"""

import os
from typing import TypeVar

import pytest

from support.kubernetes.binaries import available

pytest_plugins = ["support.kubernetes.fixtures"]

Report = TypeVar("Report", pytest.TestReport, pytest.CollectReport)


# Tests that share something expensive, or that need a whole machine's cores, share a worker.
GROUPS = ("real_api", "training")


def pytest_itemcollected(item: pytest.Item) -> None:
    """Here and not when the collection is modified: by then the workers have read the groups.

    A test that names its group keeps it.
    """
    group = next((name for name in GROUPS if item.get_closest_marker(name)), None)
    if group and not item.get_closest_marker("xdist_group") and item.config.pluginmanager.hasplugin("xdist"):
        item.add_marker(pytest.mark.xdist_group(group))


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    needing = [item for item in items if item.get_closest_marker("real_api")]
    reason = available() if needing else ""
    for item in needing if reason else []:
        item.add_marker(pytest.mark.skip(reason=f"needs a real API server: {reason}"))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> object:
    return _without_skips_in_ci((yield))


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_make_collect_report(collector: pytest.Collector) -> object:
    return _without_skips_in_ci((yield))


def _without_skips_in_ci(report: Report) -> Report:
    """With CI=true a skip becomes a failure that keeps its reason. (An expected failure is no skip.)"""
    if os.environ.get("CI") == "true" and report.skipped and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"skipped although CI=true: {report.longrepr}"
    return report
