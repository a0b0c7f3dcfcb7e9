"""A stranger does his worst to the real program, which has few descriptors: nobody else sees anything of it.

A few seconds of each; `python -m tests.bench.bench_attacks` goes on for longer.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.live.attacks import ATTACKS, under_attack
from tests.live.face_scene import face_scene

pytestmark = pytest.mark.slow


@pytest.mark.timeout(300)
def test_attacks_without_credentials(tmp_path: Path) -> None:
    scene = face_scene(tmp_path, (320, 180))
    endured, log = under_attack(scene.clip, tmp_path / "service", list(ATTACKS), 6.0, 256)
    for one in endured:
        assert one.failures == [] and one.newcomers > 4, one
        assert one.segments >= 1, one
        # On a machine that does nothing else it is above 0.9; the attackers run here, too.
        assert one.rate > 0.7, one
    assert "Traceback" not in log and "Too many open files" not in log
