"""`cover: head` hides more than `cover: face`, and never less; what is recorded is what is painted."""

from __future__ import annotations

import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.anonymizer import Anonymizer
from core.config import EngineConfig, MaskConfig
from core.detect.detection import Detection
from core.detect.detector_thread import Sample, SampleVerdict
from core.engine import Engine
from core.frame import Cover, Frame, Origin, Region, Verdict
from core.geometry import Box
from core.masked_frame import MaskedFrame
from core.paint.head import extended
from core.paint.masker import Masker
from core.pictures.planes import BgrImage
from tests.rigs.painting import BAD, FACE, astronaut, checkered, mask_config, settled

HEAD = mask_config(cover="head")
FACE_REGION = Region(Box(100, 100, 230, 230), 4, "face", 0.5, Origin.CARRIED)


def test_faces_are_left_as_they_are_by_default() -> None:
    verdict = Verdict(Cover.HELD, (FACE_REGION,), 0.1)
    assert extended(verdict, MaskConfig()) is verdict


def test_a_head_is_larger_and_reaches_further_up_than_down() -> None:
    verdict = extended(Verdict(Cover.HELD, (FACE_REGION,), 0.1), HEAD)
    (region,) = verdict.regions
    face, head = FACE_REGION.box, region.box
    assert (verdict.cover, verdict.mask_age) == (Cover.HELD, 0.1)
    assert (region.track, region.label, region.score, region.origin) == (4, "face", 0.5, Origin.CARRIED)
    assert head.width == pytest.approx(160) and head.height == pytest.approx(160)  # 1.6 times what 1.3 gave
    assert head.center[0] == face.center[0]
    assert face.y0 - head.y0 > head.y1 - face.y1 >= 0


def test_only_faces_have_heads() -> None:
    plate = Region(Box(10, 10, 60, 20), label="plate")
    assert extended(Verdict(Cover.SETTLED, (plate, FACE_REGION)), HEAD).regions[0] is plate


@pytest.mark.parametrize("bad", BAD, ids=str)
def test_an_invalid_box_still_covers_the_whole_frame(bad: Box) -> None:
    frame = checkered()
    verdict = extended(Verdict(Cover.SETTLED, (Region(Box(10, 10, 20, 20)), Region(bad))), HEAD)
    assert Masker(HEAD).mask(frame, verdict).cover is Cover.BLANKET


@given(st.floats(-300, 300), st.floats(-300, 300), st.floats(0.5, 400), st.floats(0.5, 400))
def test_a_head_holds_the_ellipse_of_its_face(x: float, y: float, width: float, height: float) -> None:
    face = Box(x, y, x + width, y + height)
    head = extended(settled(face), HEAD).regions[0].box
    for angle in range(0, 360, 10):
        u, v = math.cos(math.radians(angle)), math.sin(math.radians(angle))
        (cx, cy), (hx, hy) = face.center, head.center
        at_x, at_y = cx + u * face.width / 2 - hx, cy + v * face.height / 2 - hy
        assert math.hypot(2 * at_x / head.width, 2 * at_y / head.height) <= 1


class _Finds:
    """Finds the astronaut's face in every picture."""

    name = "finds"

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        return [[Detection(FACE.scaled(p.shape[1] / 512, p.shape[0] / 512), 0.9, "face")] for p in pictures]


def _engine(config: EngineConfig) -> list[MaskedFrame]:
    with Anonymizer(config, _Finds) as engine:
        out = []
        for index in range(6):
            frame = astronaut()
            out += engine.push(Frame(index, frame.video, index / 25))
        return out + engine.flush()


def test_the_engine_paints_heads_and_says_so() -> None:
    plain, large = (_engine(EngineConfig(mask=mask_config(cover=cover))) for cover in ("face", "head"))
    assert len(plain) == len(large) == 6
    for face, head in zip(plain, large, strict=True):
        verdict = extended(Verdict(face.cover, face.regions, face.mask_age), HEAD)
        assert head.regions == verdict.regions and head.regions != face.regions


def test_a_new_setting_holds_from_the_next_frame_on() -> None:
    """As when a live service reads its settings again."""
    engine, sizes = Engine(EngineConfig()), []
    for index in range(2):
        taken = engine.take(Frame(index, astronaut().video, index / 25))
        seen = [Detection(FACE, 0.9, "face")]
        engine.add_verdict(SampleVerdict(Sample(taken.frame, taken.moment, scene_start=not index), seen))
        (masked,) = engine.release(taken.moment.time)
        sizes.append(masked.regions[0].box.width)
        engine.repaint(HEAD, ())
    assert sizes[1] == pytest.approx(sizes[0] * 1.6 / 1.3)
