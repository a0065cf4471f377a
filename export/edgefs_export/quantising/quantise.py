"""A float32 embedding network in int8, for the processor that will run it.

- `cpu`: onnxruntime on x86. Unsigned activations with a zero point, weights with a step for each output channel. `avx2`
  spares weights a bit: without VNNI, two products of 8 bits are added in 16, and overflow.
- `arm`: onnxruntime on Arm. Signed activations, which its dot-product instructions take.
- `tensorrt`: symmetric, no zero point, no quantised bias, placed by NVIDIA's rules (`tensorrt_placement`, `rules`).

What stays in float: pooling to one number a channel by averages, the normalisation of stages, the projection, gates
over one pixel, and what the caller names.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Any, Literal

import numpy as np
import onnx

from edgefs_calibration.int8.equalising import equalised
from edgefs_calibration.int8.ranges import Ranges
from edgefs_export.onnx.graph import sealed
from edgefs_export.quantising.biases import correct_biases
from edgefs_export.quantising.body import between, convolutions, map_shapes
from edgefs_export.quantising.front import find_front, fold_front, read_bytes
from edgefs_export.quantising.tensorrt_placement import place_skips
from edgefs_runtime.base.errors import ExportError

Target = Literal["cpu", "arm", "tensorrt"]
Isa = Literal["vnni", "avx2"]

_FULL, _REDUCED = 127, 64  # largest quantised weight


def quantise(
    model: bytes, ranges: Ranges, target: Target, *, isa: Isa = "vnni", in_float: Collection[str] = ()
) -> bytes:
    """Quantise a network that `to_onnx` exported.

    Args:
        model: float32, maps uint8 `[N,H,W,3]` to float32 `[N,D]`.
        ranges: of this very model.
        target: what will run it.
        isa: what an x86 processor can do; `vnni` for any since about 2019 (AVX512-VNNI or AVX-VNNI).
        in_float: names of nodes that stay in float, such as those of some `segments`.

    Raises:
        ExportError: the ranges are another model's, or nothing is left to quantise.
    """
    proto = equalised(onnx.load_from_string(model), ranges.scales)
    chosen = [node.name for node in convolutions(proto) if node.name not in in_float]
    if not chosen:
        raise ExportError("nothing is left to quantise: every convolution stays in float")
    unknown = [node.input[0] for node in proto.graph.node if node.name in chosen and node.input[0] not in ranges]
    if unknown:
        raise ExportError(f"the ranges are another model's: they lack {unknown[0]!r}; calibrate this model")
    spans = dict(ranges)
    levels = _REDUCED if target == "cpu" and isa == "avx2" else _FULL
    correct_biases(proto, chosen, ranges.means, levels)
    if target == "tensorrt":
        quantised = _insert(proto, chosen, spans, _TENSORRT, signed=True, reduced=False)
        place_skips(quantised, spans)
    else:
        quantised = _for_onnxruntime(proto, chosen, spans, in_float, signed=target == "arm", reduced=levels == _REDUCED)
    return sealed(quantised, "embedder")


def _for_onnxruntime(
    proto: onnx.ModelProto,
    chosen: list[str],
    spans: dict[str, tuple[float, float]],
    in_float: Collection[str],
    *,
    signed: bool,
    reduced: bool,
) -> onnx.ModelProto:
    front = find_front(proto)
    bytes_name = None
    if front is not None and front.nodes[-1].name in chosen:
        centre = front.centre
        bytes_name = fold_front(proto, front)
        spans[bytes_name] = (-centre, 255 - centre)
    ends = {name for node in proto.graph.node if node.name in chosen for name in (node.input[0], node.output[0])}
    inner = [node for node in between(proto, ends) if node.name not in in_float]
    _pool_in_integers(proto, inner)
    _share_ranges_of_concats(inner, spans)
    quantised = _insert(proto, [*chosen, *(node.name for node in inner)], spans, {}, signed=signed, reduced=reduced)
    if bytes_name is not None:
        read_bytes(quantised, bytes_name, signed)
    return quantised


# For TensorRT: https://docs.nvidia.com/deeplearning/tensorrt/latest/inference-library/work-quantized-types.html
_TENSORRT = {
    "ActivationSymmetric": True,
    "QuantizeBias": False,
    "AddQDQPairToWeight": True,
    "OpTypesToExcludeOutputQuantization": ["Conv"],
}


def _insert(
    proto: onnx.ModelProto,
    names: Iterable[str],
    spans: dict[str, tuple[float, float]],
    options: dict[str, Any],
    *,
    signed: bool,
    reduced: bool,
) -> onnx.ModelProto:
    """Q/DQ pairs around the nodes called `names`, by onnxruntime's own quantiser."""
    from onnxruntime.quantization import CalibrationMethod, QuantType
    from onnxruntime.quantization.calibrate import TensorData, TensorsData
    from onnxruntime.quantization.qdq_quantizer import QDQQuantizer

    data = {name: TensorData(lowest=np.float32(low), highest=np.float32(high)) for name, (low, high) in spans.items()}
    wanted = set(names)
    kinds = sorted({node.op_type for node in proto.graph.node if node.name in wanted})
    quantiser = QDQQuantizer(
        onnx.shape_inference.infer_shapes(proto),
        per_channel=True,
        reduce_range=reduced,
        weight_qType=QuantType.QInt8,
        activation_qType=QuantType.QInt8 if signed else QuantType.QUInt8,
        tensors_range=TensorsData(CalibrationMethod.MinMax, data),
        nodes_to_quantize=sorted(wanted),
        nodes_to_exclude=[],
        op_types_to_quantize=kinds,
        extra_options=options,
    )
    quantiser.quantize_model()
    quantiser.model.topological_sort()
    model: onnx.ModelProto = quantiser.model.model
    return model


def _pool_in_integers(proto: onnx.ModelProto, inner: Iterable[onnx.NodeProto]) -> None:
    """A largest value is the same before and behind a monotone map, but no runtime has a GlobalMaxPool of integers."""
    shapes = map_shapes(proto)
    for node in inner:
        if node.op_type == "GlobalMaxPool":
            node.op_type = "MaxPool"
            node.attribute.append(onnx.helper.make_attribute("kernel_shape", shapes[node.input[0]][1:]))


def _share_ranges_of_concats(inner: Iterable[onnx.NodeProto], spans: dict[str, tuple[float, float]]) -> None:
    """Maps of one range are joined by copying, and rounded once."""
    for node in inner:
        if node.op_type == "Concat":
            for name in node.input:
                spans[name] = spans[node.output[0]]
