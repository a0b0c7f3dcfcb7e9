"""What nobody asks for is cut out of a model; what is left says the same."""

from __future__ import annotations

import numpy as np
import onnxruntime as ort
import pytest

from core.detectors.onnx_graph import without_outputs
from core.detectors.yunet import KEY_POINTS
from core.weights import YUNET


def session(model: bytes) -> ort.InferenceSession:
    options = ort.SessionOptions()
    options.log_severity_level = 3
    return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def test_the_other_outputs_stay_as_they_were() -> None:
    whole, cut = YUNET.read(), without_outputs(YUNET.read(), KEY_POINTS)
    picture = np.random.default_rng(1).uniform(0, 255, (1, 3, 640, 640)).astype(np.float32)
    before, after = session(whole), session(cut)
    names = [output.name for output in after.get_outputs()]
    assert names == [output.name for output in before.get_outputs() if output.name not in KEY_POINTS]
    for a, b in zip(before.run(names, {"input": picture}), after.run(None, {"input": picture}), strict=True):
        assert np.array_equal(a, b)


def test_what_only_they_needed_goes_with_them() -> None:
    cut = without_outputs(YUNET.read(), KEY_POINTS)
    everything = without_outputs(YUNET.read(), ())
    assert everything == YUNET.read()
    # Each node of the key points' branch names its own weights; a node that stayed would still name them.
    only_theirs = [f"kps_{stride}".encode() for stride in (8, 16, 32)]
    assert all(name in everything and name not in cut for name in only_theirs)
    assert cut.count(b"Conv") == everything.count(b"Conv") - 6 * 2  # name and type of two convolutions a size


@pytest.mark.parametrize("unwanted", ["lips", "cls_64"])
def test_an_output_that_is_not_there_is_refused(unwanted: str) -> None:
    with pytest.raises(ValueError, match=f"no output {unwanted}"):
        without_outputs(YUNET.read(), [unwanted, KEY_POINTS[0]])


@pytest.mark.parametrize("garbage", [b"\x3a\x80", b"\x3a\x7f", b"\xff" * 12, YUNET.read()[:-40]])
def test_what_is_no_model_is_refused(garbage: bytes) -> None:
    with pytest.raises(ValueError, match="not an ONNX model"):
        without_outputs(garbage, KEY_POINTS)
