"""YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023) on ONNX Runtime."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from core.detection import BgrImage, Detection
from core.detectors.onnx_graph import without_outputs
from core.geometry import Box
from core.scratch import Scratch
from core.weights import YUNET, WeightsError

FloatArray = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
SMALL = 160  # px: pictures up to this side are run together
MULTIPLE = 32  # the network halves its input five times
KEY_POINTS = tuple(f"kps_{stride}" for stride in STRIDES)  # eyes, nose, mouth: nothing here reads them

# The file fixes its input at 640x640 though the graph runs at any multiple of 32. In the protobuf a dimension
# of 640 and a named one-letter dimension take the same number of bytes, so they can be swapped in place.
_FIXED = b"\x0a\x03\x08\x80\x05"
_NAMED = (b"\x0a\x03\x12\x01h", b"\x0a\x03\x12\x01w")


def with_free_size(model: bytes) -> bytes:
    """The YuNet model with height and width of its input left open. Raises WeightsError on another file."""
    at = model.find(_FIXED + _FIXED, model.rfind(b"\x0a\x05input"))
    if at < 0:
        raise WeightsError("weights yunet: no fixed 640x640 input found")
    return model[:at] + _NAMED[0] + _NAMED[1] + model[at + 2 * len(_FIXED) :]


class YuNet:
    """Finds faces of about 8 to 300 px in pictures of any size; one thread.

    `min_score` is the lowest score that is reported, `nms_iou` the overlap above which the weaker of two
    boxes is the same face. Raises WeightsError when the weights are not the reviewed ones.
    """

    name = "yunet"

    def __init__(self, min_score: float = 0.25, nms_iou: float = 0.45) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.log_severity_level = 3  # it warns of every output whose declared size was 640's
        model = without_outputs(with_free_size(YUNET.read()), KEY_POINTS)
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = np.zeros(0, np.float32)
        self._plane = Scratch()
        self._min_score, self._nms_iou = min_score, nms_iou

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        """One list of detections a picture, boxes in that picture's pixels.

        Small pictures of one size run as one sheet: a run costs less than as many small ones.
        """
        shapes = {picture.shape for picture in pictures}
        if (
            len(pictures) < 2
            or len(shapes) > 1
            or any(side % MULTIPLE or side > SMALL for side in pictures[0].shape[:2])
        ):
            return [self._detect(picture) for picture in pictures]
        height, width = pictures[0].shape[:2]
        rows = 2 if len(pictures) % 2 == 0 and len(pictures) > 2 else 1
        columns = len(pictures) // rows
        sheet = np.vstack([np.hstack(pictures[row * columns : (row + 1) * columns]) for row in range(rows)])
        found: list[list[Detection]] = [[] for _ in pictures]
        for detection in self._detect(sheet):
            x, y = detection.box.center
            column, row = (min(max(0, int(v)), n - 1) for v, n in ((x // width, columns), (y // height, rows)))
            box = detection.box.moved(-column * width, -row * height)
            found[row * columns + column].append(replace(detection, box=box))
        return found

    def _detect(self, picture: BgrImage) -> list[Detection]:
        blob = self._blob(picture)
        outputs: list[FloatArray] = self._session.run(None, {"input": blob})
        boxes, scores = decode(outputs, blob.shape[3], self._min_score)
        keep = cv2.dnn.NMSBoxes(
            [(x0, y0, x1 - x0, y1 - y0) for x0, y0, x1, y1 in boxes.tolist()],
            scores.tolist(),
            self._min_score,
            self._nms_iou,
        )
        return [
            Detection(Box(*(float(v) for v in boxes[i])), float(scores[i]), self.name)
            for i in np.asarray(keep, np.int64).ravel()
        ]

    def _blob(self, picture: BgrImage) -> FloatArray:
        """What the network takes: planes of floats, black where the sides are filled up. Overwritten by the next.

        A new array for each picture would cost more than filling it: its pages come from the system every time.
        """
        height, width = picture.shape[:2]
        tall, wide = height + -height % MULTIPLE, width + -width % MULTIPLE
        size = 3 * tall * wide
        if self._input.size < size:
            self._input = np.zeros(size, np.float32)
        blob = self._input[:size].reshape(1, 3, tall, wide)
        blob[:, :, height:] = 0
        blob[:, :, :, width:] = 0
        plane = self._plane.array((height, width), picture.dtype)
        for channel in range(3):
            blob[0, channel, :height, :width] = cv2.extractChannel(picture, channel, dst=plane)
        return blob


def decode(outputs: Sequence[FloatArray], width: int, min_score: float) -> tuple[FloatArray, FloatArray]:
    """Boxes (n, 4) as x0, y0, x1, y1 and scores (n,) from the network's nine outputs, for an input `width` px wide.

    Outputs come as class, objectness and box, each for strides 8, 16 and 32; the score is the
    geometric mean of class and objectness, a box is its cell's offset and the logarithm of its size.
    """
    boxes, scores = [np.zeros((0, 4), np.float32)], [np.zeros(0, np.float32)]
    for level, stride in enumerate(STRIDES):
        # The root of a few cells instead of all: thousands of cells hold no face.
        square = outputs[level][0, :, 0] * outputs[len(STRIDES) + level][0, :, 0]
        cells = np.nonzero(square >= min_score * min_score)[0]
        if not cells.size:
            continue
        score = np.sqrt(np.minimum(square[cells], 1.0))
        raw = outputs[2 * len(STRIDES) + level][0][cells]
        columns = width // stride
        center = (np.stack([cells % columns, cells // columns], 1) + raw[:, :2]) * stride
        half = np.exp(raw[:, 2:]) * (stride / 2)
        boxes.append(np.concatenate([center - half, center + half], 1).astype(np.float32))
        scores.append(score)
    return np.concatenate(boxes), np.concatenate(scores)
