"""Networks of strangers: each is refused before onnxruntime sees it, and everything that edgefs exports passes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from heads import ONNX

from edgefs_runtime import Bundle, BundleError
from edgefs_runtime.base.onnx_gate import MOST_NODES, refuse_strange_network
from edgefs_runtime.embedders.onnx import OnnxEmbedder

onnx = pytest.importorskip("onnx")
make = onnx.helper.make_node


def spoilt(bundle: Path, change: Callable[[Any], object]) -> bytes:
    model = onnx.load_from_string(Bundle.open(bundle).model)
    change(model)
    content: bytes = model.SerializeToString()
    return content


def external(model: Any) -> None:
    weights = model.graph.initializer[0]
    weights.data_location = onnx.TensorProto.EXTERNAL
    weights.external_data.add(key="location", value="etc/passwd")


def external_in_a_constant(model: Any) -> None:
    external(model)
    moved = onnx.TensorProto()
    moved.CopyFrom(model.graph.initializer[0])
    del model.graph.initializer[0]
    model.graph.node.insert(0, make("Constant", [], [moved.name], value=moved))


def location_without_the_flag(model: Any) -> None:
    model.graph.initializer[0].external_data.add(key="location", value="etc/passwd")


def branch(model: Any) -> None:
    body = onnx.helper.make_graph([make("Identity", ["x"], ["y"])], "body", [], [])
    model.graph.node.append(make("If", ["yes"], ["y"], then_branch=body, else_branch=body))


def graph_in_another_operator(model: Any) -> None:
    model.graph.node[0].attribute.append(onnx.helper.make_attribute("body", onnx.GraphProto(name="body")))


def of_function(model: Any) -> None:
    body = [make("Identity", ["x"], ["y"])]
    opset = [onnx.helper.make_opsetid("", 18)]
    model.functions.append(onnx.helper.make_function("", "Relu", ["x"], ["y"], body, opset))


def many(model: Any) -> None:
    model.graph.node.extend(make("Identity", [f"v{n}"], [f"v{n + 1}"]) for n in range(MOST_NODES + 1))


def shaped(dims: list[Any]) -> Callable[[Any], None]:
    return lambda model: model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("embeddings", 1, dims))


def giant(model: Any) -> None:
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.int64([10**9, 10**9]), "to"))
    model.graph.node.append(make("Tile", ["embeddings", "to"], ["more"]))


STRANGE: dict[str, tuple[Callable[[Any], object], str]] = {
    "external data": (external, "keeps weights in another file"),
    "external data of a constant": (external_in_a_constant, "keeps weights in another file"),
    "a location without the flag": (location_without_the_flag, "keeps weights in another file"),
    "If": (branch, "'If', which runs another graph|holds a graph in a graph"),
    "a graph where none belongs": (graph_in_another_operator, "holds a graph in a graph"),
    "a function": (of_function, "functions of its own"),
    "many nodes": (many, "nodes, at most 5,000"),
    "a custom operator": (lambda m: m.graph.node.append(make("Evil", ["a"], ["b"], domain="evil")), "'evil' 'Evil'"),
    "Microsoft's own": (
        lambda m: m.graph.node.append(make("Inverse", ["a"], ["b"], domain="com.microsoft")),
        "'com.microsoft' 'Inverse'",
    ),
    "weights larger than the file": (lambda m: m.graph.initializer[0].dims.append(10**12), "their shape says"),
    "weights of a negative size": (lambda m: m.graph.initializer[0].dims.append(-1), "impossible shape"),
    "an output of any width": (shaped(["batch", "D"]), "width is no number"),
    "an output without end": (shaped(["batch", 10**15]), "width is no number"),
    "an output of one dimension": (shaped([96]), "1 dimensions"),
    "no output": (lambda m: m.graph.ClearField("output"), "0 outputs"),
    "an array without end": (giant, "makes an array of 1,000,000,000,000,000,000 numbers"),
}


@pytest.mark.parametrize("name", STRANGE)
def test_a_strange_network_is_refused_in_one_line(name: str, bundle: Path) -> None:
    change, told = STRANGE[name]
    with pytest.raises(BundleError, match=told) as refused:
        OnnxEmbedder(spoilt(bundle, change))
    assert "\n" not in str(refused.value)


def test_a_file_that_ends_anywhere_is_no_network(bundle: Path) -> None:
    whole = Bundle.open(bundle).model
    for size in (*range(0, 400, 7), len(whole) - 1):
        with pytest.raises(BundleError, match=r"can't load embedder\.onnx|outputs"):
            refuse_strange_network(whole[:size], "embedder.onnx")


def test_a_network_that_makes_another_width_than_it_says_is_refused(bundle: Path) -> None:
    model = spoilt(bundle, shaped(["batch", 95]))
    with pytest.raises(BundleError, match=r"makes \(1, 96\), expected \(1, 95\)|can't load"):
        OnnxEmbedder(model).embed(np.zeros((1, 32, 32, 3), np.uint8))


def test_a_whole_network_passes_as_bytes_and_as_a_file_in_memory(bundle: Path) -> None:
    opened = Bundle.open(bundle)
    assert refuse_strange_network(opened.model, "embedder.onnx") == 96
    assert refuse_strange_network(opened.model_file, "embedder.onnx") == 96
    assert refuse_strange_network(ONNX.read_bytes(), "head.onnx") == 3


def test_numbers_of_a_forest_are_stepped_over(bundle: Path) -> None:
    numbers = [2**63 - 1, -1, 0, 300] * 100_000

    def change(model: Any) -> None:
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("ids", numbers))
        model.graph.node[0].attribute.append(onnx.helper.make_attribute("values", [0.5] * 100_000))

    model = spoilt(bundle, change)
    assert refuse_strange_network(model, "embedder.onnx") == 96
