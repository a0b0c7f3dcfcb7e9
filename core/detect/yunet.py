"""YuNet (Wu, Peng, Yu: "YuNet: A Tiny Millisecond-level Face Detector", 2023) on ONNX Runtime."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import cv2
import numpy as np
import numpy.typing as npt
import onnxruntime as ort

from core.detect.detection import Detection
from core.detect.model_files import YUNET
from core.geometry import Box
from core.pictures.planes import BgrImage
from core.pictures.scratch import Scratch

FloatArray = npt.NDArray[np.float32]

STRIDES = (8, 16, 32)
SMALL = 160  # px: pictures up to this side are run together
MULTIPLE = 32  # the network halves its input five times


class YuNet:
    """Finds faces of about 8 to 300 px in pictures of any size; one thread.

    `min_score` is the lowest score that is reported, `nms_iou` the overlap above which the weaker of two
    boxes is the same face. Raises WeightsError when the weights are not the reviewed ones.
    """

    name = "yunet"

    def __init__(self, min_score: float = 0.25, nms_iou: float = 0.45) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        options.enable_mem_pattern = False  # its one block per size of picture takes more memory and is no faster
        self._session = ort.InferenceSession(YUNET.read(), options, providers=["CPUExecutionProvider"])
        self._input = np.zeros(0, np.float32)
        self._plane = Scratch()
        self._min_score, self._nms_iou = min_score, nms_iou

    def detect(self, pictures: Sequence[BgrImage]) -> list[list[Detection]]:
        """One list of detections a picture, boxes in that picture's pixels.

        Small pictures of the same size run as one sheet, which costs less than several small runs.
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
        heads: list[FloatArray] = self._session.run(None, {"input": blob})
        boxes, scores = decode(heads, self._min_score)
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
        """The network's input: planes of floats, padded with black. The next call overwrites it.

        Allocating an array for each picture would cost more than filling it, because its pages come from the system.
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


def decode(heads: Sequence[FloatArray], min_score: float) -> tuple[FloatArray, FloatArray]:
    """Boxes (n, 4) as x0, y0, x1, y1 in pixels of the network's input and scores (n,), float32, of its three outputs.

    Those are float32 (1, channels, rows, columns) for strides 8, 16 and 32: the logits of class and objectness, then
    the box; further channels are ignored. The score is the geometric mean of class and objectness, a box is its
    cell's offset and the logarithm of its size.
    """
    # A factor is at least as large as the product: objectness alone rules out nearly all of thousands of cells.
    least = min(max(min_score * min_score, 1e-36), 1 - 1e-6)  # within these the logarithm is finite
    least_logit = math.log(least / (1 - least)) - 1e-3  # a hair less, so that rounding loses no cell
    values, places = [], []
    for stride, head in zip(STRIDES, heads, strict=True):
        channels = head.reshape(head.shape[1], -1)
        cells = np.flatnonzero(channels[1] >= least_logit)
        if cells.size:
            values.append(channels[:6, cells])
            rows, columns = np.divmod(cells, head.shape[3])
            places.append(np.stack([columns, rows, np.full_like(cells, stride)]))
    if not values:
        return np.zeros((0, 4), np.float32), np.zeros(0, np.float32)
    found, place = np.concatenate(values, axis=1), np.concatenate(places, axis=1).astype(np.float32)
    with np.errstate(over="ignore"):  # far below zero: a score of zero
        class_score, objectness = 1 / (1 + np.exp(-found[:2]))
    scores = np.sqrt(class_score * objectness)
    kept = scores >= min_score
    corner, stride_of = place[:2, kept], place[2, kept]
    center, half = (corner + found[2:4, kept]) * stride_of, np.exp(found[4:6, kept]) * (stride_of / 2)
    return np.concatenate([center - half, center + half]).T, scores[kept]
