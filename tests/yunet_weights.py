"""Makes the network in core/detect/weights/ from the published one: the same answers for less work.

    python -m tests.yunet_weights tests/data/face_detection_yunet_2023mar.onnx OUTPUT.onnx

The published YuNet (face_detection_yunet_2023mar.onnx of OpenCV Zoo, 640x640 px only) ends in four branches a stride:
class, objectness, box, key points, each one convolution of 1x1 and one of 3x3 a channel. Here

- key points, which nothing reads, are left out;
- the other three branches are one: their weights side by side, filled up with zeros to 16 channels, which is what the
  runtime rounds up to for every branch on cores with AVX-512; a stride's output is (1, 16, rows, columns): the logits
  of class and objectness, the box, and ten empty channels;
- height and width are free (multiples of 32).

Weights stay as they are; the sigmoid is left to whoever reads the logits.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import numpy.typing as npt
import onnx
from onnx import helper, numpy_helper

from core.detect.yunet import STRIDES

BRANCHES = ("cls", "obj", "bbox")
CHANNELS = 16


def one_head(published: bytes) -> bytes:
    """The ONNX model with one head a stride; takes and gives serialised models. Raises KeyError for another network.

    Its input is float32 (1, 3, height, width), BGR of 0 to 255; its outputs `head_8`, `head_16` and `head_32` are
    float32 (1, 16, rows, columns).
    """
    model = onnx.load_model_from_string(published)
    graph = model.graph
    weights = {tensor.name: np.asarray(numpy_helper.to_array(tensor), np.float32) for tensor in graph.initializer}
    reader = {name: node for node in graph.node for name in node.input}
    nodes, tensors = [], []
    for level, stride in enumerate(STRIDES):
        names = [f"bbox_head.multi_level_{branch}.{level}" for branch in BRANCHES]
        (features,) = {reader[f"{name}.conv1.weight"].input[0] for name in names}
        between, result = f"between_{stride}", f"head_{stride}"
        for at, (source, target, side, groups) in enumerate(
            [(features, between, 1, 1), (between, result, 3, CHANNELS)], start=1
        ):
            own = [f"{result}.conv{at}.{part}" for part in ("weight", "bias")]
            for name, part in zip(own, ("weight", "bias"), strict=True):
                values = np.concatenate([weights[f"{branch}.conv{at}.{part}"] for branch in names])
                tensors.append(numpy_helper.from_array(_filled_up(values), name))
            nodes.append(
                helper.make_node(
                    "Conv",
                    [source, *own],
                    [target],
                    name=f"{result}.conv{at}",
                    kernel_shape=[side, side],
                    pads=[side // 2] * 4,
                    group=groups,
                )
            )
    trunk = _needed_for(graph, {node.input[0] for node in nodes})
    picture = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, "height", "width"])
    heads = [
        helper.make_tensor_value_info(
            f"head_{stride}", onnx.TensorProto.FLOAT, [1, CHANNELS, f"rows_{stride}", f"columns_{stride}"]
        )
        for stride in STRIDES
    ]
    used = {name for node in trunk for name in node.input}
    tensors = [tensor for tensor in graph.initializer if tensor.name in used] + tensors
    made = helper.make_model(
        helper.make_graph([*trunk, *nodes], "yunet_2023mar_one_head", [picture], heads, tensors),
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
    )
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


def _filled_up(values: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    rest = np.zeros((CHANNELS - len(values), *values.shape[1:]), np.float32)
    return np.concatenate([values, rest])


def _needed_for(graph: onnx.GraphProto, outputs: set[str]) -> list[onnx.NodeProto]:
    """The nodes that these values come from, in the graph's order."""
    needed, kept = set(outputs), []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            needed.update(node.input)
            kept.append(node)
    return kept[::-1]


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(one_head(Path(sys.argv[1]).read_bytes()))
