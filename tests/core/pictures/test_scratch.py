"""Memory that is used again holds what was put there until the next piece of work."""

from __future__ import annotations

import av
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.geometry import Box
from core.pictures.planes import Samples, crop, planes, shrink
from core.pictures.scratch import Arena, Scratch

BYTE, WORD = np.dtype(np.uint8), np.dtype(np.uint16)
shapes = st.tuples(st.integers(1, 40), st.integers(1, 40))


@given(st.lists(st.lists(st.tuples(shapes, st.sampled_from([BYTE, WORD])), max_size=8), max_size=4))
def test_arrays_of_one_piece_of_work_do_not_share_memory(
    work: list[list[tuple[tuple[int, int], np.dtype[np.uint8 | np.uint16]]]],
) -> None:
    arena = Arena()
    for pieces in work:
        arena.begin()
        arrays = [arena.array(shape, dtype) for shape, dtype in pieces]
        for number, array in enumerate(arrays):
            array[...] = number
        for number, (array, (shape, dtype)) in enumerate(zip(arrays, pieces, strict=True)):
            assert (array.shape, array.dtype) == (shape, dtype)
            assert (array == number).all()


def test_the_same_work_again_takes_no_more_memory() -> None:
    arena = Arena()
    held = []
    for _ in range(3):
        arena.begin()
        first, second = arena.array((30, 50), BYTE), arena.array((20, 20, 3), WORD)
        held.append((arena.nbytes, first.ctypes.data, second.ctypes.data))
    assert held[1] == held[2]
    assert 30 * 50 + 20 * 20 * 3 * 2 <= held[2][0] <= 30 * 50 + 20 * 20 * 3 * 2 + 128


def test_scratch_gives_out_the_same_memory_again() -> None:
    scratch = Scratch()
    large = scratch.array((30, 50), WORD)
    small = scratch.array((7, 5, 3), BYTE)
    assert small.ctypes.data == large.ctypes.data
    assert (small.shape, small.dtype) == ((7, 5, 3), BYTE)


@pytest.mark.parametrize("size", [(320, 192), (321, 181), (650, 370)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv422p10le", "yuvj444p", "nv12", "gray", "bgr24", "rgb24"])
def test_pictures_made_in_used_memory_are_those_made_anew(pixel_format: str, size: tuple[int, int]) -> None:
    video, random = av.VideoFrame(650, 370, pixel_format), np.random.default_rng(1)
    for plane in planes(video):
        plane.array[...] = random.integers(0, plane.max_value, plane.array.shape)

    def dirty(shape: tuple[int, ...], dtype: np.dtype[np.uint8 | np.uint16]) -> Samples:
        return np.full(shape, 171, dtype)

    beyond = Box(-20.0, 50.0, 100.0, 400.0)
    assert (shrink(video, *size, dirty) == shrink(video, *size)).all()
    assert (crop(video, beyond, *size, dirty) == crop(video, beyond, *size)).all()
    assert (crop(video, beyond, *size, dirty)[:, :20] == 0).all()
