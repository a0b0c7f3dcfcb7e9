from __future__ import annotations

import av
import numpy as np
import pytest

from core.config import MaskConfig
from core.frame import Cover
from core.paint.masker import Masker
from core.pictures.orientation import UPRIGHT, Orientation
from streamer.live.slate import slate
from streamer.media.convert import published_size, to_published


def picture(width: int, height: int, form: str) -> av.VideoFrame:
    """Left half black, right half white."""
    bgr = np.zeros((height, width, 3), np.uint8)
    bgr[:, width // 2 :] = 255
    return av.VideoFrame.from_ndarray(bgr, "bgr24").reformat(format=form)


@pytest.mark.parametrize(
    ("width", "height", "turn", "size"),
    [(1280, 720, 0, (1280, 720)), (641, 481, 0, (640, 480)), (1280, 720, 90, (720, 1280)), (1, 1, 0, (2, 2))],
)
def test_published_size(width: int, height: int, turn: int, size: tuple[int, int]) -> None:
    assert published_size(width, height, Orientation(turn)) == size


@pytest.mark.parametrize("form", ["yuv420p", "yuvj420p", "yuvj422p", "yuv422p10le", "nv12", "bgr24", "gray"])
@pytest.mark.parametrize("size", [(64, 48), (66, 48), (65, 47)])
def test_all_formats_become_one(form: str, size: tuple[int, int]) -> None:
    out = to_published(picture(*size, form), (64, 48))
    assert (out.width, out.height, out.format.name) == (64, 48, "yuv420p")
    grey = out.to_ndarray(format="gray")
    luma = np.frombuffer(bytes(out.planes[0]), np.uint8).reshape(48, -1)[:, :64]
    assert abs(int(luma[24, 8]) - 16) < 4 and abs(int(luma[24, 56]) - 235) < 4, "limited range"
    assert grey[24, 8] < 20 and grey[24, 56] > 235


def test_a_picture_in_the_right_format_is_not_copied() -> None:
    video = picture(64, 48, "yuv420p")
    assert to_published(video, (64, 48), UPRIGHT) is video


@pytest.mark.parametrize(("turn", "white"), [(90, "bottom"), (180, "left"), (270, "top")])
def test_turned_upright(turn: int, white: str) -> None:
    orientation = Orientation(turn)
    size = published_size(64, 48, orientation)
    grey = to_published(picture(64, 48, "yuv420p"), size, orientation).to_ndarray(format="gray")
    assert grey.shape == (size[1], size[0])
    half = {
        "bottom": grey[size[1] // 2 + 4 :],
        "top": grey[: size[1] // 2 - 4],
        "left": grey[:, : size[0] // 2 - 4],
    }[white]
    assert half.min() > 200 and np.mean(grey) == pytest.approx(127, abs=15)


@pytest.mark.parametrize("since", [None, 1_700_000_000.0])
def test_slate(since: float | None) -> None:
    made = slate(Masker(MaskConfig()), 640, 360, since)
    assert (made.video.width, made.video.height, made.video.format.name) == (640, 360, "yuv420p")
    grey = made.video.to_ndarray(format="gray")
    assert grey.max() > 150, "it says something"
    lines = [rows.max() > 150 for rows in (grey[160:182], grey[185:215])]
    assert lines == [True, since is not None]
    assert made.cover is Cover.SETTLED and not made.faces
