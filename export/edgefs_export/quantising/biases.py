"""What rounded weights are wrong by on average goes into the bias (Nagel et al. 2019, arXiv:1906.04721).

Nine weights of a depthwise filter, each rounded, do not add up to what they did; times a mean input that is far from
zero, behind a ReLU, that is a shift of the whole channel.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

from edgefs_calibration.int8.equalising import channels_read


def correct_biases(
    model: onnx.ModelProto, names: Collection[str], means: Mapping[str, NDArray[np.float32]], levels: int
) -> None:
    """Correct the convolutions called `names`, before they are quantised.

    Args:
        model: float32, changed in place.
        names: of convolutions.
        means: average of each channel `[C]` of what they read, by its name.
        levels: largest quantised weight: 127, or 64 of a reduced range.
    """
    constants = {tensor.name: tensor for tensor in model.graph.initializer}
    for node in model.graph.node:
        if node.name not in names or node.op_type != "Conv" or node.input[0] not in means:
            continue
        weight = numpy_helper.to_array(constants[node.input[1]]).astype(np.float64)
        lost = (weight - rounded(weight, levels)).sum(axis=(2, 3))  # [O, I / groups]
        correction = (lost * means[node.input[0]][channels_read(node, weight)]).sum(axis=1)
        bias = correction
        if len(node.input) > 2:
            bias = bias + numpy_helper.to_array(constants[node.input[2]])
        name = f"{node.name}_corrected_bias"
        model.graph.initializer.append(numpy_helper.from_array(bias.astype(np.float32), name))
        inputs = [*node.input[:2], name]
        del node.input[:]
        node.input.extend(inputs)


def rounded(weight: NDArray[np.float64], levels: int) -> NDArray[np.float64]:
    """Weights `[O, …]` as symmetric int8 with a step for each output channel keeps them."""
    step = np.abs(weight).max(axis=(1, 2, 3), keepdims=True) / levels
    step[step == 0] = 1
    return np.asarray(np.clip(np.rint(weight / step), -levels, levels) * step)
