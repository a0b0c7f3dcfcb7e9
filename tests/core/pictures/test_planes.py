"""Plane views and small pictures, for every supported pixel format."""

from __future__ import annotations

from fractions import Fraction

import av
import av.filter
import cv2
import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from skimage import data

from core.geometry import Box
from core.pictures.planes import FORMATS, BgrImage, UnsupportedPictureError, crop, luma_thumbnail, planes, shrink

GRAY = ("gray", "gray10le", "gray16le")


def _astronaut(width: int = 512, height: int = 512) -> BgrImage:
    picture = np.ascontiguousarray(data.astronaut()[:, :, ::-1])  # type: ignore[no-untyped-call]
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_AREA), np.uint8)


def _video(picture: BgrImage, pixel_format: str) -> av.VideoFrame:
    # With several threads FFmpeg's conversion to ten bits overwrites rows whose length is no multiple of 16.
    return av.VideoFrame.from_ndarray(picture, format="bgr24").reformat(format=pixel_format, threads=1)


def _reference(picture: BgrImage, pixel_format: str) -> BgrImage:
    if pixel_format not in GRAY:
        return picture
    return np.asarray(cv2.cvtColor(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), cv2.COLOR_GRAY2BGR), np.uint8)


def _difference(a: npt.NDArray[np.uint8], b: npt.NDArray[np.uint8]) -> float:
    return float(np.abs(a.astype(np.int16) - b).mean())


@pytest.mark.parametrize("size", [(64, 48), (65, 33), (1, 1), (1919, 3)])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_views_write_through_and_leave_row_padding_alone(pixel_format: str, size: tuple[int, int]) -> None:
    video = av.VideoFrame(*size, pixel_format)
    for raw in video.planes:
        raw.update(b"\xaa" * raw.buffer_size)
    views = planes(video)
    rng = np.random.default_rng(1)
    for view in views:
        view.array[...] = rng.integers(0, view.max_value + 1, view.array.shape)
    for raw, view in zip(video.planes, views, strict=True):
        rows = np.frombuffer(bytes(raw), np.uint8).reshape(raw.height, raw.line_size)
        used = view.array.itemsize * view.array[0].size
        assert rows[:, :used].tobytes() == view.array.tobytes()
        assert (rows[:, used:] == 0xAA).all()


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_views_are_described_by_their_subsampling(pixel_format: str) -> None:
    video = av.VideoFrame(65, 33, pixel_format)
    for view in planes(video):
        height, width = view.array.shape[:2]
        assert (width, height) == (-(-65 >> view.x_shift), -(-33 >> view.y_shift))
        assert view.array.dtype == (np.uint8 if view.max_value == 255 else np.uint16)
        assert view.max_value >> view.depth_shift == 255
        assert view.kind == {"y": "luma", "u": "chroma", "v": "chroma", "uv": "chroma"}.get(view.channels, "packed")


@pytest.mark.parametrize("pixel_format", FORMATS)
def test_channels_hold_what_they_are_named_for(pixel_format: str) -> None:
    red = np.full((32, 32, 3), (0, 0, 255), np.uint8)
    means: dict[str, float] = {}
    for view in planes(_video(red, pixel_format)):
        scaled = view.array.reshape(-1, len(view.channels)) / (view.max_value / 255)
        means.update(zip(view.channels, scaled.mean(axis=0), strict=True))
    expected = {"y": (50, 100), "u": (70, 110), "v": (220, 256), "r": (250, 256), "g": (0, 5), "b": (0, 5)}
    for channel, mean in means.items():
        low, high = expected[channel]
        assert low <= mean <= high, channel


@pytest.mark.parametrize("pixel_format", ["yuv410p", "rgba", "yuv420p10be", "pal8", "yuv420p16le", "p016le"])
def test_other_formats_are_refused_by_name(pixel_format: str) -> None:
    video = av.VideoFrame(64, 48, pixel_format)
    for look in (planes, luma_thumbnail):
        with pytest.raises(UnsupportedPictureError, match=rf"{pixel_format}.*one of:.*yuv420p,"):
            look(video)
    assert issubclass(UnsupportedPictureError, ValueError)


def test_pictures_stored_bottom_up_are_refused() -> None:
    graph = av.filter.Graph()
    source = graph.add_buffer(width=64, height=48, format=av.VideoFormat("yuv420p"), time_base=Fraction(1, 25))
    flip, sink = graph.add("vflip"), graph.add("buffersink")
    source.link_to(flip)
    flip.link_to(sink)
    graph.configure()
    graph.push(av.VideoFrame(64, 48, "yuv420p"))
    flipped = graph.pull()
    assert isinstance(flipped, av.VideoFrame)
    with pytest.raises(UnsupportedPictureError, match="bottom-up"):
        planes(flipped)


@pytest.mark.parametrize("size", [(256, 256), (100, 76), (97, 75), (512, 512), (700, 640), (512, 64), (1, 1)])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_shrink_is_like_converting_the_whole_and_then_shrinking(pixel_format: str, size: tuple[int, int]) -> None:
    picture = _astronaut()
    small = shrink(_video(picture, pixel_format), *size)
    assert small.shape == (size[1], size[0], 3)
    assert small.dtype == np.uint8
    expected = cv2.resize(_reference(picture, pixel_format), size, interpolation=cv2.INTER_AREA)
    assert _difference(small, np.asarray(expected, np.uint8)) < 5


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "nv12", "rgb24"])
def test_full_and_television_range_look_alike(pixel_format: str) -> None:
    gray = np.tile(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], (32, 1, 3))
    narrow = shrink(_video(gray, pixel_format), 64, 32)
    video = av.VideoFrame.from_ndarray(gray, format="bgr24").reformat(
        format=pixel_format, dst_color_range="JPEG", threads=1
    )
    assert _difference(shrink(video, 64, 32), narrow) < 1.5


@pytest.mark.parametrize("size", [(37, 53), (160, 160)])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_crop_shows_the_part_of_the_picture_it_was_asked_for(pixel_format: str, size: tuple[int, int]) -> None:
    picture = _astronaut()
    shown = crop(_video(picture, pixel_format), Box(150, 50, 310, 210), *size)
    part = _reference(picture, pixel_format)[50:210, 150:310]
    assert _difference(shown, np.asarray(cv2.resize(part, size, interpolation=cv2.INTER_AREA), np.uint8)) < 5


def test_crop_is_black_outside_the_picture() -> None:
    video = _video(np.full((100, 100, 3), 200, np.uint8), "yuv420p")
    shown = crop(video, Box(-50, 60, 50, 160), 200, 200)
    assert (shown[:, :100] == 0).all()
    assert (shown[80:] == 0).all()
    assert (shown[:80, 100:] > 190).all()
    assert (crop(video, Box(200, 200, 300, 300), 8, 8) == 0).all()


def test_an_unsound_crop_or_size_is_refused() -> None:
    video = av.VideoFrame(64, 48, "yuv420p")
    for box in (Box(0, 0, float("nan"), 5), Box(5, 5, 5, 9), Box(9, 0, 1, 5), Box(0, 0, float("inf"), 5)):
        with pytest.raises(ValueError, match="cannot crop"):
            crop(video, box, 32, 32)
    with pytest.raises(ValueError, match="size must be positive"):
        crop(video, Box(0, 0, 9, 9), 0, 32)
    with pytest.raises(ValueError, match="size must be positive"):
        shrink(video, 32, -1)


@settings(max_examples=60, deadline=None)
@example(Box(64.6, 10, 65.6, 20), "yuv420p", 50, 50)  # rounds to nothing at the right edge
@example(Box(10, 48.7, 20, 60), "nv12", 50, 50)
@example(Box(10, 20, 20, 20.00001), "yuv420p", 50, 50)
@given(
    st.tuples(*[st.floats(-300, 300)] * 4).map(lambda c: Box(*c)).filter(Box.is_valid),
    st.sampled_from(["yuv420p", "p010le", "bgr24", "gray"]),
    st.integers(1, 70),
    st.integers(1, 70),
)
def test_crop_takes_any_sound_box(box: Box, pixel_format: str, width: int, height: int) -> None:
    shown = crop(_video(np.full((49, 65, 3), 255, np.uint8), pixel_format), box, width, height)
    assert shown.shape == (height, width, 3)
    if box.clipped(65, 49) == box:
        assert shown.min() > 240


@pytest.mark.parametrize("size", [(1920, 1080), (320, 180), (64, 36), (50, 20)])
@pytest.mark.parametrize("pixel_format", FORMATS)
def test_thumbnail_is_a_small_grey_picture(pixel_format: str, size: tuple[int, int]) -> None:
    picture = np.zeros((size[1], size[0], 3), np.uint8)
    picture[: size[1] // 2, size[0] // 2 :] = 255
    thumbnail = luma_thumbnail(_video(picture, pixel_format))
    assert thumbnail.shape == (36, 64)
    assert thumbnail.dtype == np.uint8
    assert (thumbnail[:16, 34:] > 220).all()
    assert (thumbnail[:16, :30] < 30).all()
    assert (thumbnail[20:] < 30).all()


@pytest.mark.parametrize("pixel_format", ["bgr24", "rgb24"])
def test_thumbnail_of_a_packed_picture_is_its_green(pixel_format: str) -> None:
    green = np.full((48, 64, 3), (10, 200, 20), np.uint8)
    assert (luma_thumbnail(_video(green, pixel_format)) == 200).all()


def test_thumbnail_can_have_another_size() -> None:
    assert luma_thumbnail(av.VideoFrame(640, 480, "yuv420p"), 16, 12).shape == (12, 16)
