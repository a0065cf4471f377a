"""Write a torch module as the bytes of one ONNX model that old and new runtimes can load.

- Opset 18 and IR 10 at most, checked: onnxruntime 1.23, JetPack 6's last, refuses newer ones.
- No metadata: the exporter writes source paths into it, which would leak and make the bytes depend on the folder.
- Pooling over a whole map is written as Global…Pool, which runtimes and quantisers know better than a reduction.
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from torch import nn

from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.base.wording import first_line

OPSET = 18
MAX_IR = 10
ML_OPSET = 3
_POOLS = {"ReduceMean": "GlobalAveragePool", "ReduceMax": "GlobalMaxPool"}


def to_onnx(network: nn.Module, size: tuple[int, int]) -> bytes:
    """Export a module that maps uint8 `[N,H,W,3]` to float32 `[N,D]`.

    Args:
        network: in evaluation mode.
        size: (height, width) of its input, pixels.

    Raises:
        ExportError: torch can't export it, or what came out can't be written for the oldest runtime.
    """
    example = torch.zeros(2, *size, 3, dtype=torch.uint8)
    try:
        with _silenced():
            program = torch.onnx.export(
                network,
                (example,),
                None,
                input_names=["images"],
                output_names=["embeddings"],
                dynamic_shapes={"images": {0: "batch"}},
                opset_version=OPSET,
                verbose=False,
            )
        if program is None:
            raise ExportError("torch exported nothing")
        model = program.model_proto
    except torch.onnx.errors.OnnxExporterError as error:
        raise ExportError(f"torch can't export this network: {first_line(error)}") from error
    _use_global_pools(model)
    return sealed(model, "embedder")


def sealed(model: onnx.ModelProto, name: str) -> bytes:
    """The bytes of a model that says nothing of where it was made, and that the oldest runtime can load.

    Args:
        model: changed in place.
        name: of its graph.

    Raises:
        ExportError: it needs more than the oldest runtime knows.
    """
    _strip(model)
    model.graph.name = name
    _check(model)
    return bytes(model.SerializeToString(deterministic=True))


def _use_global_pools(model: onnx.ModelProto) -> None:
    """Replace means and maxima over axes (2, 3) by global pooling and a flatten."""
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    nodes = []
    for node in model.graph.node:
        if node.op_type in _POOLS and _reduces_maps(node, constants):
            pooled = f"{node.output[0]}_pooled"
            nodes.append(onnx.helper.make_node(_POOLS[node.op_type], [node.input[0]], [pooled], f"{node.name}_pool"))
            nodes.append(onnx.helper.make_node("Flatten", [pooled], list(node.output), node.name, axis=1))
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    used = {name for node in nodes for name in node.input}
    kept = [tensor for tensor in model.graph.initializer if tensor.name in used]
    del model.graph.initializer[:]
    model.graph.initializer.extend(kept)


def _reduces_maps(node: onnx.NodeProto, constants: dict[str, onnx.TensorProto]) -> bool:
    attributes = {attribute.name: onnx.helper.get_attribute_value(attribute) for attribute in node.attribute}
    if attributes.get("keepdims", 1) != 0 or len(node.input) < 2 or node.input[1] not in constants:
        return False
    axes = np.sort(numpy_helper.to_array(constants[node.input[1]]).ravel()).tolist()
    return axes in ([2, 3], [-2, -1])


def _strip(model: onnx.ModelProto) -> None:
    """Remove everything that is not computed: metadata, documentation, shapes of values in between."""
    for holder in (
        model,
        model.graph,
        *model.graph.node,
        *model.graph.initializer,
        *model.graph.input,
        *model.graph.output,
    ):
        del holder.metadata_props[:]
        holder.ClearField("doc_string")
    del model.graph.value_info[:]
    model.producer_name, model.producer_version = "edgefs", ""


def _check(model: onnx.ModelProto) -> None:
    limits = {"": OPSET, "ai.onnx": OPSET, "ai.onnx.ml": ML_OPSET}
    for opset in model.opset_import:
        if opset.version > limits.get(opset.domain, 0):
            raise ExportError(
                f"the model needs opset {opset.version} of {opset.domain or 'ai.onnx'!r}, devices know fewer"
            )
    if model.ir_version > MAX_IR:
        model.ir_version = MAX_IR
    external = [tensor.name for tensor in model.graph.initializer if tensor.data_location == onnx.TensorProto.EXTERNAL]
    if external:
        raise ExportError(f"the model keeps {external[0]} in another file")
    onnx.checker.check_model(model, full_check=True)


@contextlib.contextmanager
def _silenced() -> Iterator[None]:
    """The exporter reports its progress and its doubts about torch itself on every channel there is."""
    logger = logging.getLogger("torch.onnx")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with (
            warnings.catch_warnings(),
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
        ):
            warnings.simplefilter("ignore")
            yield
    finally:
        logger.setLevel(level)
