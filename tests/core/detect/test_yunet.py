"""The network in core/detect/weights/ is the published one with one head a stride: same answers, read correctly."""

from __future__ import annotations

import hashlib
import math
from pathlib import Path

import cv2
import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime as ort
import pytest

from core.detect.model_files import YUNET
from core.detect.yunet import STRIDES, YuNet, decode
from tests.rigs.faces import FACE, astronaut, scenery
from tests.yunet_weights import CHANNELS, one_head

Floats = npt.NDArray[np.float32]

PUBLISHED = Path(__file__).parents[2] / "data" / "face_detection_yunet_2023mar.onnx"


def run(model: bytes, picture: Floats) -> dict[str, Floats]:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    names = [output.name for output in session.get_outputs()]
    return dict(zip(names, session.run(names, {"input": picture}), strict=True))


def planes(picture: npt.NDArray[np.uint8]) -> Floats:
    return np.ascontiguousarray(picture.transpose(2, 0, 1)[None], np.float32)


def test_the_published_network_is_the_one_that_opencv_zoo_has() -> None:
    digest = hashlib.sha256(PUBLISHED.read_bytes()).hexdigest()
    assert digest == "8f2383e4dd3cfbb4553ea8718107fc0423210dc964f9f4280604804ed2552fa4"


def test_what_is_shipped_is_made_from_it() -> None:
    assert one_head(PUBLISHED.read_bytes()) == YUNET.read()


def any_size(published: bytes) -> bytes:
    """The published network with the size of its input left open."""
    model = onnx.load_model_from_string(published)
    for axis, name in ((2, "height"), (3, "width")):
        (picture,) = (value for value in model.graph.input if value.name == "input")
        picture.type.tensor_type.shape.dim[axis].dim_param = name
    return bytes(model.SerializeToString())


@pytest.mark.parametrize(("width", "height"), [(640, 640), (320, 192), (640, 352), (1280, 704)])
@pytest.mark.parametrize("what", ["face", "scenery", "noise"])
def test_both_say_the_same(what: str, width: int, height: int) -> None:
    noise = np.random.default_rng(1).integers(0, 256, (height, width, 3), np.uint8)
    picture = {"face": astronaut(), "scenery": scenery(), "noise": noise}[what]
    image = planes(np.asarray(cv2.resize(picture, (width, height)), np.uint8))
    before, after = run(any_size(PUBLISHED.read_bytes()), image), run(YUNET.read(), image)
    assert sorted(after) == ["head_16", "head_32", "head_8"]
    for stride in STRIDES:
        head = after[f"head_{stride}"]
        assert head.shape == (1, CHANNELS, height // stride, width // stride)
        cells = head[0].reshape(CHANNELS, -1).T.astype(np.float64)
        for channel, name in ((0, "cls"), (1, "obj")):
            score = 1 / (1 + np.exp(-cells[:, channel]))
            assert np.abs(score - before[f"{name}_{stride}"][0, :, 0]).max() < 1e-6
        assert np.abs(cells[:, 2:6] - before[f"bbox_{stride}"][0]).max() < 1e-5
        assert not cells[:, 6:].any()


@pytest.mark.parametrize(("width", "height"), [(320, 192), (32, 32), (96, 640)])
def test_any_multiple_of_32_will_do(width: int, height: int) -> None:
    heads = run(YUNET.read(), np.zeros((1, 3, height, width), np.float32))
    assert all(heads[f"head_{n}"].shape == (1, CHANNELS, height // n, width // n) for n in STRIDES)


def test_another_network_is_not_made_into_one() -> None:
    other = onnx.load_model_from_string(PUBLISHED.read_bytes())
    for tensor in other.graph.initializer:
        tensor.name = tensor.name.replace("multi_level_obj", "something_else")
    with pytest.raises(KeyError, match="multi_level_obj"):
        one_head(other.SerializeToString())


def heads(cells: dict[tuple[int, int, int], tuple[float, ...]]) -> list[Floats]:
    """Outputs for a picture of 128x64 px with nothing but these `(stride, column, row)`: class, objectness, box."""
    empty = [np.full((1, CHANNELS, 64 // stride, 128 // stride), -90.0, np.float32) for stride in STRIDES]
    for (stride, column, row), values in cells.items():
        empty[STRIDES.index(stride)][0, : len(values), row, column] = values
    return empty


def test_a_box_lies_where_its_cell_says_it_is() -> None:
    found = heads({(8, 15, 2): (3, 2, 0.5, 0.25, 0, math.log(2)), (32, 1, 1): (0, 0, 0, -0.5, math.log(3), 0)})
    boxes, scores = decode(found, 0.3)
    assert boxes == pytest.approx(np.array([[120, 10, 128, 26], [-16, 0, 80, 32]], np.float32))
    of_logit = [1 / (1 + math.exp(-value)) for value in (3, 2, 0)]
    assert scores == pytest.approx([math.sqrt(of_logit[0] * of_logit[1]), 0.5])
    assert boxes.dtype == scores.dtype == np.float32


@pytest.mark.filterwarnings("error")
@pytest.mark.parametrize(("cls", "obj"), [(9, -90), (-90, 9), (0.1, 0.1), (0.2, -0.1), (-1.0, 9), (9, -1.0)])
def test_both_class_and_objectness_count(cls: float, obj: float) -> None:
    score = math.sqrt(1 / (1 + math.exp(-cls)) / (1 + math.exp(-obj)))
    for least, count in ((score - 1e-4, 1), (score + 1e-4, 0)):
        if least > 0:
            assert len(decode(heads({(16, 3, 1): (cls, obj, 0, 0, 0, 0)}), least)[1]) == count


@pytest.mark.filterwarnings("error")
def test_limits_of_the_score_are_allowed() -> None:
    certain = heads({(16, 3, 1): (60, 60, 0, 0, 0, 0)})
    assert len(decode(certain, 1.0)[0]) == 1
    assert len(decode(heads({(16, 3, 1): (9, 9, 0, 0, 0, 0)}), 1.0)[0]) == 0
    boxes, scores = decode(heads({}), 1.0)
    assert boxes.shape == (0, 4) and scores.shape == (0,)
    assert len(decode(heads({(16, 3, 1): (9, -14, 0, 0, 0, 0)}), 0.0)[0]) == 1


def test_rounding_loses_no_cell() -> None:
    assert len(decode(heads({(16, 3, 1): (60, 0, 0, 0, 0, 0)}), math.sqrt(0.5))[0]) == 1


def test_a_face_is_found_through_it() -> None:
    (found,) = YuNet(0.6).detect([astronaut()])[0]
    (x, y), (fx, fy) = found.box.center, FACE.center
    assert abs(x - fx) < 20 and abs(y - fy) < 20 and found.score > 0.8
