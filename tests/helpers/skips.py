"""Hooks of pytest: with RNNFAST_TEST_NO_SKIPS=1 a test, or a file of them, that is skipped fails.

What is expected to fail stays that.
"""

from __future__ import annotations

import os
from collections.abc import Generator
from typing import Any

import pytest


@pytest.hookimpl(wrapper=True)
def pytest_make_collect_report() -> Generator[None, Any, Any]:
    """Of a file that is skipped as a whole."""
    return _without_skip((yield))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport() -> Generator[None, Any, Any]:
    """Of one test."""
    return _without_skip((yield))


def _without_skip(report: Any) -> Any:
    if report.skipped and not hasattr(report, "wasxfail") and os.environ.get("RNNFAST_TEST_NO_SKIPS") == "1":
        _, _, said = report.longrepr
        report.outcome, report.longrepr = "failed", f"RNNFAST_TEST_NO_SKIPS=1, and this was skipped: {said}"
    return report
