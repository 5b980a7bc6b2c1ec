"""What every test may use: hypothesis profiles, full or sample counts, when a skip is a failure."""

from __future__ import annotations

import os

import pytest
from hypothesis import HealthCheck, settings

# No timing is asserted anywhere, so hypothesis must not either; derandomised, so that two runs test the same.
SLOW_IS_FINE = [HealthCheck.too_slow]
settings.register_profile(
    "suite", deadline=None, derandomize=True, database=None, suppress_health_check=SLOW_IS_FINE
)
settings.register_profile("soak", deadline=None, max_examples=2000, suppress_health_check=SLOW_IS_FINE)
settings.load_profile("soak" if os.environ.get("RXPATH_SOAK") else "suite")

SOAK = bool(os.environ.get("RXPATH_SOAK"))
NO_SKIP = bool(os.environ.get("RXPATH_NO_SKIP"))


@pytest.fixture(scope="session")
def soak() -> bool:
    """True when the full counts are asked for (`make soak`), False for the fixed sample of `make test`."""
    return SOAK


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests marked `soak` run only under `make soak`; tests marked `netns` need root."""
    rootless = not hasattr(os, "geteuid") or os.geteuid() != 0
    for item in items:
        if item.get_closest_marker("soak") and not SOAK:
            item.add_marker(pytest.mark.skip(reason="full count: make soak"))
        if item.get_closest_marker("netns") and rootless:
            item.add_marker(pytest.mark.skip(reason="needs root and network namespaces"))


_skipped: list[str] = []


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    if NO_SKIP and report.skipped and not hasattr(report, "wasxfail"):
        _skipped.append(report.nodeid)


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    if NO_SKIP and exitstatus == 0 and _skipped:
        print(f"\n{len(_skipped)} skipped where no test may be skipped: {', '.join(_skipped[:5])}")
        session.exitstatus = 1
