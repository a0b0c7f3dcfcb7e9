"""Colours follow the picture they are painted on, and drawn shapes are remembered within bounds."""

from __future__ import annotations

import av
import numpy as np
import pytest

from core.config import MaskConfig
from core.frame import BLANKET, Frame
from core.geometry import Box
from core.paint.masker import Masker
from core.paint.styles import AlphaCache, averages, enlarged
from core.pictures.planes import planes


@pytest.mark.parametrize(
    ("size", "colorspace", "luma"),
    [((640, 360), 2, 81), ((1280, 720), 2, 63), ((640, 360), 1, 63), ((1280, 720), 5, 81), ((640, 360), 9, 74)],
)
def test_solid_follows_the_colour_matrix_of_the_picture(size: tuple[int, int], colorspace: int, luma: int) -> None:
    video = av.VideoFrame(*size, "yuv420p")
    video.colorspace = colorspace
    Masker(MaskConfig(style="solid", color=(255, 0, 0))).mask(Frame(0, video, 0.0), BLANKET)
    assert planes(video)[0].array[10, 10] == luma


def test_stored_shapes_are_bounded_in_memory() -> None:
    cache = AlphaCache(0.1, "ellipse", budget=200_000)
    plane = planes(av.VideoFrame(1920, 1080, "gray"))[0]
    for side in range(4, 900, 3):
        placed = cache.place(plane, Box(100, 100, 100 + side, 100 + side))
        assert placed is not None
        assert cache.nbytes <= 200_000
    assert cache.nbytes > 0
    held = cache.nbytes
    cache.place(plane, Box(300, 300, 320, 320))
    grown = cache.nbytes
    cache.place(plane, Box(500.5, 310.2, 520.5, 330.2))
    assert cache.nbytes == grown != held


def test_a_shape_in_use_outlives_others() -> None:
    cache = AlphaCache(0.1, "ellipse", budget=50_000)
    plane = planes(av.VideoFrame(640, 360, "gray"))[0]
    first = cache.place(plane, Box(100, 100, 140, 140))
    for side in range(4, 60):
        cache.place(plane, Box(100, 100, 100 + side, 100 + side))
        again = cache.place(plane, Box(200, 200, 240, 240))
        assert first is not None and again is not None
        assert np.shares_memory(first.alpha.cover, again.alpha.cover)


def test_ten_bits_stay_ten_bits() -> None:
    """Cubic steps overshoot where black meets white."""
    grid = np.zeros((6, 6), np.uint16)
    grid[::2] = 1023
    soft = np.zeros((60, 60), np.uint16)
    enlarged(grid, soft, smooth=True)
    assert soft.max() == 1023


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize("size", [(9, 9), (96, 96), (97, 131), (400, 300), (1080, 1921)])
def test_an_average_counts_every_sample_alike(size: tuple[int, int], dtype: type[np.uint8] | type[np.uint16]) -> None:
    noise = np.random.default_rng(1).integers(0, 256, size, dtype=dtype)
    grid = averages(noise, 3, 3)
    tall, wide = size[0] // 3, size[1] // 3
    exact = noise[: 3 * tall, : 3 * wide].reshape(3, tall, 3, wide).mean((1, 3))
    # The last sample of a tile may count for its neighbour, and every halving rounds.
    assert np.abs(grid - exact).max() < 1.5 + 600 / tall / wide


def test_stripes_average_to_grey() -> None:
    stripes = np.zeros((800, 800), np.uint8)
    stripes[::2] = 255
    assert np.abs(averages(stripes, 3, 3).astype(int) - 127).max() <= 2


def test_every_quarter_of_a_drawn_shape_is_alike() -> None:
    plane = planes(av.VideoFrame(640, 360, "gray"))[0]
    placed = AlphaCache(0.1, "ellipse").place(plane, Box(100, 100, 163, 191))
    assert placed is not None
    cover = placed.alpha.cover
    assert (cover == cover[::-1]).all() and (cover == cover[:, ::-1]).all()
    assert cover.max() == 255 and cover[0, 0] == 0 and cover.shape == (placed.span.height, placed.span.width)
