"""What the masker keeps from frame to frame: averages for a while, places as long as they cover the face."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from core.config import ZoneConfig
from core.frame import BLANKET, Cover, Frame, Region, Verdict
from core.geometry import Box
from core.paint.masker import Masker
from core.pictures.planes import FORMATS, planes
from tests.rigs.painting import FACE, STYLES, astronaut, boxes, checkered, copies, is_raw, mask_config, touched


def _tracked(box: Box, track: int = 7) -> Verdict:
    return Verdict(Cover.SETTLED, (Region(box, track),))


@pytest.mark.parametrize(("refresh", "stays"), [(1.0, True), (0.0, False), (0.5, False)])
def test_a_track_shows_the_same_averages_until_they_are_refreshed(refresh: float, stays: bool) -> None:
    masker = Masker(mask_config(style="blur", refresh=refresh))
    shown = []
    for time, level in ((0.0, 60), (0.6, 180)):
        frame = astronaut()
        planes(frame.video)[0].array[...] = level
        masked = masker.mask(Frame(0, frame.video, time), _tracked(FACE))
        shown.append(int(copies(masked)[0][125, 227]))
    assert shown[0] == 60
    assert shown[1] == (60 if stays else 180)


def test_a_zone_shows_the_same_averages_until_they_are_refreshed() -> None:
    masker = Masker(
        mask_config(style="blur"), [ZoneConfig(points=((0.25, 0.25), (0.75, 0.25), (0.75, 0.75), (0.25, 0.75)))]
    )
    shown = []
    for time, level in ((0.0, 60), (0.5, 180), (1.1, 120)):
        frame = checkered("gray", (320, 240))
        planes(frame.video)[0].array[...] = level
        masked = masker.mask(Frame(0, frame.video, time), Verdict(Cover.SETTLED))
        shown.append(int(copies(masked)[0][120, 160]))
    assert shown == [60, 60, 120]


@pytest.mark.parametrize("style", ["veil", "blur"])
def test_averages_of_one_track_are_not_shown_for_another(style: str) -> None:
    masker = Masker(mask_config(style=style))
    for level, track in ((60, 1), (180, 2)):
        frame = astronaut("gray")
        planes(frame.video)[0].array[...] = level
        masked = masker.mask(frame, _tracked(FACE, track))
        assert copies(masked)[0][125, 227] == level


def test_a_face_that_jitters_is_painted_in_one_place() -> None:
    masker = Masker(mask_config(style="solid", shape="box", soft_edge=0))
    painted = []
    for i, dx in enumerate((0, 1, 0, -1, 1, 0)):
        frame = checkered("gray", (320, 240))
        planes(frame.video)[0].array[...] = 200
        masker.mask(Frame(i, frame.video, i / 25), _tracked(Box(100, 60, 180, 160).moved(dx, 0)))
        painted.append(copies(frame)[0])
    assert all((picture == painted[0]).all() for picture in painted[1:])
    assert (painted[0] == 0).any()


def test_a_large_face_that_moves_a_little_aslant_is_covered_whole() -> None:
    masker = Masker(mask_config(soft_edge=0))
    first = Box(60, 60, 560, 560)
    for index, by in enumerate((0, 24, 48, 40, 20, 44)):
        frame, box = checkered("gray", (720, 720)), first.moved(by, by)
        masker.mask(Frame(index, frame.video, index / 25), _tracked(box))
        plane = planes(frame.video)[0]
        assert not (is_raw(plane) & touched(plane, box, "ellipse")).any()


def test_a_track_that_was_absent_behind_a_blanket_starts_over() -> None:
    masker = Masker(mask_config(style="blur"))
    shown = []
    for time, level, verdict in ((0.0, 60, _tracked(FACE)), (0.1, 90, BLANKET), (0.2, 180, _tracked(FACE))):
        frame = astronaut("gray")
        planes(frame.video)[0].array[...] = level
        shown.append(int(copies(masker.mask(Frame(0, frame.video, time), verdict))[0][125, 227]))
    assert shown == [60, 90, 180]


def test_averages_of_one_pixel_format_are_not_shown_in_another() -> None:
    masker = Masker(mask_config())
    for pixel_format in ("p010le", "yuv420p10le", "rgb24", "bgr24", "yuv420p"):
        frame = astronaut(pixel_format)
        masker.mask(frame, _tracked(FACE))
        alone = astronaut(pixel_format)
        Masker(mask_config()).mask(alone, _tracked(FACE))
        assert all((a == b).all() for a, b in zip(copies(frame), copies(alone), strict=True))


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.filter_too_much])
@given(
    st.lists(st.lists(boxes.filter(Box.is_valid), max_size=3), min_size=2, max_size=6),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(STYLES),
    st.sampled_from([0.0, 0.1]),
)
def test_tracks_that_go_on_for_several_frames_never_stay_raw(
    frames: list[list[Box]], pixel_format: str, style: str, soft_edge: float
) -> None:
    masker = Masker(mask_config(style=style, soft_edge=soft_edge, color=(128, 128, 128)))
    for index, wanted in enumerate(frames):
        frame = Frame(index, checkered(pixel_format).video, index / 3)
        regions = tuple(Region(box, track % 2) for track, box in enumerate(wanted))
        masked = masker.mask(frame, Verdict(Cover.SETTLED, regions))
        for plane in planes(masked.video):
            raw = is_raw(plane)
            for box in wanted:
                assert not (raw & touched(plane, box, "ellipse")).any()
