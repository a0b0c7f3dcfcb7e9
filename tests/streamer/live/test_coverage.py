"""How much of labelled and known faces is visible in a published live stream; and tests of the measurement."""

from __future__ import annotations

import os
from pathlib import Path

import cv2
import numpy as np
import pytest

from tests.rigs.camera.coded_clip import coded_clip
from tests.rigs.camera.frame_code import read
from tests.rigs.camera.recorder import Recorder
from tests.rigs.camera.rtsp_camera import RtspCamera
from tests.rigs.faces import carphone
from tests.rigs.leaks import leaks
from tests.rigs.live.live_coverage import compare, whole_passes
from tests.rigs.live.veilcast_process import Veilcast

CORPUS = Path(os.environ.get("VEILCAST_CORPUS") or "/nonexistent")
JUDGE = CORPUS.parent / "tools" / "leakmeter.py"


def test_passes_are_told_apart_and_matched_by_number() -> None:
    numbers = [3, 0, 1, 2, 3, 0, 1, 2, 3, 0]
    assert whole_passes(numbers, 4) == [{0: 1, 1: 2, 2: 3, 3: 4}, {0: 5, 1: 6, 2: 7, 3: 8}]
    assert whole_passes([], 4) == whole_passes([None], 4) == whole_passes([1, 2], 4) == []


def test_pictures_that_never_came_are_left_out() -> None:
    assert whole_passes([0, 1, 3, 1, 2, 3], 4) == [{0: 0, 1: 1, 3: 2}, {1: 3, 2: 4, 3: 5}]
    assert whole_passes([0, 1, 1, 2, 3], 4) == [{0: 0, 1: 1, 2: 3, 3: 4}], "one came twice"


def test_wholly_masked_pictures_fill_the_gaps() -> None:
    assert whole_passes([0, None, None, 3], 4) == [{0: 0, 1: 1, 2: 2, 3: 3}]
    assert whole_passes([0, None, 3], 4) == [{0: 0, 2: 1, 3: 2}], "one of the two never came"
    assert whole_passes([0, None, 1, 2, 3], 4) == [{0: 0, 1: 2, 2: 3, 3: 4}], "no room: one too many"
    assert whole_passes([3, None, None, 2, 3], 4) == [{0: 1, 1: 2, 2: 3, 3: 4}], "across the end of the clip"


@pytest.mark.slow
def test_a_known_face_is_masked_in_what_a_client_receives(tmp_path: Path) -> None:
    clip = carphone()
    height, width = clip.pictures[0].shape[:2]
    coded = tmp_path / "coded.mp4"
    # Back and forth, for no camera jumps; the scenes of recorded files are cut, and judged, elsewhere.
    order = [*range(len(clip.pictures)), *range(len(clip.pictures) - 2, 0, -1)]
    coded_clip([clip.pictures[i] for i in order], coded, (width, height), 25)
    with RtspCamera(coded) as camera, Veilcast(camera.url, log=tmp_path / "veilcast.log") as veilcast:
        veilcast.until_settled()
        with Recorder(veilcast.url(), tmp_path) as recorder:
            recorder.wait_for_data()
            before = veilcast.told().frames_in
            veilcast.until(lambda told: told.frames_in >= before + 2 * len(order))
    received = list(recorder.frames())
    passes = whole_passes([frame.number for frame in received], len(order))
    assert passes
    judged = leaking = 0
    for places in passes:
        numbers = [n for n in places if received[places[n]].number is not None]
        judged += len(numbers)
        before_, after = (
            [np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8) for picture in pictures]
            for pictures in ([clip.pictures[order[n]] for n in numbers], [received[places[n]].bgr for n in numbers])
        )
        assert all(read(received[places[n]].bgr) == n for n in numbers)
        leaking += len(leaks(before_, after, [clip.faces[order[n]] for n in numbers]))
    assert judged >= len(order) // 2
    assert leaking == 0


@pytest.mark.corpus
@pytest.mark.slow
@pytest.mark.skipif(not JUDGE.is_file(), reason="VEILCAST_CORPUS does not point to labelled clips with the judge")
@pytest.mark.parametrize("name", ["head-turns"])
def test_a_labelled_clip_leaks_no_more_than_as_a_file(name: str) -> None:
    clip = next(path for path in sorted(CORPUS.glob(f"{name}.*")) if path.suffix != ".json")
    found = compare(clip, CORPUS / f"{name}.json", JUDGE)
    assert found.live.face_frames + 8 * found.live.skipped >= 0.9 * found.file.face_frames > 50
    assert found.live.leaks <= found.file.leaks + 2, found
