"""Faces that people labelled, where there are any: a sample of the stills, judged by an independent meter."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from core.still import StillAnonymizer
from streamer import Settings, anonymize_picture_file
from streamer.pictures.kind import picture_kind

HUMAN = Path(os.environ.get("VEILCAST_HUMAN") or "/nonexistent")
JUDGE = HUMAN.parent / "tools" / "stillmeter.py"
SAMPLE = 17
"""Every so many pictures of the list are looked at."""

MAX_LEAK_RATE = 0.02
MAX_OVER_MASKED = 0.005

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.timeout(600),
    pytest.mark.skipif(
        not (JUDGE.is_file() and (HUMAN / "stills.json").is_file()),
        reason="VEILCAST_HUMAN does not point to a directory of labelled stills with the judge in ../tools",
    ),
]


def test_hardly_a_face_leaks_and_hardly_anything_else_is_masked(tmp_path: Path) -> None:
    labels = json.loads((HUMAN / "stills.json").read_text("utf-8"))
    chosen = {name: labels[name] for name in sorted(labels)[::SAMPLE]}
    (tmp_path / "stills").symlink_to((HUMAN / "stills").resolve())
    (tmp_path / "stills.json").write_text(json.dumps(chosen), "utf-8")
    masked = tmp_path / "masked"
    masked.mkdir()
    engine = StillAnonymizer(Settings())
    for name in chosen:
        source = HUMAN / "stills" / name
        assert picture_kind(source) is not None
        anonymize_picture_file(source, masked / name, engine=engine)
    judge = [sys.executable, str(JUDGE), str(tmp_path), str(masked), "--json"]
    said = json.loads(subprocess.run(judge, capture_output=True, check=True).stdout)
    assert said["outputs_missing"] == 0 and said["judged"] > 100 and said["none_pictures"] >= 3
    assert said["leak_rate"] <= MAX_LEAK_RATE
    assert said["none_touched"] <= 1 and said["over_masked_none"] <= MAX_OVER_MASKED
