"""A quantised first convolution reads the camera's bytes themselves.

The exported front (cast, transpose, times scale, plus offset) ends in floats that int8 would round to another grid:
on images of low contrast that alone costs more than most layers do, and the four passes cost time. An affine map of
bytes is a matter of weights and bias:

    sum of w (scale x + offset)  =  sum of (w scale) (x - z)  +  sum of w (offset + scale z)

where z is the byte that comes closest to black after normalisation. Only where the convolution pads does it read
z instead of zero: a border of that grey, less than 0.2 of a standard deviation off for ImageNet's statistics.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgefs_calibration.int8.equalising import channels_read

_CHAIN = ("Cast", "Transpose", "Mul", "Add", "Conv")


@dataclass(frozen=True)
class Front:
    """The five nodes from the input to the first convolution.

    Attributes:
        nodes: cast, transpose, mul, add, conv.
        scale: of each channel `[3]`.
        offset: of each channel `[3]`.
    """

    nodes: tuple[onnx.NodeProto, ...]
    scale: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def centre(self) -> int:
        """The byte nearest to zero after normalisation, in the mean of the channels."""
        return int(np.clip(np.rint(np.mean(-self.offset / self.scale)), 0, 255))


def find_front(model: onnx.ModelProto) -> Front | None:
    """The front, where it is the one that `edgefs` exports."""
    constants = {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in model.graph.initializer}
    nodes: list[onnx.NodeProto] = []
    name = model.graph.input[0].name
    for kind in _CHAIN:
        readers = [node for node in model.graph.node if name in node.input and node.op_type != "Shape"]
        if len(readers) != 1 or readers[0].op_type != kind or readers[0].input[0] != name:
            return None
        nodes.append(readers[0])
        name = readers[0].output[0]
    scale, offset = (constants.get(node.input[1]) for node in nodes[2:4])
    if scale is None or offset is None or scale.size != 3 or offset.size != 3 or (scale <= 0).any():
        return None
    return Front(tuple(nodes), scale.ravel().astype(np.float64), offset.ravel().astype(np.float64))


def fold_front(model: onnx.ModelProto, front: Front) -> str:
    """Let the first convolution read bytes less the centre, in float.

    Args:
        model: changed in place: transpose, cast, minus the centre, convolution; bytes are turned in a quarter of the
            time that floats take.
        front: what `find_front` saw in this model.

    Returns:
        The name of what the convolution reads now, of range (-centre, 255 - centre).
    """
    cast, transpose, mul, add, conv = front.nodes
    image, floats, maps = cast.input[0], cast.output[0], transpose.output[0]
    transpose.input[0], transpose.output[0], cast.input[0], cast.output[0] = image, floats, floats, maps
    first = list(model.graph.node).index(cast)
    turned = [onnx.NodeProto.FromString(node.SerializeToString()) for node in (transpose, cast)]
    model.graph.node.remove(transpose)
    model.graph.node.remove(cast)
    for place, node in enumerate(turned):
        model.graph.node.insert(first + place, node)
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    weight = numpy_helper.to_array(constants[conv.input[1]]).astype(np.float64)
    read = channels_read(conv, weight)
    bias = numpy_helper.to_array(constants[conv.input[2]]) if len(conv.input) > 2 else np.zeros(len(weight))
    shifted = front.offset + front.scale * front.centre
    moved = bias + (weight.sum(axis=(2, 3)) * shifted[read]).sum(axis=1)
    scaled = weight * front.scale[read][:, :, None, None]
    names = [f"{conv.name}_bytes_weight", f"{conv.name}_bytes_bias", f"{conv.name}_centre"]
    values = [scaled.astype(np.float32), moved.astype(np.float32), np.float32(front.centre)]
    model.graph.initializer.extend(
        numpy_helper.from_array(np.asarray(v), n) for n, v in zip(names, values, strict=True)
    )
    inputs = [add.output[0], names[0], names[1]]
    del conv.input[:]
    conv.input.extend(inputs)
    add.op_type = "Sub"
    del add.input[:]
    add.input.extend([maps, names[2]])
    model.graph.node.remove(mul)
    return str(add.output[0])


def read_bytes(model: onnx.ModelProto, name: str, signed: bool) -> None:
    """Feed the bytes to the DequantizeLinear without their becoming floats; called after quantisation.

    Args:
        model: quantised, changed in place.
        name: what `fold_front` returned.
        signed: the activations are int8: bytes are moved by 128, which is exact.
    """
    makers = {output: node for node in model.graph.node for output in node.output}
    sub = makers[name]
    cast = makers[sub.input[0]]
    quantise = next(node for node in model.graph.node if node.op_type == "QuantizeLinear" and node.input[0] == name)
    nodes = list(model.graph.node)
    if signed:
        centre = next(t for t in model.graph.initializer if t.name == quantise.input[2])
        zero = f"{name}_byte_zero"
        moved = np.uint8(int(numpy_helper.to_array(centre)) + 128)
        model.graph.initializer.append(numpy_helper.from_array(np.asarray(moved), zero))
        floats = onnx.helper.make_node(
            "DequantizeLinear", [cast.input[0], quantise.input[1], zero], [name], f"{sub.name}_bytes"
        )
        nodes[nodes.index(sub)] = floats
    else:
        for node in nodes:
            for position, used in enumerate(node.input):
                if used == quantise.output[0]:
                    node.input[position] = cast.input[0]
        nodes.remove(sub)
        nodes.remove(quantise)
    nodes.remove(cast)
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(kept)
