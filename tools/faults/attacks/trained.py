"""Trained heads that answer nonsense, and self-tests that agree with them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import heads
import numpy as np

from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import embed_each
from faults.attacks.making import Attack


def _head(change: Callable[..., object], **entry: object) -> Attack:
    """The bundle with a changed head, whose self-test was recorded by it where it runs at all."""

    def write(folder: Path) -> Path:
        import onnx

        model = onnx.load_from_string(heads.ONNX.read_bytes())
        change(onnx, model)
        path, data = folder / "attack.edgefs", model.SerializeToString()
        try:
            return heads.with_head(path, heads.model(onnx=data), **entry)
        except Exception:  # then the self-test is the whole head's, and the refusal must come before it
            return heads.with_head(path, heads.model(), onnx=data, **entry)

    return write


def _weights(value: float) -> Attack:
    def change(onnx: object, model: object) -> None:
        for weights in model.graph.initializer:
            array = onnx.numpy_helper.to_array(weights)
            if array.dtype == np.float32:
                filled = onnx.numpy_helper.from_array(np.full_like(array, value), weights.name)
                weights.CopyFrom(filled)

    return _head(change)


def _external(onnx: object, model: object) -> None:
    weights = model.graph.initializer[0]
    weights.ClearField("raw_data")
    weights.ClearField("float_data")
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="etc/passwd")


def _nan_elsewhere(onnx: object, model: object) -> None:
    """Whole for every image that the head was trained with and for the self-test, NaN for what is like none of them."""
    bundle = Bundle.open(heads.TINY)
    rows = heads.seed_of(bundle).rows.reshape(-1, 96)
    tested = embed_each(OnnxEmbedder(bundle.model, threads=1), Golden.from_bytes(bundle.golden).inputs)
    known = np.concatenate([rows, tested]).astype(np.float32)
    graph, (output,) = model.graph, model.graph.output
    for node in graph.node:
        node.output[:] = ["answer" if name == output.name else name for name in node.output]
    for name, array in {"known": known.T, "near": np.float32(0.9999), "none": np.float32(0)}.items():
        graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(array), name))
    steps = (
        ("MatMul", [graph.input[0].name, "known"], "alike"),
        ("ReduceMax", ["alike"], "most"),
        ("Sub", ["most", "near"], "over"),
        ("Log", ["over"], "logarithm"),
        ("Mul", ["logarithm", "none"], "nan"),
        ("Add", ["answer", "nan"], output.name),
    )
    for kind, inputs, made in steps:
        axes = {"axes": [1]} if kind == "ReduceMax" and model.opset_import[0].version < 18 else {}
        graph.node.append(onnx.helper.make_node(kind, inputs, [made], **axes))
    if model.opset_import[0].version >= 18:
        graph.initializer.append(onnx.numpy_helper.from_array(np.array([1]), "axes"))
        graph.node[-5].input.append("axes")


def _nothing(_onnx: object, _model: object) -> None:
    pass


TRAINED: dict[str, Attack] = {
    "head: weights of NaN": _weights(np.nan),
    "head: weights of infinity": _weights(np.inf),
    "head: weights of 1e38": _weights(1e38),
    "head: NaN for other images": _head(_nan_elsewhere),
    "head: external data of the system": _head(_external),
    "head: no graph": _head(lambda _onnx, model: model.ClearField("graph")),
    "head: no output": _head(lambda _onnx, model: model.graph.ClearField("output")),
    "head: two outputs of one name": _head(lambda _onnx, model: model.graph.output.append(model.graph.output[0])),
    "head: labels of numbers": _head(_nothing, labels=[1, 2, 3]),
    "head: labels of others": _head(_nothing, labels=["a", "b", "c"]),
    "head: one label": _head(_nothing, labels=["good"]),
    "head: a temperature of nothing": _head(_nothing, temperature=0),
    "head: a temperature of NaN": _head(_nothing, temperature=float("nan")),
    "head: a margin of 5": _head(_nothing, safe_margin=5),
    "head: a kind of 1,000 characters": _head(_nothing, kind="x\n" * 500),
}
