"""The shape of what each operator makes, from the shapes of what it is given: one rule for each kind of operator.

    RULES["Conv"](Given(...)) -> [(N, C, H, W)]

An operator that has no rule can't be told the size of, and is not run (`sizes`). Rules are those of ONNX's
operators of opset 18 and of ai.onnx.ml 3; what does not fit together raises, since no runtime would compute it.
"""

from __future__ import annotations

from edgefs_runtime.base.graph import arranging, windows
from edgefs_runtime.base.graph.given import Given, Rule, Shape, broadcast, named_axes, part_of_shape


def _same(given: Given) -> list[Shape]:
    return [given.shape(0)] * given.outputs


def _together(given: Given) -> list[Shape]:
    return [broadcast(*(shape for shape in given.shapes if shape is not None))]


def _reduced(given: Given) -> list[Shape]:
    shape = given.shape(0)
    axes = named_axes(given, len(shape))
    if not axes:
        axes = [] if given.one("noop_with_empty_axes", 0) else list(range(len(shape)))
    return [_without(shape, axes, given.one("keepdims", 1))]


def _argued(given: Given) -> list[Shape]:
    shape = given.shape(0)
    return [_without(shape, [given.one("axis", 0) % len(shape)], given.one("keepdims", 1))]


def _without(shape: Shape, axes: list[int], keep: int) -> Shape:
    return tuple(1 if n in axes else size for n, size in enumerate(shape) if keep or n not in axes)


def _multiplied(given: Given) -> list[Shape]:
    one, other = given.shape(0), given.shape(1)
    left, right = one if len(one) > 1 else (1, *one), other if len(other) > 1 else (*other, 1)
    made = (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    return [tuple(size for n, size in enumerate(made) if (n != len(made) - 2 or len(one) > 1)
                  and (n != len(made) - 1 or len(other) > 1))]  # fmt: skip


def _gemm(given: Given) -> list[Shape]:
    one, other = given.shape(0), given.shape(1)
    return [(one[1] if given.one("transA", 0) else one[0], other[0] if given.one("transB", 0) else other[1])]


def _ranged(given: Given) -> list[Shape]:
    (start,), (end,), (step,) = (given.needed(number) for number in range(3))
    return [(len(range(start, end, step)),)]


def _filled(given: Given) -> list[Shape]:
    return [given.needed(0)]


def _best(given: Given) -> list[Shape]:
    shape, (count,) = given.shape(0), given.needed(1)
    axis = given.one("axis", -1) % len(shape)
    return [(*shape[:axis], min(count, shape[axis]), *shape[axis + 1 :])] * 2


def _classified(given: Given) -> list[Shape]:
    count = given.shape(0)[0]
    return [(count,), (count, max(given.labels, 2))]


def _valued(given: Given) -> list[Shape]:
    return [(given.shape(0)[0], given.one("n_targets", given.one("targets", 1)))]


_SAME = """
Abs Acos Acosh Asin Asinh Atan Atanh BatchNormalization BitwiseNot Cast CastLike Ceil Celu Clip Cos Cosh CumSum
DequantizeLinear Dropout Elu Erf Exp Floor Gelu GroupNormalization HardSigmoid HardSwish Hardmax Identity IsInf IsNaN
InstanceNormalization LRN LayerNormalization LeakyRelu Log LogSoftmax LpNormalization MeanVarianceNormalization Mish Neg
Not PRelu QuantizeLinear Reciprocal Relu Round ScatterElements ScatterND Selu Shrink Sigmoid Sign Sin Sinh Softmax
Softplus Softsign Sqrt Tan Tanh ThresholdedRelu Trilu Binarizer Imputer LabelEncoder Normalizer Scaler"""
_TOGETHER = """
Add And BitShift BitwiseAnd BitwiseOr BitwiseXor Div Equal Greater GreaterOrEqual Less LessOrEqual Max Mean
Min Mod Mul Or Pow Sub Sum Where Xor"""
_REDUCED = "L1 L2 LogSum LogSumExp Max Mean Min Prod Sum SumSquare"
RULES: dict[str, Rule] = {
    **dict.fromkeys(_SAME.split(), _same),
    **dict.fromkeys(_TOGETHER.split(), _together),
    **{f"Reduce{kind}": _reduced for kind in _REDUCED.split()},
    **dict.fromkeys(("ArgMax", "ArgMin"), _argued),
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), windows.pooled_whole),
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), windows.pooled),
    **dict.fromkeys(("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"), _classified),
    **dict.fromkeys(("LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor"), _valued),
    "ArrayFeatureExtractor": arranging.picked,
    "Concat": arranging.joined,
    "ConstantOfShape": _filled,
    "Conv": windows.convolved,
    "ConvTranspose": windows.deconvolved,
    "DepthToSpace": windows.folded,
    "Expand": arranging.expanded,
    "Flatten": arranging.flat,
    "Gather": arranging.gathered,
    "GatherElements": lambda given: [given.shape(1)],
    "Gemm": _gemm,
    "MatMul": _multiplied,
    "Pad": windows.padded,
    "Range": _ranged,
    "Reshape": arranging.reshaped,
    "Resize": windows.resized,
    "Shape": lambda given: [(len(part_of_shape(given)),)],
    "Size": lambda given: [()],
    "Slice": arranging.sliced,
    "SpaceToDepth": windows.unfolded,
    "Split": arranging.split,
    "Squeeze": arranging.squeezed,
    "Tile": arranging.tiled,
    "TopK": _best,
    "Transpose": arranging.transposed,
    "Unsqueeze": arranging.unsqueezed,
}
