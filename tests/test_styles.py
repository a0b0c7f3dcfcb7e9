"""Colours follow the picture they are painted on, and drawn shapes are remembered within bounds."""

from __future__ import annotations

import av
import cv2
import numpy as np
import pytest

from core.config import MaskConfig
from core.frame import BLANKET, Frame
from core.geometry import Box
from core.masker import Masker
from core.picture import planes
from core.styles import AlphaCache, averages, blend, softened


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
        assert np.shares_memory(first.cover, again.cover)


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
@pytest.mark.parametrize(("rows", "columns"), [(1, 1), (3, 3), (6, 5)])
@pytest.mark.parametrize("size", [(3, 4), (17, 18), (77, 71), (78, 72), (300, 411)])
def test_averages_count_every_sample_of_their_tiles(
    dtype: type[np.uint8], rows: int, columns: int, size: tuple[int, int]
) -> None:
    picture = np.random.default_rng(1).integers(0, 256, size).astype(dtype)
    grid = averages(picture, columns, rows)
    rows, columns = grid.shape
    tall, wide = size[0] // rows, size[1] // columns
    assert min(tall, wide) >= 3
    for tile in (tall, wide), (tall - tall % 2, wide - wide % 2):  # of large tiles an odd sample is left over
        whole = picture[: rows * tile[0], : columns * tile[1]].astype(float)
        means = whole.reshape(rows, tile[0], columns, tile[1]).mean(axis=(1, 3))
        if np.abs(means - grid).max() <= 1:
            return
    raise AssertionError("not the averages")


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 1023), (np.uint16, 1023 << 6)])
def test_smoothing_stays_within_the_range_and_does_not_depend_on_company(dtype: type[np.uint8], top: int) -> None:
    random = np.random.default_rng(2)
    shapes = [(3, 3), (1, 1), (6, 6), (3, 3), (3, 2), (3, 3, 2), (3, 3)]
    grids = [(random.integers(0, 2, shape) * top).astype(dtype) for shape in shapes]
    together = softened(grids, top)
    for grid, soft in zip(grids, together, strict=True):
        assert soft.dtype == grid.dtype
        assert soft.shape == (grid.shape[0] * 4, grid.shape[1] * 4, *grid.shape[2:])
        assert soft.max() <= top
        assert (soft == softened([grid], top)[0]).all()
        corner = soft[:2, :2].astype(float).mean(axis=(0, 1))  # steps lie where their averages lie
        assert (np.abs(corner - grid[0, 0]) < 0.3 * top).all()


@pytest.mark.parametrize(("dtype", "top"), [(np.uint8, 255), (np.uint16, 4095), (np.uint16, 65535)])
def test_blending_is_exact_at_both_ends_and_never_leaves_the_range(dtype: type[np.uint8], top: int) -> None:
    random = np.random.default_rng(4)
    target, fill = (random.integers(0, top, (90, 80), endpoint=True).astype(dtype) for _ in range(2))
    target[:30], fill[:45] = top, top
    cover = random.integers(0, 255, (90, 80), endpoint=True).astype(dtype)
    cover[:, :20], cover[:, 20:40] = 0, 255
    canvas = np.zeros((100, 100), dtype)
    canvas[4:94, 7:87] = target
    blend(canvas[4:94, 7:87], fill.copy(), cover)
    painted = canvas[4:94, 7:87].astype(float)
    expected = target + (fill.astype(float) - target) * (cover / 255)
    assert np.abs(painted - expected).max() <= 1
    assert painted.max() <= top
    assert (painted[:, :20] == target[:, :20]).all()
    assert (painted[:, 20:40] == fill[:, 20:40]).all()
    canvas[4:94, 7:87] = 0
    assert not canvas.any()


def test_what_cannot_be_painted_in_place_is_refused() -> None:
    mirrored = np.zeros((8, 9), np.uint8)[:, ::-1]
    full = np.full((8, 9), 255, np.uint8)
    with pytest.raises((ValueError, cv2.error)):
        blend(mirrored, full.copy(), full)
