"""The veil is a function of what is visible: proven by swapping what lies under the masks, and comparing every bit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import av
import cv2
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from core.config import MaskConfig, ZoneConfig
from core.frame import BLANKET, Cover, Frame, Region, Verdict
from core.geometry import Box
from core.paint.masker import Masker
from core.paint.styles import Alpha, Span
from core.paint.veil import NODES, veil
from core.pictures.orientation import Orientation
from core.pictures.planes import FORMATS, Plane, Samples, planes
from tests.rigs.painting import FACE, astronaut, copies, mask_config, settled

SIZES = ((96, 72), (101, 75), (41, 40))
ZONES = (ZoneConfig(points=((0, 0), (0.4, 0.1), (0.2, 0.5))), ZoneConfig(points=((0.7, 0.6), (1, 0.6), (0.9, 1))))


@dataclass(frozen=True)
class Scene:
    """What is masked over several frames, and how."""

    pixels: str
    size: tuple[int, int]
    verdicts: tuple[Verdict, ...]
    config: MaskConfig
    zones: tuple[ZoneConfig, ...]
    orientation: Orientation
    step: float
    """Seconds from frame to frame."""

    def videos(self) -> list[av.VideoFrame]:
        """Noise, so that every sample counts."""
        return [noise(1 + index, self.pixels, self.size) for index in range(len(self.verdicts))]

    def painted(self, videos: Sequence[av.VideoFrame]) -> list[Samples]:
        """All planes of all frames after one masker has painted them in turn."""
        masker, out = Masker(self.config, self.zones), list[Samples]()
        for index, (video, verdict) in enumerate(zip(videos, self.verdicts, strict=True)):
            masked = masker.mask(Frame(index, video, index * self.step, self.orientation), verdict)
            out += [plane.array.copy() for plane in planes(masked.video)]
        return out


def noise(seed: int, pixels: str, size: tuple[int, int]) -> av.VideoFrame:
    video = av.VideoFrame(*size, pixels)
    random = np.random.default_rng(seed)
    for plane in planes(video):
        plane.array[...] = random.integers(0, plane.max_value + 1, plane.array.shape)
    return video


def hidden(scene: Scene, *, faintly: bool) -> list[Samples]:
    """For every plane of every frame, nonzero where a mask covers a sample: fully, or with `faintly` at all."""
    videos = [av.VideoFrame(*scene.size, scene.pixels) for _ in scene.verdicts]
    for video in videos:
        for plane in planes(video):
            plane.array[...] = 0

    def mark(target: Samples, _painted: Samples, alpha: Alpha, _spare: Samples) -> None:
        target[(alpha.cover > 0) if faintly else (alpha.rest == 0)] = 1

    everywhere = [verdict.cover is Cover.BLANKET for verdict in scene.verdicts for _ in planes(videos[0])]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("core.paint.masker.blend", mark)
        patch.setattr("core.paint.masker._draw_outline", lambda *_: None)
        marked = scene.painted(videos)
    return [np.ones_like(m) if whole else m for m, whole in zip(marked, everywhere, strict=True)]


def swapped(scene: Scene, under: Sequence[Samples], how: str) -> list[av.VideoFrame]:
    """The same frames with something else under the masks: other noise, the negative, black, or a face."""
    out, marks = scene.videos(), iter(under)
    for index, video in enumerate(out):
        other = noise(1000 + index, scene.pixels, scene.size)
        if how == "face":
            photo = np.asarray(cv2.resize(astronaut("rgb24").video.to_ndarray()[60:190, 175:280], scene.size), np.uint8)
            other = av.VideoFrame.from_ndarray(photo, "rgb24").reformat(format=scene.pixels)
        for plane, new in zip(planes(video), planes(other), strict=True):
            where = next(marks) > 0
            values = {"noise": new.array, "face": new.array, "negative": plane.max_value - plane.array}
            plane.array[where] = values.get(how, np.zeros_like(plane.array))[where]
    return out


boxes = st.builds(
    lambda x, y, w, h: Box(x, y, x + w, y + h),
    st.floats(-20, 90),
    st.floats(-20, 70),
    st.floats(4, 80),
    st.floats(4, 60),
) | st.sampled_from([Box(-50, -50, 200, 200), Box(90, 60, 96, 72), Box(-3, 20, 2, 30)])
regions = st.lists(st.builds(Region, boxes, st.integers(-1, 2)), min_size=1, max_size=4).map(tuple)
verdicts = st.builds(Verdict, st.sampled_from([Cover.SETTLED, Cover.HELD]), regions) | st.just(BLANKET)
scenes = st.builds(
    Scene,
    st.sampled_from(sorted(FORMATS)),
    st.sampled_from(SIZES),
    st.lists(verdicts, min_size=1, max_size=6).map(tuple),
    st.builds(
        MaskConfig,
        shape=st.sampled_from(["ellipse", "box"]),
        soft_edge=st.sampled_from([0.0, 0.1, 0.5]),
        refresh=st.sampled_from([0.0, 0.5, 1.0]),
        outline=st.booleans(),
    ),
    st.sampled_from([(), ZONES[:1], ZONES]),
    st.builds(Orientation, st.sampled_from([0, 90, 180, 270]), st.booleans()),
    st.sampled_from([0.04, 0.4, 1.3]),
)
WAYS = ("noise", "negative", "black", "face")

MOVED = tuple(Verdict(Cover.SETTLED, (Region(Box(20 + 3 * i, 15, 50 + 3 * i, 50), 1),)) for i in range(5))
"""A face that moves: what is visible in one frame was hidden in the one before."""


def scene_of(pixels: str, shown: tuple[Verdict, ...] = MOVED, **options: object) -> Scene:
    return Scene(pixels, (96, 72), shown, mask_config(**options), (), Orientation(0), 0.4)


def test_the_veil_is_what_masks_are_by_default() -> None:
    assert MaskConfig().style == "veil"


@pytest.mark.slow
@settings(max_examples=250, deadline=None)
@given(scenes, st.sampled_from(WAYS))
@example(scene_of("yuv420p"), "negative")
@example(scene_of("nv12", soft_edge=0.5), "negative")
@example(scene_of("p010le", refresh=0.0), "noise")
def test_what_lies_under_the_masks_changes_nothing(scene: Scene, how: str) -> None:
    under = hidden(scene, faintly=False)
    first = scene.painted(scene.videos())
    second = scene.painted(swapped(scene, under, how))
    for a, b in zip(first, second, strict=True):
        assert np.array_equal(a, b)


@pytest.mark.parametrize("pixels", FORMATS)
@pytest.mark.parametrize("how", WAYS)
def test_in_every_pixel_format(pixels: str, how: str) -> None:
    scene = scene_of(pixels)
    under = hidden(scene, faintly=False)
    videos = swapped(scene, under, how)
    for plane, mark, raw in zip(
        (plane for video in videos for plane in planes(video)),
        under,
        (plane for video in scene.videos() for plane in planes(video)),
        strict=True,
    ):
        assert mark.any() and not np.array_equal(plane.array, raw.array), "nothing was swapped"
    first, second = scene.painted(scene.videos()), scene.painted(videos)
    assert all(np.array_equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(scenes)
def test_a_soft_edge_shows_a_part_of_its_own_sample_and_no_other(scene: Scene) -> None:
    """Swapping samples under the rim changes those samples at most: the fill never reads them."""
    faint, full = hidden(scene, faintly=True), hidden(scene, faintly=False)
    rim = [np.asarray((a > 0) & (b == 0), a.dtype) for a, b in zip(faint, full, strict=True)]
    first = scene.painted(scene.videos())
    second = scene.painted(swapped(scene, rim, "negative"))
    for a, b, edge in zip(first, second, rim, strict=True):
        assert np.array_equal(a[edge == 0], b[edge == 0])


@pytest.mark.parametrize("style", ["blur", "mosaic"])
def test_averages_do_not_pass(style: str) -> None:
    """The test above can see what styles that read under the mask give away."""
    scene = scene_of("yuv420p", style=style)
    changed = scene.painted(swapped(scene, hidden(scene, faintly=False), "black"))
    assert not all(np.array_equal(a, b) for a, b in zip(scene.painted(scene.videos()), changed, strict=True))


@pytest.mark.parametrize("pixels", FORMATS)
def test_a_blanket_frame_is_the_same_grey_whatever_the_picture(pixels: str) -> None:
    shown = []
    for seed in (1, 2):
        masked = Masker(mask_config(), ZONES).mask(Frame(0, noise(seed, pixels, (101, 75)), 0.0), BLANKET)
        shown.append(masked)
    for one, two in zip(*(planes(masked.video) for masked in shown), strict=True):
        assert np.array_equal(one.array, two.array)
        assert (one.array >> one.depth_shift == 128).all()
    assert np.abs(shown[0].to_bgr().astype(int) - 128).max() <= 3


@pytest.mark.parametrize("pixels", FORMATS)
def test_without_anything_visible_near_by_it_is_neutral_grey(pixels: str) -> None:
    frame = astronaut(pixels)
    everything = Box(-600, -600, 1200, 1200)
    for plane in planes(Masker(mask_config()).mask(frame, settled(everything)).video):
        assert (plane.array >> plane.depth_shift == 128).all()


def plane_of(array: Samples) -> Plane:
    return Plane(array, 0, 0, "luma", 255, "y")


def test_its_colours_are_those_of_the_side_they_are_on() -> None:
    array = np.full((200, 200), 40, np.uint8)
    array[:, 100:] = 200
    window = Span(60, 60, 140, 140)
    grid = veil(plane_of(array), window, [window], (NODES, NODES)).astype(int)
    assert (np.diff(grid, axis=1) > 0).all() and 40 <= grid.min() < 90 and 150 < grid.max() <= 200
    flat = np.full((200, 200), 77, np.uint8)
    assert (veil(plane_of(flat), window, [window], (NODES, NODES)) == 77).all()


def test_in_a_crowd_it_looks_further_away() -> None:
    array = np.full((400, 400), 90, np.uint8)
    window = Span(180, 180, 220, 220)
    crowd = [window, Span(100, 100, 300, 300)]
    assert (veil(plane_of(array), window, crowd, (NODES, NODES)) == 90).all()


def test_a_face_that_moves_takes_on_new_surroundings_without_a_jump() -> None:
    """Dark on the left, bright on the right: the fill follows in steps that are smaller than the whole."""
    masker, levels = Masker(mask_config()), []
    for index in range(60):
        picture = np.full((240, 640), 30, np.uint8)
        picture[:, 320:] = 220
        box = Box(40 + 8 * index, 80, 100 + 8 * index, 150)
        frame = Frame(index, av.VideoFrame.from_ndarray(picture, "gray"), index / 25)
        masked = masker.mask(frame, Verdict(Cover.SETTLED, (Region(box, 3),)))
        x, y = box.center
        levels.append(int(planes(masked.video)[0].array[round(y), round(x)]))
    assert levels[0] < 40 and levels[-1] > 200
    assert np.diff(levels).min() >= 0 and np.diff(levels).max() <= (220 - 30) / 3 + 1


def test_a_real_face_is_gone_and_what_replaces_it_is_smooth() -> None:
    frame = astronaut("gray")
    before = copies(frame)[0]
    after = copies(Masker(mask_config()).mask(frame, settled(FACE.grown(1.3))))[0]
    inside = slice(85, 165), slice(195, 260)
    assert np.abs(before[inside] - after[inside]).mean() > 20
    assert max(np.abs(np.diff(after[inside], axis=axis)).max() for axis in (0, 1)) <= 4
