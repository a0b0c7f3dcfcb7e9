"""The masker hides what it is told to hide, in every pixel format, and nothing else."""

from __future__ import annotations

import io

import av
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.config import ZoneConfig
from core.frame import BLANKET, Cover, Frame, Region, Verdict
from core.geometry import Box
from core.paint.masker import Masker
from core.pictures.orientation import Orientation
from core.pictures.planes import FORMATS, UnsupportedPictureError, planes
from tests.rigs.painting import (
    BAD,
    FACE,
    STYLES,
    astronaut,
    boxes,
    checkered,
    copies,
    is_raw,
    mask_config,
    settled,
    touched,
)


def _visible_share(original: npt.NDArray[np.int64], masked: npt.NDArray[np.int64], face: Box) -> float:
    """Share of a face's fine detail, block by block inside its ellipse, that still follows the original."""
    side = max(face.width, face.height)
    rows, columns = slice(round(face.y0), round(face.y1)), slice(round(face.x0), round(face.x1))

    def detail(luma: npt.NDArray[np.int64]) -> npt.NDArray[np.float32]:
        part = luma[rows, columns].astype(np.float32)
        return np.asarray(part - cv2.GaussianBlur(part, (0, 0), max(1.0, side / 16)), np.float32)

    a, b = detail(original), detail(masked)
    block = max(3, int(side / 7) | 1)

    def mean(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
        return np.asarray(cv2.blur(values, (block, block))[block // 2 :: block, block // 2 :: block], np.float32)

    energy, left, common = mean(a * a), mean(b * b), mean(a * b)
    visible = (common > 0.5 * np.sqrt(energy * left + 1e-3)) & (common > 0.3 * energy)
    v, u = (np.arange(n) / (n - 1) * 2 - 1 for n in energy.shape)
    inside = v[:, None] ** 2 + u[None, :] ** 2 <= 1
    return float(energy[inside & visible].sum() / energy[inside].sum())


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv420p10le", "nv12"])
@pytest.mark.parametrize("scale", [0.2, 0.5, 1.0, 3.0])
def test_no_detail_of_a_real_face_is_left(style: str, pixel_format: str, scale: float) -> None:
    frame = astronaut(pixel_format, scale)
    face = FACE.scaled(scale, scale)
    before = copies(frame)[0]
    assert _visible_share(before, before, face) > 0.99
    after = copies(Masker(mask_config(style=style)).mask(frame, settled(face.grown(1.35))))[0]
    assert _visible_share(before, after, face) < 0.1


@pytest.mark.parametrize("shape", ["ellipse", "box"])
@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_the_whole_shape_is_opaque_and_far_outside_nothing_changes(pixel_format: str, style: str, shape: str) -> None:
    frame = checkered(pixel_format, (101, 75))
    before = copies(frame)
    box = Box(20.3, 15.8, 61.1, 50.2)
    options = mask_config(style=style, shape=shape, color=(128, 128, 128))
    Masker(options).mask(frame, settled(box))
    for plane, old in zip(planes(frame.video), before, strict=True):
        assert not (is_raw(plane) & touched(plane, box, shape)).any()
        # The rim, the margin of a sample, and the rounding up to a stored size.
        far = ~touched(plane, box.grown(1 + 2 * options.soft_edge + 0.1, 8), "box")
        assert (plane.array[far] == old[far]).all()
        assert far.any()


@pytest.mark.parametrize("soft_edge", [0.0, 0.1, 0.5])
def test_the_edge_fades_outside_the_shape_only(soft_edge: float) -> None:
    frame = checkered("gray", (400, 400))
    box = Box(100, 100, 300, 300)
    Masker(mask_config(soft_edge=soft_edge, style="solid", color=(255, 255, 255))).mask(frame, settled(box))
    row = planes(frame.video)[0].array[200].astype(int)
    darkest = np.minimum(row[0::2], row[1::2])  # the black half of the board, as far as it is covered
    assert (darkest[50:150] == 255).all()
    rim = 100 + soft_edge * 200
    fading = np.flatnonzero((darkest > 0) & (darkest < 255)) * 2
    assert fading.size == 0 if soft_edge == 0 else abs(np.abs(fading - 200).max() - rim) < 12
    assert (np.diff(darkest[150:]) <= 0).all()


@pytest.mark.parametrize("style", ["blur", "mosaic"])
@pytest.mark.parametrize("cells", [1, 2, 6])
def test_a_region_holds_no_more_than_cells_by_cells_averages(style: str, cells: int) -> None:
    noise = np.random.default_rng(3).integers(0, 256, (300, 300), dtype=np.uint8)
    other = noise.copy()
    tile = 240 // cells  # shuffling samples within a tile leaves its average, and so the result, as it was
    masker = Masker(mask_config(style=style, cells=cells, shape="box", soft_edge=0))
    box = Box(31.5, 31.5, 268.5, 268.5)
    video = av.VideoFrame.from_ndarray(noise, format="gray")
    after = copies(masker.mask(Frame(0, video, 0.0), settled(box)))[0]
    changed = np.flatnonzero((after != noise).any(axis=0))
    start, stop = int(changed[0]), int(changed[-1]) + 1
    tile = (stop - start) // cells
    for row in range(cells):
        for column in range(cells):
            y, x = start + row * tile, start + column * tile
            other[y : y + tile, x : x + tile] = other[y : y + tile, x : x + tile][::-1, ::-1]
    assert (other != noise).any()
    again = copies(masker.mask(Frame(0, av.VideoFrame.from_ndarray(other, format="gray"), 0.0), settled(box)))[0]
    inside = slice(start + 2, stop - 2)
    assert np.abs(after[inside, inside].astype(int) - again[inside, inside]).max() <= 1
    if style == "mosaic":
        assert len(np.unique(after[inside, inside])) <= cells * cells


@pytest.mark.parametrize("cover", [Cover.SETTLED, Cover.HELD])
@pytest.mark.parametrize("bad", BAD, ids=str)
def test_an_invalid_box_covers_the_whole_frame(bad: Box, cover: Cover) -> None:
    frame = checkered()
    verdict = Verdict(cover, (Region(Box(10, 10, 20, 20)), Region(bad)), 0.25)
    masked = Masker(mask_config()).mask(frame, verdict)
    assert masked.cover is Cover.BLANKET
    assert masked.mask_age == 0.25
    assert not any(is_raw(plane).any() for plane in planes(masked.video))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("size", [(64, 48), (65, 33), (640, 360)])
def test_blanket_leaves_a_handful_of_averages(pixel_format: str, style: str, size: tuple[int, int]) -> None:
    frame = checkered(pixel_format, size)
    masked = Masker(mask_config(style=style, color=(128, 128, 128), cells=6)).mask(frame, BLANKET)
    assert masked.cover is Cover.BLANKET
    for plane in planes(masked.video):
        assert not is_raw(plane).any()


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_blanket_of_a_photograph_is_36_tiles_at_most(pixel_format: str) -> None:
    frame = astronaut(pixel_format, 0.25)
    Masker(mask_config(style="mosaic", cells=6)).mask(frame, BLANKET)
    for plane in planes(frame.video):
        samples = plane.array.reshape(-1, len(plane.channels))
        assert 1 < len(np.unique(samples, axis=0)) <= 36


def test_a_frame_without_regions_and_zones_is_left_alone() -> None:
    frame = checkered()
    before = copies(frame)
    masked = Masker(mask_config()).mask(frame, settled())
    assert masked.cover is Cover.SETTLED
    assert masked.faces == 0
    assert all((a == b).all() for a, b in zip(before, copies(masked), strict=True))


@pytest.mark.parametrize("style", STYLES)
@pytest.mark.parametrize("cover", Cover)
@pytest.mark.parametrize("boxes", [(), (Box(40, 30, 50, 40),), (Box(500, 500, 600, 600),)])
def test_zones_are_covered_on_every_frame(style: str, cover: Cover, boxes: tuple[Box, ...]) -> None:
    zone = ZoneConfig(points=((0, 0), (0.5, 0), (0.5, 0.5), (0, 0.5)))
    masker = Masker(mask_config(style=style, color=(128, 128, 128)), [zone])
    for _ in range(2):  # drawn, and remembered
        frame = checkered()
        masked = masker.mask(frame, Verdict(cover, tuple(map(Region, boxes))))
        assert masked.faces == len(boxes)
        for plane in planes(frame.video):
            height, width = plane.array.shape[:2]
            assert not is_raw(plane)[: height // 2, : width // 2].any()
            if cover is not Cover.BLANKET:
                assert is_raw(plane)[height // 2 + 2 :, : width // 2].all()


@pytest.mark.parametrize("order", [1, -1])
@pytest.mark.parametrize("style", STYLES)
def test_where_regions_overlap_the_largest_shows_and_no_detail_comes_back(style: str, order: int) -> None:
    whole, eye = FACE.grown(1.3), Box(200, 100, 225, 125)
    masker = Masker(mask_config(style=style))
    alone = copies(masker.mask(astronaut(), settled(whole)))
    both = copies(masker.mask(astronaut(), settled(*(whole, eye)[::order])))
    twice = copies(masker.mask(astronaut(), settled(whole, whole)))
    views = planes(astronaut().video)
    for plane, a, b, c in zip(views, alone, both, twice, strict=True):
        inside = touched(plane, whole, "ellipse")
        assert (a[inside] == b[inside]).all()
        assert (a[inside] == c[inside]).all()


def test_averages_are_taken_before_anything_is_painted() -> None:
    left, right = Box(100, 50, 200, 150), Box(150, 50, 290, 190)
    masker = Masker(mask_config(style="blur", shape="box", soft_edge=0))
    alone = copies(masker.mask(astronaut(), settled(right)))[0]
    both = copies(masker.mask(astronaut(), settled(left, right)))[0]
    assert (alone[50:190, 150:290] == both[50:190, 150:290]).all()
    assert (alone[60:140, 110:140] != both[60:140, 110:140]).any()


@pytest.mark.parametrize("turn", [0, 90, 180, 270])
@pytest.mark.parametrize("flip", [False, True])
def test_regions_and_zones_are_placed_in_the_upright_picture(turn: int, flip: bool) -> None:
    frame = checkered("gray", (120, 80))
    orientation = Orientation(turn, flip)
    frame = Frame(0, frame.video, 0.0, orientation)
    zone = ZoneConfig(points=((50, 5), (70, 5), (70, 15), (50, 15)), unit="pixels")
    Masker(mask_config(shape="box", soft_edge=0), [zone]).mask(frame, settled(Box(10, 20, 30, 50)))
    plane = planes(frame.video)[0]
    raw = orientation.upright(is_raw(plane).astype(np.uint8))
    assert raw.shape == frame.upright_size[::-1]
    assert not raw[20:50, 10:30].any()
    assert not raw[5:15, 50:70].any()
    raw[16:54, 6:34] = 1
    raw[1:19, 46:74] = 1
    assert raw.all()


@pytest.mark.parametrize("pixel_format", FORMATS)
@pytest.mark.parametrize("color", [(0, 0, 0), (255, 255, 255), (220, 40, 30), (10, 60, 200)])
def test_solid_is_the_colour_that_was_asked_for(pixel_format: str, color: tuple[int, int, int]) -> None:
    frame = astronaut(pixel_format)
    Masker(mask_config(style="solid", color=color)).mask(frame, settled(FACE))
    seen = frame.video.reformat(format="rgb24").to_ndarray()[100:150, 200:250].reshape(-1, 3).mean(axis=0)
    if pixel_format.startswith("gray"):
        expected = np.full(3, np.dot(color, (0.299, 0.587, 0.114)))
    else:
        expected = np.array(color, float)
    assert np.abs(seen - expected).max() < 4


@pytest.mark.parametrize("pixel_format", ["yuv420p10le", "yuv444p12le", "gray10le"])
def test_deep_pictures_keep_their_precision(pixel_format: str) -> None:
    frame = astronaut(pixel_format)
    for plane in planes(frame.video):
        plane.array[...] = np.linspace(0, plane.max_value, plane.array.shape[1]).astype(np.uint16)
    Masker(mask_config(style="blur")).mask(frame, settled(Box(50, 50, 450, 450)))
    for plane in planes(frame.video):
        row = plane.array[plane.array.shape[0] // 2].astype(int)
        assert len(np.unique(row[row.size // 4 : -row.size // 4] % 4)) == 4
        assert row.max() <= plane.max_value


def test_an_outline_is_drawn_around_regions_when_asked_for() -> None:
    for shape in ("ellipse", "box"):
        plain, lined = (astronaut(), astronaut())
        Masker(mask_config(shape=shape)).mask(plain, settled(FACE))
        Masker(mask_config(shape=shape, outline=True)).mask(lined, settled(FACE))
        changed = copies(plain)[0] != copies(lined)[0]
        assert changed[round(FACE.center[1]), round(FACE.x0)]
        assert not changed[round(FACE.center[1]), round(FACE.center[0])]
        assert (copies(lined)[0][changed] == 255).all()


@pytest.mark.parametrize("verdict", [BLANKET, settled(Box(0, 0, 9, 9))])
def test_what_cannot_be_painted_raises_and_is_never_returned(verdict: Verdict) -> None:
    with pytest.raises(UnsupportedPictureError, match="rgba"):
        Masker(mask_config()).mask(Frame(0, av.VideoFrame(64, 48, "rgba"), 0.0), verdict)


def test_painting_does_not_reach_the_decoders_references() -> None:
    clip = io.BytesIO()
    with av.open(clip, "w", format="matroska") as out:
        stream = out.add_stream("libx264", rate=25, options={"preset": "ultrafast", "g": "100"})
        stream.width = stream.height = 512
        for i in range(8):
            video = astronaut().video
            video.pts = i
            out.mux(stream.encode(video))
        out.mux(stream.encode(None))
    masker = Masker(mask_config())
    outside = []
    for masking in (False, True):
        clip.seek(0)
        with av.open(clip, "r") as source:
            source.streams.video[0].codec_context.thread_count = 1
            for i, video in enumerate(source.decode(video=0)):
                if masking and i < 7:
                    masker.mask(Frame(i, video, 0.0), BLANKET)
        outside.append(copies(Frame(7, video, 0.0)))
    assert all((a == b).all() for a, b in zip(*outside, strict=True))


def test_a_region_at_the_edge_gets_only_its_share_of_averages() -> None:
    masker = Masker(mask_config(style="mosaic", cells=6, shape="box", soft_edge=0))
    frame = astronaut("gray")
    masker.mask(frame, settled(Box(-300, 100, 60, 460)))
    assert len(np.unique(copies(frame)[0][104:456, :58], axis=1)[0]) <= 2


@pytest.mark.parametrize("style", ["blur", "mosaic"])
@pytest.mark.parametrize(("box", "soft_edge"), [(Box(63.5, 47.5, 66, 50), 0.1), (Box(63.9, 47.9, 65.5, 49.5), 0)])
def test_a_corner_of_a_few_samples_is_not_its_own_average(style: str, box: Box, soft_edge: float) -> None:
    picture = np.zeros((48, 64), np.uint8)
    picture[-2:, -2:] = 255
    frame = Frame(0, av.VideoFrame.from_ndarray(picture, format="gray"), 0.0)
    Masker(mask_config(style=style, soft_edge=soft_edge)).mask(frame, settled(box))
    assert planes(frame.video)[0].array[-1, -1] < 160


@settings(max_examples=300, deadline=None)
@example([Box(63.9, 47.9, 64.5, 48.5)], "yuv420p", "ellipse", "blur", 0.0, False)  # one sample at the corner
@example([Box(-1e6, -1e6, 1e6, 1e6)], "nv12", "ellipse", "mosaic", 0.5, True)
@example([Box(-1e6, 20.2, 1e6, 20.3)], "yuv444p10le", "ellipse", "blur", 0.1, True)
@given(
    st.lists(boxes, min_size=1, max_size=4),
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(["ellipse", "box"]),
    st.sampled_from(STYLES),
    st.sampled_from([0.0, 0.1, 0.5]),
    st.booleans(),
)
def test_any_boxes_never_raise_and_never_stay_raw(
    boxes: list[Box], pixel_format: str, shape: str, style: str, soft_edge: float, outline: bool
) -> None:
    options = mask_config(shape=shape, style=style, soft_edge=soft_edge, outline=outline, color=(128, 128, 128))
    frame = checkered(pixel_format)
    masked = Masker(options).mask(frame, settled(*boxes))
    for plane in planes(masked.video):
        raw = is_raw(plane)
        if masked.cover is Cover.BLANKET:
            assert not raw.any()
        elif not (outline and plane.kind != "chroma"):
            for box in boxes:
                assert not (raw & touched(plane, box, shape)).any()
    unsound = any(not box.is_valid() for box in boxes)
    assert (masked.cover is Cover.BLANKET) >= unsound
