"""Whether an int8 file obeys TensorRT's rules of explicit quantisation, since no TensorRT need be at hand to ask.

NVIDIA, "Working with Quantized Types" (documentation of TensorRT 10 and 11): Q/DQ pairs of int8, symmetric, with
constant positive scales, one for a map and one for each output channel of a weight; no quantised bias; a convolution
has both operands quantised or neither; of a residual addition the skip alone. And uint8 feeds a Cast alone
(NVIDIA/TensorRT issue 3985).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import TensorProto, numpy_helper

_QUANTISE, _DEQUANTISE = "QuantizeLinear", "DequantizeLinear"
_PAIR = (_QUANTISE, _DEQUANTISE)
_OLDEST_OPSET = 13  # with scales for each channel


class _Graph:
    """What the rules look things up in."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        self.nodes = list(model.graph.node)
        self.constants: dict[str, NDArray[np.generic]] = {
            tensor.name: numpy_helper.to_array(tensor) for tensor in model.graph.initializer
        }
        self.maker = {name: node for node in self.nodes for name in node.output}
        self.readers: dict[str, list[onnx.NodeProto]] = {}
        for node in self.nodes:
            for name in node.input:
                self.readers.setdefault(name, []).append(node)

    def pairs(self) -> Iterator[onnx.NodeProto]:
        """Every quantise and dequantise node."""
        return (node for node in self.nodes if node.op_type in _PAIR)

    def made_by(self, name: str, kind: str) -> bool:
        """Whether a value comes out of a node of a kind."""
        return name in self.maker and self.maker[name].op_type == kind

    def is_weight(self, node: onnx.NodeProto) -> bool:
        """Whether a quantise or dequantise node is about a constant."""
        source = node.input[0]
        return source in self.constants or (self.made_by(source, _QUANTISE) and self.is_weight(self.maker[source]))


def check_tensorrt(model: bytes) -> list[str]:
    """Every breach of a rule, in a sentence; empty where TensorRT will take the file as it is meant.

    Args:
        model: ONNX, with Q/DQ nodes or without.
    """
    graph = _Graph(onnx.load_from_string(model))
    return [breach for rule in _RULES for breach in rule(graph)]


def _standard_operators(graph: _Graph) -> Iterator[str]:
    for opset in graph.model.opset_import:
        if opset.domain in ("", "ai.onnx") and opset.version < _OLDEST_OPSET:
            yield f"opset {opset.version}: scales of channels need {_OLDEST_OPSET}"
    for node in graph.nodes:
        if node.domain not in ("", "ai.onnx"):
            yield f"{node.name}: {node.op_type} of {node.domain} is unknown to TensorRT"


def _bytes_are_cast(graph: _Graph) -> Iterator[str]:
    for value in graph.model.graph.input:
        if value.type.tensor_type.elem_type == TensorProto.UINT8:
            for node in graph.readers.get(value.name, ()):
                if node.op_type not in ("Cast", "Shape"):
                    yield f"{node.name}: reads the uint8 input, which a Cast alone may"


def _symmetric_int8(graph: _Graph) -> Iterator[str]:
    for node in graph.pairs():
        zero = graph.constants.get(node.input[2]) if len(node.input) > 2 and node.input[2] else None
        if zero is None:
            yield f"{node.name}: has no constant zero point, so its type is not int8"
        elif zero.dtype != np.int8:
            yield f"{node.name}: is {zero.dtype}, not int8"
        elif np.any(zero):
            yield f"{node.name}: its zero point is not 0"


def _constant_scales(graph: _Graph) -> Iterator[str]:
    for node in graph.pairs():
        scale = graph.constants.get(node.input[1])
        if scale is None:
            yield f"{node.name}: its scale is not a constant"
        elif not (np.all(np.isfinite(scale)) and np.all(scale > np.zeros((), scale.dtype))):
            yield f"{node.name}: its scale is not positive"


def _scales_of_channels(graph: _Graph) -> Iterator[str]:
    for node in graph.pairs():
        scale = graph.constants.get(node.input[1])
        if scale is None or scale.size == 1:
            continue
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 1)
        if not graph.is_weight(node):
            yield f"{node.name}: a map has one scale, not {scale.size}"
            continue
        source = node.input[0]
        source = graph.maker[source].input[0] if source in graph.maker else source
        if axis != 0 or scale.size != graph.constants[source].shape[0]:
            yield f"{node.name}: a weight has a scale for each output channel, on axis 0"


def _pairs_belong_together(graph: _Graph) -> Iterator[str]:
    outputs = {value.name for value in graph.model.graph.output}
    for node in graph.pairs():
        if node.op_type == _QUANTISE:
            readers = graph.readers.get(node.output[0], [])
            if not readers or node.output[0] in outputs or any(one.op_type != _DEQUANTISE for one in readers):
                yield f"{node.name}: what it gives is read by something else than a DequantizeLinear"
        elif not graph.made_by(node.input[0], _QUANTISE):
            if node.input[0] not in graph.constants:
                yield f"{node.name}: reads neither a QuantizeLinear nor a constant"
            elif graph.constants[node.input[0]].dtype != np.int8:
                yield f"{node.name}: its constant is {graph.constants[node.input[0]].dtype}, not int8"
        elif any(not _same(graph, one, other) for one, other in zip(node.input[1:], _of(graph, node), strict=False)):
            yield f"{node.name}: scale or zero point are not those of its QuantizeLinear"


def _of(graph: _Graph, dequantise: onnx.NodeProto) -> list[str]:
    return list(graph.maker[dequantise.input[0]].input[1:])


def _same(graph: _Graph, one: str, other: str) -> bool:
    if one == other:
        return True
    return (
        one in graph.constants
        and other in graph.constants
        and np.array_equal(graph.constants[one], graph.constants[other])
    )


def _no_quantised_bias(graph: _Graph) -> Iterator[str]:
    for node in graph.nodes:
        has_bias = node.op_type in ("Conv", "ConvTranspose", "Gemm") and len(node.input) > 2
        if has_bias and graph.made_by(node.input[2], _DEQUANTISE):
            yield f"{node.name}: its bias is quantised"


def _both_operands(graph: _Graph) -> Iterator[str]:
    for node in graph.nodes:
        if node.op_type in ("Conv", "ConvTranspose", "Gemm", "MatMul"):
            quantised = [graph.made_by(name, _DEQUANTISE) for name in node.input[:2]]
            if any(quantised) and not all(quantised):
                which = "weight" if quantised[0] else "map"
                yield f"{node.name}: its {which} is not quantised, so the layer runs in float"


def _skips(graph: _Graph) -> Iterator[str]:
    """Skip connections to quantise: those whose branch ends in an int8 convolution; an addition of floats stays one."""
    for node in graph.nodes:
        if node.op_type != "Add" or any(name in graph.constants for name in node.input):
            continue
        quantised = [graph.made_by(name, _DEQUANTISE) for name in node.input]
        branches = [_is_int8_convolution(graph, name) for name in node.input]
        behind = [
            made and _is_int8_convolution(graph, _before(graph, name))
            for made, name in zip(quantised, node.input, strict=True)
        ]
        if all(quantised):
            yield f"{node.name}: both operands of a residual addition are quantised; the skip alone should be"
        elif any(branches) and not any(quantised):
            yield f"{node.name}: the skip of a residual addition is not quantised"
        elif any(behind) and not any(branches):
            yield f"{node.name}: the branch of a residual addition is quantised, and not the skip"


def _before(graph: _Graph, name: str) -> str:
    quantise = graph.maker.get(graph.maker[name].input[0])
    return quantise.input[0] if quantise is not None else name


def _is_int8_convolution(graph: _Graph, name: str) -> bool:
    return graph.made_by(name, "Conv") and graph.made_by(graph.maker[name].input[0], _DEQUANTISE)


_RULES: tuple[Callable[[_Graph], Iterator[str]], ...] = (
    _standard_operators,
    _bytes_are_cast,
    _symmetric_int8,
    _constant_scales,
    _scales_of_channels,
    _pairs_belong_together,
    _no_quantised_bias,
    _both_operands,
    _skips,
)
