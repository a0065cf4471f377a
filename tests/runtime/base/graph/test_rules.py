"""What the rules say of an operator's result is what onnxruntime makes."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnxruntime
import pytest

from edgefs_runtime.base.graph.given import Given, RefusedError
from edgefs_runtime.base.graph.rules import RULES
from edgefs_runtime.base.graph.sizes import Node, Sizes
from edgefs_runtime.base.graph.values import VALUES

onnx = pytest.importorskip("onnx")

PICTURE = np.ones((2, 4, 9, 11), np.float32)
TABLE = np.ones((3, 5), np.float32)


def ints(*numbers: int) -> np.ndarray:
    return np.array(numbers, np.int64)


def floats(*shape: int) -> np.ndarray:
    return np.ones(shape, np.float32)


Case = tuple[str, list[Any], dict[str, Any]]
CASES: dict[str, Case] = {
    "Relu": ("Relu", [PICTURE], {}),
    "Add": ("Add", [PICTURE, floats(4, 1, 1)], {}),
    "Add to what is smaller": ("Add", [floats(11), PICTURE], {}),
    "Where": ("Where", [np.ones((3, 1), bool), TABLE, floats(5)], {}),
    "Conv": ("Conv", [PICTURE, floats(6, 4, 3, 3)], {"strides": [2, 1], "pads": [1, 0, 1, 2]}),
    "Conv, dilated, in groups": ("Conv", [PICTURE, floats(8, 2, 3, 2)], {"group": 2, "dilations": [2, 3]}),
    "Conv, same": ("Conv", [PICTURE, floats(6, 4, 3, 3)], {"strides": [2, 2], "auto_pad": "SAME_UPPER"}),
    "ConvTranspose": ("ConvTranspose", [PICTURE, floats(4, 3, 3, 3)],
                      {"strides": [2, 3], "pads": [1, 0, 1, 0], "output_padding": [1, 0], "group": 2}),
    "MaxPool": ("MaxPool", [PICTURE], {"kernel_shape": [3, 2], "strides": [2, 2], "pads": [1, 0, 1, 1]}),
    "MaxPool, rounded up": ("MaxPool", [PICTURE], {"kernel_shape": [2, 3], "strides": [2, 2], "ceil_mode": 1}),
    "AveragePool": ("AveragePool", [PICTURE], {"kernel_shape": [3, 3]}),
    "GlobalAveragePool": ("GlobalAveragePool", [PICTURE], {}),
    "ReduceMean": ("ReduceMean", [PICTURE, ints(2, -1)], {"keepdims": 0}),
    "ReduceMax of all": ("ReduceMax", [PICTURE], {"keepdims": 0}),
    "ReduceSum, kept": ("ReduceSum", [PICTURE, ints(1)], {"keepdims": 1}),
    "ReduceSum of nothing": ("ReduceSum", [PICTURE], {"noop_with_empty_axes": 1}),
    "ArgMax": ("ArgMax", [TABLE], {"axis": 1, "keepdims": 0}),
    "MatMul": ("MatMul", [floats(7, 1, 3, 5), floats(2, 5, 4)], {}),
    "MatMul of a row": ("MatMul", [floats(5), floats(5, 4)], {}),
    "MatMul by a column": ("MatMul", [TABLE, floats(5)], {}),
    "Gemm": ("Gemm", [TABLE, floats(4, 5)], {"transB": 1}),
    "Gemm, turned": ("Gemm", [TABLE, floats(3, 4)], {"transA": 1}),
    "Flatten": ("Flatten", [PICTURE], {"axis": 2}),
    "Reshape": ("Reshape", [PICTURE, ints(0, -1, 3)], {}),
    "Transpose": ("Transpose", [PICTURE], {"perm": [0, 2, 3, 1]}),
    "Transpose, all": ("Transpose", [PICTURE], {}),
    "Concat": ("Concat", [PICTURE, floats(2, 3, 9, 11)], {"axis": -3}),
    "Split": ("Split", [PICTURE, ints(1, 3)], {"axis": 1}),
    "Split, unequal": ("Split", [PICTURE], {"axis": 2, "num_outputs": 2}),
    "Slice": ("Slice", [PICTURE, ints(1, -3), ints(100, -1), ints(2, 3), ints(2, 1)], {}),
    "Slice, backwards": ("Slice", [TABLE, ints(-1), ints(-(2**63)), ints(1), ints(-2)], {}),
    "Squeeze": ("Squeeze", [floats(1, 3, 1), ints(-1)], {}),
    "Squeeze all": ("Squeeze", [floats(1, 3, 1)], {}),
    "Unsqueeze": ("Unsqueeze", [TABLE, ints(0, -1)], {}),
    "Gather": ("Gather", [PICTURE, np.zeros((2, 6), np.int64)], {"axis": 1}),
    "GatherElements": ("GatherElements", [TABLE, np.zeros((2, 4), np.int64)], {"axis": 1}),
    "Expand": ("Expand", [floats(3, 1), ints(2, 1, 6)], {}),
    "Tile": ("Tile", [TABLE, ints(2, 3)], {}),
    "ConstantOfShape": ("ConstantOfShape", [ints(2, 0, 3)], {}),
    "Range": ("Range", [np.array(3), np.array(20), np.array(4)], {}),
    "Pad": ("Pad", [PICTURE, ints(0, 0, 1, 2, 0, 1, 3, -4)], {}),
    "Resize by factors": ("Resize", [PICTURE, None, np.array([1, 1, 2.5, 0.5], np.float32)], {}),
    "Resize to a size": ("Resize", [PICTURE, None, None, ints(2, 4, 20, 3)], {}),
    "DepthToSpace": ("DepthToSpace", [PICTURE], {"blocksize": 2}),
    "SpaceToDepth": ("SpaceToDepth", [floats(1, 3, 4, 6)], {"blocksize": 2}),
    "TopK": ("TopK", [TABLE, ints(2)], {"axis": 1}),
    "Shape": ("Shape", [PICTURE], {"start": 1}),
    "Size": ("Size", [PICTURE], {}),
    "BatchNormalization": ("BatchNormalization", [PICTURE, *[floats(4)] * 4], {}),
    "LayerNormalization": ("LayerNormalization", [TABLE, floats(5)], {}),
}  # fmt: skip
OUTPUTS = {"Split": 2, "Split, unequal": 2, "TopK": 2}


def made(name: str) -> list[np.ndarray]:
    """What onnxruntime makes; inputs are read at run time, so that nothing is known to it before."""
    kind, arrays, attributes = CASES[name]
    names = ["" if array is None else f"i{number}" for number, array in enumerate(arrays)]
    outputs = [f"o{number}" for number in range(OUTPUTS.get(name, 1))]
    node = onnx.helper.make_node(kind, names, outputs, **attributes)
    given = [
        onnx.helper.make_tensor_value_info(name, onnx.helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
        for name, array in zip(names, arrays, strict=True)
        if name
    ]
    results = [onnx.helper.make_empty_tensor_value_info(output) for output in outputs]
    model = onnx.helper.make_model(
        onnx.helper.make_graph([node], "one", given, results), opset_imports=[onnx.helper.make_opsetid("", 18)]
    )
    model.ir_version = 9
    session = onnxruntime.InferenceSession(onnx.shape_inference.infer_shapes(model).SerializeToString())
    found: list[np.ndarray] = session.run(None, {n: a for n, a in zip(names, arrays, strict=True) if n})
    return found


def told(name: str) -> Given:
    _, arrays, attributes = CASES[name]
    numbers = {
        key: value if isinstance(value, list) else [value]
        for key, value in attributes.items()
        if not isinstance(value, str)
    }
    small = [array is not None and array.dtype == np.int64 and array.size < 10 for array in arrays]
    return Given(
        [None if array is None else array.shape for array in arrays],
        [tuple(array.ravel().tolist()) if few else None for array, few in zip(arrays, small, strict=True)],
        numbers,
        attributes.get("auto_pad", "").encode(),
        outputs=OUTPUTS.get(name, 1),
        factors=[tuple(a.tolist()) if a is not None and a.shape == (4,) else None for a in arrays],
    )


@pytest.mark.parametrize("name", CASES)
def test_a_rule_says_the_shape_that_onnxruntime_makes(name: str) -> None:
    assert RULES[CASES[name][0]](told(name)) == [array.shape for array in made(name)]


@pytest.mark.parametrize(
    ("kind", "arrays", "attributes"),
    [
        ("Shape", [PICTURE], {}),
        ("Shape", [PICTURE], {"start": 1, "end": 3}),
        ("Size", [PICTURE], {}),
        ("Gather", [ints(7, 8, 9), ints(2, 0)], {}),
        ("Concat", [ints(7), ints(8, 9)], {"axis": 0}),
        ("Slice", [ints(7, 8, 9), ints(1), ints(3)], {}),
        ("Mul", [ints(7, 8), ints(3)], {}),
        ("Sub", [ints(7, 8), ints(3, 9)], {}),
        ("Div", [ints(-7, 8), ints(2)], {}),
        ("Unsqueeze", [np.array(7), ints(0)], {}),
    ],
)
def test_numbers_of_a_shape_become_what_onnxruntime_computes(
    kind: str, arrays: list[Any], attributes: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(CASES, "one", (kind, arrays, attributes))
    (found,) = made("one")
    assert VALUES[kind](told("one")) == tuple(found.ravel().tolist())


def followed(*nodes: Node, values: dict[bytes, tuple[int, ...]] | None = None) -> None:
    known = values or {}
    constants = {name: (len(numbers),) for name, numbers in known.items()}
    Sizes(constants, known, {}, (b"images", [None, 32, 32, 3])).follow(nodes)


REFUSED = {
    "an operator without a rule": ([Node("NonZero", [b"images"], [b"a"], {})], "'NonZero', the size of whose result"),
    "what is not there yet": ([Node("Relu", [b"later"], [b"a"], {})], "uses 'later' before it is made"),
    "an input that is left out": ([Node("Relu", [b""], [b"a"], {})], "misses an input"),
    "a size that is computed": (
        [Node("ReduceMax", [b"images"], [b"a"], {}), Node("ConstantOfShape", [b"a"], [b"b"], {})],
        "takes the size of an array from what it computes",
    ),
    "arrays that don't fit": ([Node("Add", [b"images", b"five"], [b"a"], {})], "arrays that don't fit together"),
    "strides of nothing": (
        [Node("MaxPool", [b"images"], [b"a"], {"kernel_shape": [1, 1], "strides": [0, 0]})],
        "don't fit together",
    ),
    "fewer than nothing": (
        [Node("MaxPool", [b"images"], [b"a"], {"kernel_shape": [99, 99]})],
        "an impossible shape",
    ),
    "nine dimensions": ([Node("Unsqueeze", [b"images", b"five"], [b"a"], {})], "an impossible shape"),
    "many arrays": (
        [Node("Tile", [b"images", b"tenfold"], [b"%d" % number], {}) for number in range(999)],
        r"makes arrays of 8,\d{3},\d{3} numbers for one image, at most 8,388,608",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_can_not_be_told_or_is_too_much_is_refused(name: str) -> None:
    nodes, words = REFUSED[name]
    with pytest.raises(RefusedError, match=words):
        followed(*nodes, values={b"five": (0, 1, 2, 3, 4), b"tenfold": (1, 10, 10, 1)})


def test_numbers_that_grow_without_end_are_forgotten() -> None:
    squares = [Node("Mul", [b"%d" % number] * 2, [b"%d" % (number + 1)], {}) for number in range(4000)]
    with pytest.raises(RefusedError, match="takes the size of an array from what it computes"):
        followed(*squares, Node("ConstantOfShape", [b"4000"], [b"a"], {}), values={b"0": (7,)})
