"""Masks pictures in memory: NumPy arrays and `av.VideoFrame`s."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

import av
import numpy as np

from core.anonymizer import Anonymizer
from core.config import EngineConfig
from core.detect.detection import Detector
from core.frame import Frame
from core.masked_frame import MaskedFrame
from core.pictures.planes import BgrImage
from core.still import StillAnonymizer

Picture = BgrImage | av.VideoFrame


def anonymize(
    frames: Iterable[Picture],
    config: EngineConfig | None = None,
    *,
    fps: float = 25.0,
    make_detector: Callable[[], Detector] | None = None,
) -> Iterator[MaskedFrame]:
    """Mask the frames of one video, in order. Each comes out exactly once, some frames after it went in.

        for masked in anonymize(frames):
            show(masked.to_bgr(), masked.regions)

    `frames` are BGR arrays of shape (height, width, 3), uint8, which are not modified, or `av.VideoFrame`s, which are
    painted in place. A frame's time is its pts if it has one, otherwise its index divided by `fps`. A frame without a
    detector verdict is masked whole. Raises ValueError for any other kind of array or if `fps` is not positive.
    """
    if not fps > 0:
        raise ValueError(f"fps must be greater than 0, not {fps}")
    with Anonymizer(config or EngineConfig(), make_detector) as engine:
        for index, picture in enumerate(frames):
            video = _as_video(picture)
            stamped = video.pts is not None and video.time_base is not None
            time = float(video.pts * video.time_base) if stamped else index / fps  # type: ignore[operator]
            yield from engine.push(Frame(index, video, time))
        yield from engine.flush()


def anonymize_picture(
    picture: BgrImage, config: EngineConfig | None = None, *, make_detector: Callable[[], Detector] | None = None
) -> BgrImage:
    """A copy of one picture with every face masked. Input and output are BGR, shape (height, width, 3), uint8.

    A single picture has time: it is searched more thoroughly than a video's frames, by two detectors, at several sizes,
    mirrored and turned. If the detector fails, the whole picture is masked. Raises ValueError for any other kind of
    array.
    """
    video = _as_video(picture)
    engine = StillAnonymizer(config, make_detector)
    verdict = engine.decide([np.asarray(video.to_ndarray(format="bgr24"), np.uint8)])
    return engine.paint(video, verdict).to_bgr()


def _as_video(picture: Picture) -> av.VideoFrame:
    if isinstance(picture, av.VideoFrame):
        return picture
    if not isinstance(picture, np.ndarray) or picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        what = f"{picture.dtype} {picture.shape}" if isinstance(picture, np.ndarray) else type(picture).__name__
        raise ValueError(f"a picture must be a uint8 array of shape (height, width, 3) or an av.VideoFrame, not {what}")
    return av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), "bgr24")
