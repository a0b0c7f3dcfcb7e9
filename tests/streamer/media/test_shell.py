from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.video.frame import PictureType

from streamer.media.shell import Shells


def picture(width: int = 64, height: int = 48, pixels: str = "yuv420p") -> av.VideoFrame:
    video = av.VideoFrame(width, height, pixels)
    for plane in video.planes:
        plane.update(np.random.default_rng(plane.line_size).bytes(plane.buffer_size))
    video.pts, video.time_base, video.duration = 77, Fraction(1, 25), 3
    video.colorspace, video.color_range = 1, 1
    return video


@pytest.mark.parametrize("pixels", ["yuv420p", "yuv420p10le", "yuv444p", "nv12", "gray", "bgr24"])
def test_a_shell_shares_the_picture_and_nothing_else(pixels: str) -> None:
    video = picture(pixels=pixels)
    shell = Shells().of(video)
    assert [p.buffer_ptr for p in shell.planes] == [p.buffer_ptr for p in video.planes]
    assert (shell.colorspace, shell.color_range, shell.format.name) == (1, 1, pixels)
    shell.pts, shell.time_base, shell.pict_type = 5, Fraction(1, 90_000), PictureType.I
    assert (video.pts, video.time_base, video.duration) == (77, Fraction(1, 25), 3)
    assert video.pict_type == PictureType.NONE


def test_the_picture_outlives_the_frame_and_the_shells() -> None:
    shells = Shells()
    video = picture()
    wanted = video.to_ndarray()
    shell = shells.of(video)
    del video, shells
    assert (shell.to_ndarray() == wanted).all()


def test_it_follows_changes_without_threads_of_its_own() -> None:
    shells, before = Shells(), len(list(Path("/proc/self/task").iterdir()))
    for width, height, pixels in [(64, 48, "yuv420p"), (32, 48, "yuv420p"), (64, 48, "yuv444p"), (64, 48, "yuv420p")]:
        shell = shells.of(picture(width, height, pixels))
        assert (shell.width, shell.height, shell.format.name) == (width, height, pixels)
    assert len(list(Path("/proc/self/task").iterdir())) == before
