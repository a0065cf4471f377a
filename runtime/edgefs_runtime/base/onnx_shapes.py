"""The shape of what each operator makes, from the shapes of what it is given: one rule for each kind of operator.

    RULES["Conv"](Given(...)) -> [(N, C, H, W)]

An operator that has no rule can't be told the size of, and is not run (`base.onnx_sizes`). Rules are those of ONNX's
operators of opset 18 and of ai.onnx.ml 3; what does not fit together raises, since no runtime would compute it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import prod
from typing import NamedTuple

Shape = tuple[int, ...]
Values = tuple[int, ...]
MOST_VALUES = 64  # numbers of a shape that is computed


class UnknownSizeError(ValueError):
    """The size of an array can't be told, or its parts don't fit together."""


class Given(NamedTuple):
    """What one operator is given.

    Attributes:
        shapes: of its inputs; of one that is left out, None.
        values: of its inputs, where they are a few whole numbers that are known.
        attributes: whole numbers by name; `auto_pad` is a text.
        labels: how many classes it tells apart.
        outputs: how many it makes.
        factors: of its inputs, where they are a few numbers that need not be whole.
    """

    shapes: list[Shape | None]
    values: list[Values | None]
    attributes: dict[str, list[int]]
    auto_pad: bytes = b""
    labels: int = 0
    outputs: int = 1
    factors: Sequence[tuple[float, ...] | None] = ()

    def shape(self, number: int) -> Shape:
        """Shape of an input that must be there."""
        found = self.shapes[number] if number < len(self.shapes) else None
        if found is None:
            raise UnknownSizeError("misses an input")
        return found

    def known(self, number: int) -> Values | None:
        """Values of an input; None where it is left out.

        Raises:
            UnknownSizeError: they are not known before it runs.
        """
        if number >= len(self.shapes) or self.shapes[number] is None:
            return None
        found = self.values[number]
        if found is None:
            raise UnknownSizeError("takes the size of an array from what it computes")
        return found

    def needed(self, number: int) -> Values:
        """Values of an input that must be there."""
        found = self.known(number)
        if found is None:
            raise UnknownSizeError("misses an input")
        return found

    def one(self, name: str, default: int) -> int:
        """A number among the attributes."""
        return self.attributes.get(name, [default])[0]

    def many(self, name: str, default: list[int]) -> list[int]:
        """Numbers among the attributes."""
        return self.attributes.get(name, default)


Rule = Callable[[Given], list[Shape]]


def broadcast(*shapes: Shape) -> Shape:
    """The shape that arrays of these are computed together in."""
    rank = max(map(len, shapes), default=0)
    result = []
    for sizes in zip(*((1,) * (rank - len(shape)) + shape for shape in shapes), strict=True):
        most = max(sizes)
        if any(size not in (1, most) for size in sizes):
            raise UnknownSizeError("computes arrays that don't fit together")
        result.append(0 if 0 in sizes else most)
    return tuple(result)


def _same(given: Given) -> list[Shape]:
    return [given.shape(0)] * given.outputs


def _together(given: Given) -> list[Shape]:
    return [broadcast(*(shape for shape in given.shapes if shape is not None))]


def _axes(given: Given, rank: int, among: int | None = 1) -> list[int] | None:
    """Axes of an attribute or of an input, from 0; None where none are named."""
    named = given.attributes.get("axes") or (None if among is None else given.known(among))
    return None if named is None else [axis % rank for axis in named] if rank else []


def _reduced(given: Given) -> list[Shape]:
    shape = given.shape(0)
    axes = _axes(given, len(shape))
    if not axes:
        axes = [] if given.one("noop_with_empty_axes", 0) else list(range(len(shape)))
    return [_without(shape, axes, given.one("keepdims", 1))]


def _argued(given: Given) -> list[Shape]:
    shape = given.shape(0)
    return [_without(shape, [given.one("axis", 0) % len(shape)], given.one("keepdims", 1))]


def _without(shape: Shape, axes: list[int], keep: int) -> Shape:
    return tuple(1 if n in axes else size for n, size in enumerate(shape) if keep or n not in axes)


def _pooled_whole(given: Given) -> list[Shape]:
    return [given.shape(0)[:2] + (1,) * (len(given.shape(0)) - 2)]


def _windows(given: Given, kernel: list[int]) -> Shape:
    """Spatial size of what a convolution or a pooling makes."""
    sizes = given.shape(0)[2:]
    count, result = len(sizes), []
    strides, dilations = given.many("strides", [1] * count), given.many("dilations", [1] * count)
    pads = given.many("pads", [0] * 2 * count)
    for n, size in enumerate(sizes):
        if given.auto_pad.startswith(b"SAME"):
            result.append(-(-size // strides[n]))
            continue
        span = size + pads[n] + pads[n + count] - dilations[n] * (kernel[n] - 1) - 1
        result.append((-(-span // strides[n]) if given.one("ceil_mode", 0) else span // strides[n]) + 1)
    return tuple(result)


def _convolved(given: Given) -> list[Shape]:
    weights = given.shape(1)
    return [(given.shape(0)[0], weights[0], *_windows(given, list(weights[2:])))]


def _pooled(given: Given) -> list[Shape]:
    shape = given.shape(0)
    return [shape[:2] + _windows(given, given.many("kernel_shape", [1] * (len(shape) - 2)))] * given.outputs


def _deconvolved(given: Given) -> list[Shape]:
    shape, weights = given.shape(0), given.shape(1)
    sizes, count = shape[2:], len(shape) - 2
    strides, dilations = given.many("strides", [1] * count), given.many("dilations", [1] * count)
    pads, more = given.many("pads", [0] * 2 * count), given.many("output_padding", [0] * count)
    found = [
        strides[n] * (size - 1) + more[n] + dilations[n] * (weights[2 + n] - 1) + 1 - pads[n] - pads[n + count]
        for n, size in enumerate(sizes)
    ]
    if given.auto_pad.startswith(b"SAME"):
        found = [size * strides[n] for n, size in enumerate(sizes)]
    return [(shape[0], weights[1] * given.one("group", 1), *given.many("output_shape", found))]


def _multiplied(given: Given) -> list[Shape]:
    one, other = given.shape(0), given.shape(1)
    left, right = one if len(one) > 1 else (1, *one), other if len(other) > 1 else (*other, 1)
    made = (*broadcast(left[:-2], right[:-2]), left[-2], right[-1])
    return [tuple(size for n, size in enumerate(made) if (n != len(made) - 2 or len(one) > 1)
                  and (n != len(made) - 1 or len(other) > 1))]  # fmt: skip


def _gemm(given: Given) -> list[Shape]:
    one, other = given.shape(0), given.shape(1)
    return [(one[1] if given.one("transA", 0) else one[0], other[0] if given.one("transB", 0) else other[1])]


def _flat(given: Given) -> list[Shape]:
    shape, axis = given.shape(0), given.one("axis", 1)
    return [(prod(shape[:axis]), prod(shape[axis:]))]


def _reshaped(given: Given) -> list[Shape]:
    shape, wanted = given.shape(0), given.needed(1)
    sizes = [
        shape[n] if size == 0 and not given.one("allowzero", 0) and n < len(shape) else size
        for n, size in enumerate(wanted)
    ]
    rest = prod(size for size in sizes if size != -1)
    sizes = [prod(shape) // rest if size == -1 and rest else size for size in sizes]
    if prod(sizes) != prod(shape):
        raise UnknownSizeError("reshapes an array into one of another size")
    return [tuple(sizes)]


def _transposed(given: Given) -> list[Shape]:
    shape = given.shape(0)
    return [tuple(shape[axis] for axis in given.many("perm", [*range(len(shape))][::-1]))]


def _joined(given: Given) -> list[Shape]:
    shapes = [given.shape(number) for number in range(len(given.shapes))]
    axis = given.one("axis", 0) % len(shapes[0])
    return [tuple(sum(one[n] for one in shapes) if n == axis else size for n, size in enumerate(shapes[0]))]


def _split(given: Given) -> list[Shape]:
    shape = given.shape(0)
    axis = given.one("axis", 0) % len(shape)
    each = -(-shape[axis] // given.outputs)
    parts = given.attributes.get("split") or given.known(1) or [each] * given.outputs
    return [(*shape[:axis], min(part, shape[axis]), *shape[axis + 1 :]) for part in parts]


def _sliced(given: Given) -> list[Shape]:
    """At most: where it begins may be computed, and what is cut off is never more than there was."""
    shape = list(given.shape(0))
    try:
        starts, ends = given.needed(1), given.needed(2)
        axes, steps = given.known(3) or range(len(starts)), given.known(4) or (1,) * len(starts)
    except UnknownSizeError:
        return [tuple(shape)]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        last = None if step < 0 and end < -shape[axis] else end
        shape[axis] = len(range(*slice(start, last, step).indices(shape[axis])))
    return [tuple(shape)]


def _squeezed(given: Given) -> list[Shape]:
    shape = given.shape(0)
    axes = _axes(given, len(shape))
    return [tuple(size for n, size in enumerate(shape) if (n not in axes if axes is not None else size != 1))]


def _unsqueezed(given: Given) -> list[Shape]:
    shape = given.shape(0)
    named = given.attributes.get("axes") or given.needed(1)
    rank = len(shape) + len(named)
    places, rest = {axis % rank for axis in named}, iter(shape)
    return [tuple(1 if n in places else next(rest) for n in range(rank))]


def _gathered(given: Given) -> list[Shape]:
    shape, axis = given.shape(0), given.one("axis", 0)
    axis %= len(shape)
    return [(*shape[:axis], *given.shape(1), *shape[axis + 1 :])]


def _picked(given: Given) -> list[Shape]:
    return [(*given.shape(0)[:-1], prod(given.shape(1)))]


def _ranged(given: Given) -> list[Shape]:
    (start,), (end,), (step,) = (given.needed(number) for number in range(3))
    return [(len(range(start, end, step)),)]


def _expanded(given: Given) -> list[Shape]:
    return [broadcast(given.shape(0), given.needed(1))]


def _tiled(given: Given) -> list[Shape]:
    return [tuple(size * times for size, times in zip(given.shape(0), given.needed(1), strict=True))]


def _filled(given: Given) -> list[Shape]:
    return [given.needed(0)]


def _padded(given: Given) -> list[Shape]:
    shape = given.shape(0)
    pads = given.attributes.get("pads") or given.needed(1)
    axes = _axes(given, len(shape), 3) or [*range(len(shape))]
    more = {axis: pads[n] + pads[n + len(axes)] for n, axis in enumerate(axes)}
    return [tuple(size + more.get(n, 0) for n, size in enumerate(shape))]


def _resized(given: Given) -> list[Shape]:
    """To the sizes that it is told, or by factors; of some axes or of all."""
    shape = given.shape(0)
    axes = _axes(given, len(shape), None) or [*range(len(shape))]
    factors = given.factors[2] if len(given.factors) > 2 else None
    sizes = dict(zip(axes, factors or given.needed(3), strict=True))
    return [tuple(int(sizes.get(n, 1 if factors else size) * (size if factors else 1)) for n, size in enumerate(shape))]


def _folded(given: Given) -> list[Shape]:
    count, channels, *sizes = given.shape(0)
    block = given.one("blocksize", 1)
    return [(count, channels // block ** len(sizes), *(size * block for size in sizes))]


def _unfolded(given: Given) -> list[Shape]:
    count, channels, *sizes = given.shape(0)
    block = given.one("blocksize", 1)
    return [(count, channels * block ** len(sizes), *(size // block for size in sizes))]


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
    **dict.fromkeys(("GlobalAveragePool", "GlobalMaxPool", "GlobalLpPool"), _pooled_whole),
    **dict.fromkeys(("AveragePool", "MaxPool", "LpPool"), _pooled),
    **dict.fromkeys(("LinearClassifier", "SVMClassifier", "TreeEnsembleClassifier"), _classified),
    **dict.fromkeys(("LinearRegressor", "SVMRegressor", "TreeEnsembleRegressor"), _valued),
    "ArrayFeatureExtractor": _picked,
    "Concat": _joined,
    "ConstantOfShape": _filled,
    "Conv": _convolved,
    "ConvTranspose": _deconvolved,
    "DepthToSpace": _folded,
    "Expand": _expanded,
    "Flatten": _flat,
    "Gather": _gathered,
    "GatherElements": lambda given: [given.shape(1)],
    "Gemm": _gemm,
    "MatMul": _multiplied,
    "Pad": _padded,
    "Range": _ranged,
    "Reshape": _reshaped,
    "Resize": _resized,
    "Shape": lambda given: [(len(given.shape(0)),)],
    "Size": lambda given: [()],
    "Slice": _sliced,
    "SpaceToDepth": _unfolded,
    "Split": _split,
    "Squeeze": _squeezed,
    "Tile": _tiled,
    "TopK": _best,
    "Transpose": _transposed,
    "Unsqueeze": _unsqueezed,
}


def _gathered_values(given: Given) -> Values | None:
    data, places = given.values[0], given.values[1]
    return None if data is None or places is None else tuple(data[place] for place in places)


def _joined_values(given: Given) -> Values | None:
    parts = [part for part in given.values[:MOST_VALUES] if part is not None]
    return tuple(number for part in parts for number in part) if len(parts) == len(given.values) else None


def _sliced_values(given: Given) -> Values | None:
    starts, ends, steps = given.values[1], given.values[2], given.known(4) or (1,)
    if given.values[0] is None or not starts or not ends:
        return None
    return given.values[0][starts[0] : ends[0] : steps[0]]


def _counted(compute: Callable[[int, int], int]) -> Callable[[Given], Values | None]:
    def values(given: Given) -> Values | None:
        one, other = given.values[0], given.values[1]
        if one is None or other is None:
            return None
        count = max(len(one), len(other))
        pairs = zip(one * (count // len(one)), other * (count // len(other)), strict=True)
        return tuple(compute(*pair) for pair in pairs)

    return values


# What a few whole numbers become, where a shape is computed from another one.
VALUES: dict[str, Callable[[Given], Values | None]] = {
    **dict.fromkeys(("Cast", "Identity", "Reshape", "Squeeze", "Unsqueeze"), lambda given: given.values[0]),
    "Add": _counted(lambda one, other: one + other),
    "Concat": _joined_values,
    "Div": _counted(lambda one, other: int(one / other)),
    "Gather": _gathered_values,
    "Mul": _counted(lambda one, other: one * other),
    "Shape": lambda given: given.shape(0)[slice(given.one("start", 0), given.attributes.get("end", [None])[0])],
    "Size": lambda given: (prod(given.shape(0)),),
    "Slice": _sliced_values,
    "Sub": _counted(lambda one, other: one - other),
}
