"""float16 weights and maps, for GPUs and for half the bytes; bytes in and float32 out stay as they are.

What float16 can't hold stays in float32: its smallest normal number is 6e-5 and its largest 65504. So do the nodes from
a stage's map to the embedding: a length squared overflows from values of a few hundred on, and the 1e-12 that keeps a
length from being zero would itself become zero. The camera's front is float32 too where its constants ask for it.
"""

from __future__ import annotations

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgefs_export.onnx.graph import sealed
from edgefs_export.quantising.body import map_shapes
from edgefs_runtime.base.errors import ExportError

_SMALLEST, _LARGEST = 6.104e-05, 65504.0  # normal numbers of float16
_LENGTHS = ("ReduceL2", "ReduceSumSquare", "LpNormalization", "Pow", "Sqrt", "Exp", "Log", "ReduceSum")


def to_fp16(model: bytes) -> bytes:
    """A float32 network in float16.

    Args:
        model: maps uint8 `[N,H,W,3]` to float32 `[N,D]`.

    Returns:
        A model of the same input and output, its nodes sorted so that each comes behind what it reads.

    Raises:
        ExportError: it is quantised, or has nothing that float16 suits.
    """
    from onnxruntime.quantization.onnx_model import ONNXModel
    from onnxruntime.transformers.float16 import convert_float_to_float16

    proto = onnx.load_from_string(model)
    if any(node.op_type in ("QuantizeLinear", "DequantizeLinear") for node in proto.graph.node):
        raise ExportError("an int8 model can't be made float16; start from the float32 one")
    kept = _kept_in_float32(proto)
    if len(kept) == len(proto.graph.node):
        raise ExportError("nothing in this network can be computed in float16")
    # onnxruntime's copy is the maintained one: onnxconverter-common's shares no initialiser between precisions.
    converted = convert_float_to_float16(
        onnx.shape_inference.infer_shapes(proto), keep_io_types=True, node_block_list=kept, op_block_list=[]
    )
    sorted_model = ONNXModel(converted)
    sorted_model.topological_sort()
    _name_nodes(sorted_model.model)
    return sealed(sorted_model.model, "embedder")


def _kept_in_float32(proto: onnx.ModelProto) -> list[str]:
    """Names of the nodes that float16 would spoil, and of all that only vectors pass through."""
    shapes = map_shapes(proto)
    constants = {tensor.name: np.asarray(numpy_helper.to_array(tensor)) for tensor in proto.graph.initializer}
    kept = []
    for node in proto.graph.node:
        on_maps = any(name in shapes for name in (*node.input, *node.output))
        fits = all(_fits(constants[name]) for name in node.input if name in constants and node.op_type != "Conv")
        if not on_maps or not fits or node.op_type in _LENGTHS or node.op_type in ("Shape", "Cast", "Range", "Gather"):
            kept.append(node.name)
    return kept


def _fits(values: NDArray[np.generic]) -> bool:
    if values.dtype != np.float32:
        return True
    sizes = np.abs(values[values != 0].astype(np.float64))
    return bool(((sizes >= _SMALLEST) & (sizes <= _LARGEST)).all())


def _name_nodes(model: onnx.ModelProto) -> None:
    """The casts that were put in have names of their own, once each."""
    seen: set[str] = set()
    for place, node in enumerate(model.graph.node):
        if not node.name or node.name in seen:
            node.name = f"{node.op_type}_{place}"
        seen.add(node.name)
