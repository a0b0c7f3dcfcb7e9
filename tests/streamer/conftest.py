"""What every test of the live part needs."""

from __future__ import annotations

from collections.abc import Iterator

import av.logging
import pytest


@pytest.fixture(autouse=True)
def _give_back_ffmpeg_s_log() -> Iterator[None]:
    """A live source listens to FFmpeg's log in the whole process; the tests that follow are without."""
    yield
    av.logging.set_level(None)
