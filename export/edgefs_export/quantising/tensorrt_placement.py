"""Where TensorRT wants a residual addition quantised: at the skip, and there alone.

A convolution and the addition behind it become one int8 kernel when the sum's other operand, the skip, comes in int8;
the convolution's own output must stay as it is, since rounding it would put a boundary between the two. (NVIDIA: "Q/DQ
layer-placement recommendations", and the TensorFlow quantisation toolkit's `ResNetV1QDQCase`.)
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import onnx
from onnx import numpy_helper


def place_skips(model: onnx.ModelProto, spans: Mapping[str, tuple[float, float]]) -> None:
    """Quantise exactly the skip of each residual addition.

    Args:
        model: with Q/DQ at its convolutions, changed in place.
        spans: (lowest, highest) of each map, by name.
    """
    constants = {tensor.name for tensor in model.graph.initializer}
    order = {name: place for place, node in enumerate(model.graph.node) for name in node.output}
    makers = {name: node for node in model.graph.node for name in node.output}
    nodes = list(model.graph.node)
    for add in [node for node in nodes if node.op_type == "Add"]:
        if any(name in constants for name in add.input):
            continue
        sources = [_before_quantisation(makers, name) for name in add.input]
        if not all(source in spans for source in sources):
            continue
        # The branch is computed last; where both end in a convolution, as in a block that downsamples, either will do.
        skip = min((0, 1), key=lambda place: order.get(sources[place], -1))
        add.input[1 - skip] = sources[1 - skip]
        if add.input[skip] == sources[skip]:
            pair = _pair(model, sources[skip], spans[sources[skip]], f"{add.name}_skip")
            nodes[nodes.index(add) : nodes.index(add)] = pair
            add.input[skip] = pair[1].output[0]
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)


def _before_quantisation(makers: Mapping[str, onnx.NodeProto], name: str) -> str:
    """The float map whose Q/DQ pair `name` comes out of; itself where there is none."""
    maker = makers.get(name)
    if maker is None or maker.op_type != "DequantizeLinear":
        return name
    quantise = makers.get(maker.input[0])
    return quantise.input[0] if quantise is not None and quantise.op_type == "QuantizeLinear" else name


def _pair(
    model: onnx.ModelProto, name: str, span: tuple[float, float], prefix: str
) -> tuple[onnx.NodeProto, onnx.NodeProto]:
    scale = np.float32(max(abs(span[0]), abs(span[1]), 1e-6) / 127)
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(scale), f"{prefix}_scale"))
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(np.int8(0)), f"{prefix}_zero_point"))
    parameters = [f"{prefix}_scale", f"{prefix}_zero_point"]
    return (
        onnx.helper.make_node("QuantizeLinear", [name, *parameters], [f"{prefix}_quantized"], f"{prefix}_q"),
        onnx.helper.make_node(
            "DequantizeLinear", [f"{prefix}_quantized", *parameters], [f"{prefix}_dequantized"], f"{prefix}_dq"
        ),
    )
