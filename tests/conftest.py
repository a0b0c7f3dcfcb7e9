"""Fixtures that several test modules share."""

from __future__ import annotations

import os
import signal
from collections.abc import Generator, Iterator

import pytest

pytest_plugins = ["tests.rigs.cluster.fixtures"]


@pytest.fixture
def _keep_signal_handlers() -> Iterator[None]:
    """The command line takes over SIGTERM; give it back."""
    before = signal.getsignal(signal.SIGTERM)
    yield
    signal.signal(signal.SIGTERM, before)


# Programs that CI installs; a lack of rights, or of clips, may be met anywhere.
_INSTALLED = ("ffmpeg", "ffprobe", "gstreamer", "gst-", "chromium", "browser", "mkdocs", "postgresql", "redis", "nginx")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """With VEILCAST_SKIP=never a test that lacks a program fails: CI is to miss nothing."""
    report = yield
    if report.skipped and os.environ.get("VEILCAST_SKIP") == "never" and not hasattr(report, "wasxfail"):
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        if any(name in reason.lower() for name in _INSTALLED):
            report.outcome = "failed"
            report.longrepr = f"{item.nodeid} may not be skipped here: {reason}"
    return report
