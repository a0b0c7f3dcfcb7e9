"""MediaPipe's BlazeFace (Bazarevsky et al., 2019), short and full range, through its `solutions` API."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Protocol, cast

import cv2
import numpy as np
import numpy.typing as npt

from core.detect.detection import Detection
from core.detect.model_files import BLAZEFACE_FULL, BLAZEFACE_SHORT
from core.geometry import Box
from core.pictures.planes import BgrImage

# The networks take 128 or 192 px; MediaPipe would only convert anything larger and then shrink it.
INPUT_SIDE = 256
# The boxes end at the eyebrows; the face extends up by about this fraction of the box height.
FOREHEAD = 0.2


class _RelativeBox(Protocol):
    xmin: float
    ymin: float
    width: float
    height: float


class _LocationData(Protocol):
    relative_bounding_box: _RelativeBox


class _Found(Protocol):
    location_data: _LocationData
    score: Sequence[float]


class _Result(Protocol):
    detections: Sequence[_Found] | None


class _Graph(Protocol):
    def process(self, image: npt.NDArray[np.uint8]) -> _Result: ...


class MediaPipe:
    """Detects faces that fill a good part of the picture; for distant faces, use tiles (`ScaleConfig.rows`).

    `full_range` selects the network for faces up to about five metres away instead of two. `min_score` is the lowest
    score reported. Raises WeightsError if the weights are not the reviewed ones.
    """

    def __init__(self, min_score: float = 0.3, *, full_range: bool = True) -> None:
        weights = BLAZEFACE_FULL if full_range else BLAZEFACE_SHORT
        weights.read()
        os.environ.setdefault("GLOG_minloglevel", "2")  # MediaPipe logs to stderr directly, bypassing Python
        # Slow to import and only needed by this detector.
        from mediapipe.python.solutions import face_detection

        graph = face_detection.FaceDetection(min_detection_confidence=min_score, model_selection=1 if full_range else 0)
        self._graph = cast(_Graph, graph)
        self._name = "mediapipe" if full_range else "mediapipe-short"

    @property
    def name(self) -> str:
        """Its name in the settings."""
        return self._name

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        """One list of detections per picture, boxes in pixels of that picture."""
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: BgrImage) -> list[Detection]:
        height, width = picture.shape[:2]
        scale = min(1.0, INPUT_SIDE / max(height, width))
        if scale < 1:
            size = max(1, round(width * scale)), max(1, round(height * scale))
            picture = np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)
        result = self._graph.process(np.ascontiguousarray(picture[:, :, ::-1]))
        found = []
        for face in result.detections or ():
            box = face.location_data.relative_bounding_box
            top = box.ymin - FOREHEAD * box.height
            upright = Box(box.xmin, top, box.xmin + box.width, box.ymin + box.height).scaled(width, height)
            found.append(Detection(upright, float(face.score[0]), self._name))
        return found
