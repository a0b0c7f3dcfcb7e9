"""Labelled clips, where there are any: leaks and over-masking as an independent judge counts them."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from streamer import anonymize_file

CORPUS = Path(os.environ.get("VEILCAST_CORPUS") or "/nonexistent")
JUDGE = CORPUS.parent / "tools" / "leakmeter.py"
FACES = ("corridor-three", "head-turns", "store", "bikes")
NO_FACES = ("animation-no-face",)

MAX_LEAK_RATE = 0.003
MAX_LONGEST_LEAK = 3
MAX_OVER_MASKED = {True: 0.02, False: 0.01}
"""With faces in the clip, and without."""

pytestmark = [
    pytest.mark.corpus,
    pytest.mark.slow,
    pytest.mark.timeout(900),
    pytest.mark.skipif(
        not (JUDGE.is_file() and any(CORPUS.glob("*.json"))),
        reason="VEILCAST_CORPUS does not point to a directory of labelled clips with the judge in ../tools",
    ),
]


@dataclass(frozen=True)
class Score:
    """What the judge says of one clip."""

    face_frames: int
    leaks: int
    longest: int
    over_masked: float
    missing: int
    extra: int
    blanket: float


@cache
def score(name: str) -> Score:
    source = next(path for path in sorted(CORPUS.glob(f"{name}.*")) if path.suffix != ".json")
    with TemporaryDirectory() as directory:
        target = Path(directory, "out.mp4")
        report = anonymize_file(source, target)
        judged = subprocess.run(
            [sys.executable, str(JUDGE), str(source), str(target), str(CORPUS / f"{name}.json"), "--json"],
            capture_output=True,
            check=True,
        )
    said = json.loads(judged.stdout)
    return Score(
        said["face_frames"],
        said["leaks"],
        said["longest_leak_frames"],
        said["over_masked"],
        said["frames_missing_in_output"],
        said["frames_extra_in_output"],
        report.seconds.blanket,
    )


def test_hardly_a_face_leaks() -> None:
    scores = [score(name) for name in FACES]
    judged = sum(s.face_frames for s in scores)
    assert judged > 100
    assert sum(s.leaks for s in scores) <= MAX_LEAK_RATE * judged


@pytest.mark.parametrize("name", [*FACES, *NO_FACES])
def test_every_clip(name: str) -> None:
    found = score(name)
    assert (found.missing, found.extra, found.blanket) == (0, 0, 0)
    assert found.longest <= MAX_LONGEST_LEAK
    assert found.over_masked <= MAX_OVER_MASKED[name in FACES]
