"""Write a trained head as `head.onnx`: float32 `[N,D]` to `probabilities` or `scores` float32 `[N,C]`."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import helper, numpy_helper

from edgefs_export.onnx.graph import ML_OPSET, OPSET, sealed
from edgefs_runtime.base.errors import ExportError
from edgefs_runtime.base.wording import first_line
from edgefs_runtime.decision.heads import TrainedHead
from edgefs_runtime.decision.heads.trained import PROBABILITIES, SCORES

_INPUT = "embeddings"
_TOLERANCE = 1e-3  # of the largest score: onnxruntime sums in float32, scikit-learn in float64
_TIE = 1e-5  # two scores as near as this may change places


def linear_head_onnx(weight: NDArray[np.floating], bias: NDArray[np.floating]) -> bytes:
    """A linear layer as `head.onnx`: scores `embeddings @ weight.T + bias`.

    Args:
        weight: `[C,D]`, as `torch.nn.Linear` has it.
        bias: `[C]`.

    Raises:
        ExportError: the shapes don't belong together.
    """
    if weight.ndim != 2 or bias.shape != weight.shape[:1]:
        raise ExportError(f"a linear head takes weights [C,D] and biases [C]; got {weight.shape} and {bias.shape}")
    classes, dim = weight.shape
    graph = helper.make_graph(
        [helper.make_node("Gemm", [_INPUT, "weight", "bias"], [SCORES], "linear", transB=1)],
        "head",
        [helper.make_tensor_value_info(_INPUT, onnx.TensorProto.FLOAT, ["batch", dim])],
        [helper.make_tensor_value_info(SCORES, onnx.TensorProto.FLOAT, ["batch", classes])],
        [
            numpy_helper.from_array(np.ascontiguousarray(weight, np.float32), "weight"),
            numpy_helper.from_array(np.ascontiguousarray(bias, np.float32), "bias"),
        ],
    )
    return sealed(helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)]), "head")


def sklearn_head_onnx(classifier: Any, dim: int) -> bytes:
    """A fitted scikit-learn classifier, or a pipeline that ends in one, as `head.onnx`.

    Args:
        classifier: fitted to classes 0 … C−1. One with `predict_proba` gives probabilities, another scores.
        dim: D.

    Raises:
        ExportError: skl2onnx can't convert it, or what came out can't be written for the oldest runtime.
    """
    import skl2onnx
    from skl2onnx.common.data_types import FloatTensorType

    last = classifier.steps[-1][1] if hasattr(classifier, "steps") else classifier
    gives = PROBABILITIES if hasattr(last, "predict_proba") else SCORES
    options = {"zipmap": False} if gives == PROBABILITIES else {"raw_scores": True}
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model = skl2onnx.convert_sklearn(
                classifier,
                initial_types=[(_INPUT, FloatTensorType([None, dim]))],
                options={id(last): options},
                target_opset={"": OPSET, "ai.onnx.ml": ML_OPSET},
            )
    except Exception as error:  # skl2onnx's own errors share no base but Exception
        raise ExportError(f"skl2onnx can't convert {type(last).__name__}: {first_line(error)}") from error
    _keep_scores(model, gives, len(classifier.classes_))
    return sealed(model, "head")


def check_head(head: TrainedHead, expected: NDArray[np.float64], rows: NDArray[np.float32]) -> None:
    """Refuse a head that onnxruntime computes otherwise than what it was exported from.

    Args:
        head: exported and loaded.
        expected: scores `[N,C]` of the original, as `as_scores` makes them.
        rows: `[N,D]`.

    Raises:
        ExportError: a score or a label is another one.
    """
    found = head.scores(rows)
    worst = float(np.abs(found - expected).max(initial=0.0)) / max(1.0, float(np.abs(expected).max(initial=0.0)))
    lost = expected.max(axis=1) - expected[np.arange(len(rows)), found.argmax(axis=1)]
    if not worst <= _TOLERANCE or (lost > _TIE).any():
        raise ExportError(
            f"onnxruntime computes another {head.kind} head than it was exported from: scores differ by up to "
            f"{worst:.1e}, and {int((lost > _TIE).sum())} of {len(rows)} labels; use another --head"
        )


def _keep_scores(model: onnx.ModelProto, name: str, classes: int) -> None:
    """Leave one output, called `name`, and only what it is computed from; skl2onnx adds a label, and repeats opsets."""
    graph = model.graph
    scores = graph.output[1].name
    needed, kept = {scores}, []
    for node in reversed(graph.node):
        if needed & set(node.output):
            needed |= set(node.input)
            kept.append(node)
    for node in kept:
        for place, output in enumerate(node.output):
            if output == scores:
                node.output[place] = name
    nodes = kept[::-1]
    del graph.node[:]
    graph.node.extend(nodes)
    constants = [tensor for tensor in graph.initializer if tensor.name in needed]
    del graph.initializer[:]
    graph.initializer.extend(constants)
    del graph.output[:]
    graph.output.append(helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, ["batch", classes]))
    graph.input[0].type.tensor_type.shape.dim[0].dim_param = "batch"
    opsets = {opset.domain: OPSET if opset.domain == "" else opset.version for opset in model.opset_import}
    del model.opset_import[:]
    model.opset_import.extend(helper.make_opsetid(domain, opsets[domain]) for domain in sorted(opsets))
