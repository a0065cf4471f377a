"""Which nodes of an embedding network are worth quantising: its convolutions and what lies between them."""

from __future__ import annotations

import onnx

_BETWEEN = ("Relu", "Clip", "MaxPool", "Add", "Concat", "GlobalMaxPool")


def map_shapes(model: onnx.ModelProto) -> dict[str, tuple[int, ...]]:
    """(C, H, W) of every float map `[N,C,H,W]` whose size is known, by name."""
    inferred = onnx.shape_inference.infer_shapes(model)
    shapes: dict[str, tuple[int, ...]] = {}
    for value in (*inferred.graph.value_info, *inferred.graph.output):
        tensor = value.type.tensor_type
        sizes = tuple(dim.dim_value for dim in tensor.shape.dim)
        if tensor.elem_type == onnx.TensorProto.FLOAT and len(sizes) == 4 and all(sizes[1:]):
            shapes[value.name] = sizes[1:]
    return shapes


def convolutions(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Convolutions over maps larger than one pixel, whose weights are constants.

    Those over one pixel (squeeze and excitation) cost nothing and are sensitive.
    """
    constants, shapes = {tensor.name for tensor in model.graph.initializer}, map_shapes(model)
    return [
        node
        for node in model.graph.node
        if node.op_type == "Conv"
        and all(name in constants for name in node.input[1:])
        and max(shapes.get(node.input[0], (0, 0, 0))[1:]) > 1
    ]


def between(model: onnx.ModelProto, quantised: set[str]) -> list[onnx.NodeProto]:
    """Nodes that can stay in integers since everything they read is quantised.

    Args:
        model: float32.
        quantised: names of maps that are.
    """
    constants, shapes = {tensor.name for tensor in model.graph.initializer}, map_shapes(model)
    found = []
    for node in model.graph.node:
        maps = [name for name in node.input if name and name not in constants]
        if node.op_type in _BETWEEN and maps and all(name in quantised for name in maps) and maps[0] in shapes:
            found.append(node)
            quantised.add(node.output[0])
    return found
