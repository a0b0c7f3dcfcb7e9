"""CenterFace (Xu, Yan et al.: "CenterFace: Joint Face Detection and Alignment Using Face as Point", 2019).

Runs on ONNX Runtime. Slower than YuNet and of another family: what both find, even weakly, is a face.
"""

from __future__ import annotations

from collections.abc import Sequence

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from core.detect.detection import Detection
from core.detect.model_files import CENTERFACE
from core.geometry import Box
from core.pictures.planes import BgrImage

FloatArray = npt.NDArray[np.float32]

STRIDE = 4
MULTIPLE = 32  # the network halves its input five times


class CenterFace:
    """Finds faces in pictures of any size; one thread.

    `min_score` is the lowest score that is reported, `nms_iou` the overlap above which the weaker of two boxes is the
    same face. Raises WeightsError when the weights are not the reviewed ones.
    """

    name = "centerface"

    def __init__(self, min_score: float = 0.2, nms_iou: float = 0.3) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False
        options.log_severity_level = 3  # it warns of every weight that batch normalisation was folded into
        self._session = ort.InferenceSession(CENTERFACE.read(), options, providers=["CPUExecutionProvider"])
        self._min_score, self._nms_iou = min_score, nms_iou

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        """One list of detections per picture, boxes in that picture's pixels."""
        return [self._detect(picture) for picture in pictures]

    def _detect(self, picture: BgrImage) -> list[Detection]:
        height, width = picture.shape[:2]
        blob = np.zeros((1, 3, height + -height % MULTIPLE, width + -width % MULTIPLE), np.float32)
        blob[0, :, :height, :width] = picture.transpose(2, 0, 1)
        heatmap, scale, offset = self._session.run(None, {"input": blob})
        boxes, scores = decode(heatmap, scale, offset, self._min_score)
        keep = cv2.dnn.NMSBoxes(
            [(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes.tolist()],
            scores.tolist(),
            self._min_score,
            self._nms_iou,
        )
        return [
            Detection(Box(*(float(v) for v in boxes[i])), min(1.0, float(scores[i])), self.name)
            for i in np.asarray(keep, np.int64).ravel()
        ]


def decode(
    heatmap: FloatArray, scale: FloatArray, offset: FloatArray, min_score: float
) -> tuple[FloatArray, FloatArray]:
    """Boxes (n, 4) as x0, y0, x1, y1 in pixels of the network's input, and scores (n,), float32.

    `heatmap` is float32 (1, 1, rows, columns) of scores. `scale` and `offset` are (1, 2, rows, columns): the logarithm
    of height and width in cells, and where in its cell the middle is (y, x). A cell is `STRIDE` pixels.
    """
    rows, columns = np.nonzero(heatmap[0, 0] >= min_score)
    scores = heatmap[0, 0, rows, columns]
    size = np.exp(np.minimum(scale[0, :, rows, columns], 12.0)) * STRIDE  # (n, 2): height, width
    middle = (np.stack([rows, columns], axis=1) + offset[0, :, rows, columns] + 0.5) * STRIDE
    low, high = middle - size / 2, middle + size / 2
    boxes = np.stack([low[:, 1], low[:, 0], high[:, 1], high[:, 0]], axis=1).astype(np.float32)
    return boxes, scores
