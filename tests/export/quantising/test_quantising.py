"""Files in int8 and float16: what they compute, and whether TensorRT's rules are kept, with every breach planted."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgefs_runtime.base.errors import DataError, ExportError
from edgefs_runtime.embedders.onnx import OnnxEmbedder

pytest.importorskip("torch", reason="the workstation part is not installed")

from edgefs.backbones import Backbone, architecture
from edgefs.embedding.network import EmbeddingNetwork, EmbeddingPlan
from edgefs.render import render_training_image
from edgefs_calibration.int8.ranges import RANGE_ESTIMATORS, collect_ranges
from edgefs_export.onnx.graph import to_onnx
from edgefs_export.quantising import check_tensorrt, cosine, interleaved, quantise, segments, sqnr, to_fp16

SIZE = 64


def pictures(count: int, first: int = 0) -> np.ndarray:
    return np.stack([render_training_image(np.random.default_rng(n), SIZE) for n in range(first, first + count)])


@pytest.fixture(scope="module")
def model() -> bytes:
    """A residual network with seeded values."""
    import torch

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        backbone = Backbone("resnet18", architecture("resnet18"), SIZE, "seeded for tests", "0" * 64)
    network = EmbeddingNetwork(backbone, EmbeddingPlan.all_stages(backbone, (SIZE, SIZE))).eval()
    return to_onnx(network, (SIZE, SIZE))


@pytest.fixture(scope="module")
def for_tensorrt(model: bytes) -> bytes:
    return quantise(model, collect_ranges(model, pictures(8)), "tensorrt")


@pytest.mark.parametrize("estimator", RANGE_ESTIMATORS)
def test_int8_points_where_float32_points(model: bytes, estimator: str) -> None:
    asked = pictures(6, first=100)
    expected = OnnxEmbedder(model).embed(asked)
    ranges = collect_ranges(model, pictures(12), estimator)
    for target in ("cpu", "arm"):
        found = OnnxEmbedder(quantise(model, ranges, target)).embed(asked)
        assert cosine(expected, found) > 0.99, target
        assert sqnr(expected, found) > 15, target


def test_with_everything_but_the_stem_in_float_the_noise_is_less(model: bytes) -> None:
    asked, parts = pictures(6, first=100), segments(model)
    expected, ranges = OnnxEmbedder(model).embed(asked), collect_ranges(model, pictures(8))
    rest = {name for part in parts[1:] for name in part}
    noise = [
        sqnr(expected, OnnxEmbedder(quantise(model, ranges, "cpu", isa="avx2", in_float=left)).embed(asked))
        for left in ((), rest)
    ]
    assert noise[1] > noise[0] + 3
    with pytest.raises(ExportError, match="nothing is left to quantise"):
        quantise(model, ranges, "cpu", in_float={name for part in parts for name in part})


def test_segments_are_contiguous_and_hold_every_convolution_once(model: bytes) -> None:
    order = [node.name for node in onnx.load_from_string(model).graph.node]
    convolutions = [node.name for node in onnx.load_from_string(model).graph.node if node.op_type == "Conv"]
    parts = segments(model)
    assert 3 <= len(parts) <= 20
    assert sorted(name for part in parts for name in part if name in convolutions) == sorted(convolutions)
    places = [order.index(name) for part in parts for name in part]
    assert places == sorted(places)


@pytest.mark.parametrize("estimator", RANGE_ESTIMATORS)
def test_the_same_images_in_another_order_give_the_same_bytes(model: bytes, estimator: str) -> None:
    images = pictures(10)
    first, again = (quantise(model, collect_ranges(model, one, estimator), "cpu") for one in (images, images[::-1]))
    assert first == again


def test_half_precision_is_half_as_large_and_as_good(model: bytes) -> None:
    half, asked = to_fp16(model), pictures(6, first=100)
    assert len(half) < 0.55 * len(model)
    assert cosine(OnnxEmbedder(model).embed(asked), OnnxEmbedder(half).embed(asked)) > 0.99999
    with pytest.raises(ExportError, match="start from the float32 one"):
        to_fp16(quantise(model, collect_ranges(model, pictures(8)), "cpu"))


def test_timing_names_every_model(model: bytes) -> None:
    found = interleaved({"a": model, "b": model}, (1, SIZE, SIZE, 3), rounds=3)
    assert set(found) == {"a", "b"}
    assert all(seconds > 0 for seconds in found.values())


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (pictures(7), "8"),
        (np.zeros((8, 32, 32, 3), np.uint8), "64"),
        (np.repeat(pictures(1), 8, axis=0), "alike"),
    ],
    ids=["few", "another size", "all alike"],
)
def test_images_that_can_not_be_calibrated_on(model: bytes, images: np.ndarray, words: str) -> None:
    with pytest.raises((DataError, ExportError), match=words) as caught:
        collect_ranges(model, images)
    assert "\n" not in str(caught.value)


def test_ranges_of_another_model_are_refused(model: bytes) -> None:
    ranges = collect_ranges(model, pictures(8))
    renamed = onnx.load_from_string(model)
    for node in renamed.graph.node:
        for names in (node.input, node.output):
            for place, name in enumerate(names):
                if name not in ("images", "embeddings") and name not in {t.name for t in renamed.graph.initializer}:
                    names[place] = f"{name}_other"
    with pytest.raises(ExportError, match="another model"):
        quantise(renamed.SerializeToString(), ranges, "cpu")


# What follows breaks one rule of TensorRT's each.


def _first(model: onnx.ModelProto, kind: str, weight: bool) -> onnx.NodeProto:
    """A quantise or dequantise node of a weight, or of a map."""
    constants = {tensor.name for tensor in model.graph.initializer}
    makers = {name: node for node in model.graph.node for name in node.output}

    def is_weight(node: onnx.NodeProto) -> bool:
        source = node.input[0]
        return source in constants or (source in makers and makers[source].input[0] in constants)

    return next(node for node in model.graph.node if node.op_type == kind and is_weight(node) == weight)


def _constant(model: onnx.ModelProto, name: str, value: object) -> str:
    model.graph.initializer.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def _replace(model: onnx.ModelProto, name: str, value: object) -> None:
    tensor = next(tensor for tensor in model.graph.initializer if tensor.name == name)
    tensor.CopyFrom(numpy_helper.from_array(np.asarray(value), name))


def _reader(model: onnx.ModelProto, name: str) -> onnx.NodeProto:
    return next(node for node in model.graph.node if name in node.input)


def zero_point(model: onnx.ModelProto) -> None:
    _replace(model, _first(model, "QuantizeLinear", False).input[2], np.int8(3))


def unsigned(model: onnx.ModelProto) -> None:
    _replace(model, _first(model, "QuantizeLinear", False).input[2], np.uint8(0))


def no_zero_point(model: onnx.ModelProto) -> None:
    del _first(model, "QuantizeLinear", False).input[2]


def negative_scale(model: onnx.ModelProto) -> None:
    _replace(model, _first(model, "QuantizeLinear", False).input[1], np.float32(-0.1))


def computed_scale(model: onnx.ModelProto) -> None:
    node = _first(model, "QuantizeLinear", False)
    model.graph.node.insert(0, helper.make_node("Identity", [node.input[1]], ["computed"], "computing"))
    node.input[1] = "computed"


def channels_of_a_map(model: onnx.ModelProto) -> None:
    node = _first(model, "QuantizeLinear", False)
    node.input[1] = _constant(model, "many", np.full(3, 0.1, np.float32))


def wrong_axis(model: onnx.ModelProto) -> None:
    node = _first(model, "DequantizeLinear", True)
    del node.attribute[:]
    node.attribute.append(helper.make_attribute("axis", 1))


def half_a_pair(model: onnx.ModelProto) -> None:
    node = _first(model, "QuantizeLinear", False)
    model.graph.node.append(helper.make_node("Cast", [node.output[0]], ["stray"], "straying", to=TensorProto.FLOAT))


def other_scale(model: onnx.ModelProto) -> None:
    node = _first(model, "DequantizeLinear", False)
    node.input[1] = _constant(model, "other", np.float32(0.7))


def no_source(model: onnx.ModelProto) -> None:
    node = _first(model, "DequantizeLinear", False)
    quantise_node = next(one for one in model.graph.node if node.input[0] in one.output)
    node.input[0] = quantise_node.input[0]


def quantised_bias(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv" and len(node.input) > 2)
    names = [
        _constant(model, "bias32", np.zeros(4, np.int32)),
        _constant(model, "bias_scale", np.float32(1)),
        _constant(model, "bias_zero", np.int8(0)),
    ]
    model.graph.node.insert(0, helper.make_node("DequantizeLinear", names, ["bias_float"], "bias_dq"))
    conv.input[2] = "bias_float"


def weight_in_float(model: onnx.ModelProto) -> None:
    conv = next(node for node in model.graph.node if node.op_type == "Conv")
    conv.input[1] = _constant(model, "float_weight", np.zeros((64, 3, 7, 7), np.float32))


def _residual(model: onnx.ModelProto) -> tuple[onnx.NodeProto, int]:
    """An addition of two maps, and which of its operands is the quantised skip."""
    makers = {name: node for node in model.graph.node for name in node.output}
    for node in model.graph.node:
        if node.op_type == "Add" and all(name in makers for name in node.input):
            kinds = [makers[name].op_type for name in node.input]
            if "DequantizeLinear" in kinds and "Conv" in kinds:
                return node, kinds.index("DequantizeLinear")
    raise AssertionError("no residual addition in the file")


def _pair_behind(model: onnx.ModelProto, name: str) -> str:
    scale, zero = _constant(model, "pair_scale", np.float32(0.1)), _constant(model, "pair_zero", np.int8(0))
    model.graph.node.extend(
        [
            helper.make_node("QuantizeLinear", [name, scale, zero], ["pair_q"], "pair_quantise"),
            helper.make_node("DequantizeLinear", ["pair_q", scale, zero], ["pair_dq"], "pair_dequantise"),
        ]
    )
    return "pair_dq"


def both_operands_of_a_sum(model: onnx.ModelProto) -> None:
    add, skip = _residual(model)
    add.input[1 - skip] = _pair_behind(model, add.input[1 - skip])


def skip_in_float(model: onnx.ModelProto) -> None:
    add, skip = _residual(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    add.input[skip] = makers[makers[add.input[skip]].input[0]].input[0]


def branch_in_place_of_the_skip(model: onnx.ModelProto) -> None:
    skip_in_float(model)
    makers = {name: node for node in model.graph.node for name in node.output}
    add = next(
        node
        for node in model.graph.node
        if node.op_type == "Add"
        and {makers[name].op_type for name in node.input if name in makers} >= {"Conv"}
        and not any(makers[name].op_type == "DequantizeLinear" for name in node.input if name in makers)
        and len([name for name in node.input if name in makers]) == 2
    )
    branch = next(place for place, name in enumerate(add.input) if makers[name].op_type == "Conv")
    add.input[branch] = _pair_behind(model, add.input[branch])


def bytes_transposed(model: onnx.ModelProto) -> None:
    model.graph.node.append(helper.make_node("Transpose", ["images"], ["turned"], "turning", perm=[0, 3, 1, 2]))


def foreign_operator(model: onnx.ModelProto) -> None:
    model.graph.node[-1].domain = "com.microsoft"


def old_opset(model: onnx.ModelProto) -> None:
    model.opset_import[0].version = 12


BREACHES = {
    zero_point: "zero point is not 0",
    unsigned: "is uint8, not int8",
    no_zero_point: "no constant zero point",
    negative_scale: "scale is not positive",
    computed_scale: "scale is not a constant",
    channels_of_a_map: "a map has one scale, not 3",
    wrong_axis: "on axis 0",
    half_a_pair: "read by something else",
    other_scale: "not those of its QuantizeLinear",
    no_source: "reads neither a QuantizeLinear nor a constant",
    quantised_bias: "its bias is quantised",
    weight_in_float: "its weight is not quantised",
    both_operands_of_a_sum: "both operands of a residual addition",
    skip_in_float: "the skip of a residual addition is not quantised",
    branch_in_place_of_the_skip: "the branch of a residual addition is quantised, and not the skip",
    bytes_transposed: "which a Cast alone may",
    foreign_operator: "unknown to TensorRT",
    old_opset: "opset 12",
}


def test_a_file_for_tensorrt_keeps_every_rule_and_one_for_processors_does_not(
    model: bytes, for_tensorrt: bytes
) -> None:
    assert check_tensorrt(for_tensorrt) == []
    assert check_tensorrt(model) == []
    assert check_tensorrt(quantise(model, collect_ranges(model, pictures(8)), "cpu"))
    asked = pictures(4, first=100)
    assert cosine(OnnxEmbedder(model).embed(asked), OnnxEmbedder(for_tensorrt).embed(asked)) > 0.99


@pytest.mark.parametrize("plant", BREACHES, ids=lambda plant: plant.__name__)
def test_a_planted_breach_is_told(for_tensorrt: bytes, plant: Callable[[onnx.ModelProto], None]) -> None:
    broken = onnx.load_from_string(for_tensorrt)
    plant(broken)
    told = check_tensorrt(broken.SerializeToString())
    assert any(BREACHES[plant] in breach for breach in told), told
