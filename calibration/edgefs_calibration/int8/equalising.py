"""Channels of one map brought to like ranges, by scales that the weights around it absorb.

A map is quantised with one step for all its channels, so that a channel of a hundredth of the widest one's range has
hardly any levels. Dividing each channel by a number of its own in the convolution that makes it, and multiplying it
back in the convolutions that read it, leaves the network's function as it is: weights are quantised with a step for
each channel and lose little (none where a depthwise convolution reads the map).

Cross-layer equalisation is due to Nagel et al. 2019 (arXiv:1906.04721); the balance between a map and the dense weights
that read it to Xiao et al. 2022 (SmoothQuant, arXiv:2211.10438).

    scales = channel_scales(model, low, high)
    same_function = equalised(model, scales)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import onnx
from numpy.typing import NDArray
from onnx import numpy_helper

Scales = Mapping[str, NDArray[np.float32]]  # divisor of each channel [C], by the map's name

_PASSING = ("Relu", "Clip", "MaxPool", "Add")  # positive factors pass through them
_POOLS = ("GlobalAveragePool", "GlobalMaxPool")  # multiplied back behind them: one number for each channel
_BALANCE = 0.5  # how much of a map's unevenness dense weights take over
_LEAST = 1e-3  # of the widest channel: a channel that hardly lives is not blown up
_HEADROOM = 3  # times what calibration saw, before a Clip's limit may cut a divided channel off


def channel_scales(
    model: onnx.ModelProto, low: Mapping[str, NDArray[np.float32]], high: Mapping[str, NDArray[np.float32]]
) -> dict[str, NDArray[np.float32]]:
    """Scales `[C]` of every map that can be equalised, by its name.

    Args:
        model: float32.
        low: smallest value of each channel `[C]`, by the map's name.
        high: largest value, alike.
    """
    graph = _EqualisedGraph(model)
    scales: dict[str, NDArray[np.float32]] = {}
    for group in graph.groups():
        quantised = [name for name in group if not graph.is_only_rectified(name)]
        if not quantised or not graph.is_free(group) or any(name not in low for name in group):
            continue
        reach = np.max([np.maximum(np.abs(low[name]), np.abs(high[name])) for name in quantised], axis=0)
        if not reach.max() > 0:
            continue
        reach = np.maximum(reach, _LEAST * reach.max())
        scale = reach / reach.max()
        weight = graph.weight_by_channel(group)
        if weight is not None:
            scale = (scale / np.maximum(weight, _LEAST)) ** _BALANCE
        # At most 1, so that no Clip stops binding, and with headroom to its limit, so that none begins to.
        scale = np.clip(scale / scale.max(), np.minimum(_HEADROOM * reach / graph.bound(group), 1), 1)
        scales |= dict.fromkeys(group, scale.astype(np.float32))
    return scales


def equalised(model: onnx.ModelProto, scales: Scales) -> onnx.ModelProto:
    """A model of the same function whose maps `scales` names are divided by them."""
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    graph = _EqualisedGraph(changed)
    nodes = []
    for node in changed.graph.node:
        nodes.append(node)
        if node.op_type == "Conv":
            _absorb(graph, node, scales)
        elif node.op_type in _POOLS and node.input[0] in scales:
            nodes.append(_restored(changed, node, scales[node.input[0]]))
    kept = [onnx.NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del changed.graph.node[:]
    changed.graph.node.extend(kept)
    return changed


def _absorb(graph: _EqualisedGraph, node: onnx.NodeProto, scales: Scales) -> None:
    made, read = scales.get(node.output[0]), scales.get(node.input[0])
    weight = graph.constant(node.input[1])
    if weight is None or (made is None and read is None):
        return
    weight = weight.copy()  # [O, I / groups, kH, kW]
    if read is not None:
        weight *= read[channels_read(node, weight)][:, :, None, None]
    if made is not None:
        weight /= made[:, None, None, None]
        bias = graph.constant(node.input[2]) if len(node.input) > 2 else None
        if bias is not None:
            graph.replace(node.input[2], bias / made)
    graph.replace(node.input[1], weight)


def _restored(model: onnx.ModelProto, pool: onnx.NodeProto, scale: NDArray[np.float32]) -> onnx.NodeProto:
    """A Mul behind a pooling that takes its output's name."""
    name, divided = pool.output[0], f"{pool.output[0]}_divided"
    pool.output[0] = divided
    model.graph.initializer.append(numpy_helper.from_array(scale[None, :, None, None], f"{name}_scale"))
    return onnx.helper.make_node("Mul", [divided, f"{name}_scale"], [name], f"{pool.name}_restored")


def channels_read(node: onnx.NodeProto, weight: NDArray[np.floating]) -> NDArray[np.int64]:
    """Which input channel each `[output, i]` of a convolution's weight reads."""
    groups = next((attribute.i for attribute in node.attribute if attribute.name == "group"), 1)
    outputs, inputs = weight.shape[:2]
    first = np.arange(outputs) // (outputs // groups) * inputs
    return np.asarray(first[:, None] + np.arange(inputs)[None, :], np.int64)


class _EqualisedGraph:
    """A graph that knows which node makes and which nodes read each tensor."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._model = model
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}
        self._maker = {name: node for node in model.graph.node for name in node.output}
        self._readers: dict[str, list[onnx.NodeProto]] = {}
        for node in model.graph.node:
            for name in node.input:
                self._readers.setdefault(name, []).append(node)
        self._outputs = {output.name for output in model.graph.output}

    def groups(self) -> list[list[str]]:
        """Maps that must share their scales, since something between them adds, rectifies or pools."""
        root: dict[str, str] = {}

        def find(name: str) -> str:
            root.setdefault(name, name)
            while root[name] != name:
                name = root[name]
            return name

        for node in self._model.graph.node:
            if node.op_type == "Conv":
                find(node.output[0])
            elif node.op_type in _PASSING:
                ends = node.input if node.op_type == "Add" else node.input[:1]
                for name in ends:
                    root[find(name)] = find(node.output[0])
        members: dict[str, list[str]] = {}
        for name in root:
            members.setdefault(find(name), []).append(name)
        return list(members.values())

    def is_free(self, group: Sequence[str]) -> bool:
        """Whether everything that makes or reads the maps can absorb a scale."""
        for name in group:
            maker, readers = self._maker.get(name), self._readers.get(name, [])
            if maker is None or maker.op_type not in ("Conv", *_PASSING) or name in self._outputs:
                return False
            if any(reader.op_type not in ("Conv", *_PASSING, *_POOLS) for reader in readers):
                return False
            if maker.op_type == "Clip" and not self._clips_at_zero(maker):
                return False
            for conv in (node for node in (maker, *readers) if node.op_type == "Conv"):
                shared = any(len(self._readers[used]) > 1 for used in conv.input[1:])
                if shared or any(used not in self._constants for used in conv.input[1:]) or name in conv.input[1:]:
                    return False
        return True

    def is_only_rectified(self, name: str) -> bool:
        """Whether a map is read by one Relu or Clip alone, and so never quantised itself."""
        readers = self._readers.get(name, [])
        return len(readers) == 1 and readers[0].op_type in ("Relu", "Clip")

    def weight_by_channel(self, group: Sequence[str]) -> NDArray[np.float32] | None:
        """Largest dense weight that reads each channel `[C]`, relative to its row; None where there is none."""
        found = []
        for name in group:
            for node in self._readers.get(name, []):
                weight = self.constant(node.input[1]) if node.op_type == "Conv" else None
                if weight is None or weight.shape[1] == 1:
                    continue
                size = np.abs(weight).max(axis=(2, 3))  # [O, I / groups]
                relative = size / np.maximum(size.max(axis=1, keepdims=True), 1e-12)
                channels = channels_read(node, weight)
                largest = np.zeros(channels.max() + 1, np.float32)
                np.maximum.at(largest, channels, relative)
                found.append(largest)
        return np.max(found, axis=0) if found else None

    def bound(self, group: Sequence[str]) -> float:
        """The least upper limit of the group's Clips; infinite without any."""
        clips = [self._maker[name] for name in group if self._maker[name].op_type == "Clip"]
        limits = [self.constant(clip.input[2]) for clip in clips if len(clip.input) > 2 and clip.input[2]]
        return min((float(limit) for limit in limits if limit is not None), default=float("inf"))

    def constant(self, name: str) -> NDArray[np.float32] | None:
        """A constant by its name."""
        return np.asarray(numpy_helper.to_array(self._constants[name])) if name in self._constants else None

    def replace(self, name: str, value: NDArray[np.float32]) -> None:
        """Give a constant another value."""
        self._constants[name].CopyFrom(numpy_helper.from_array(value.astype(np.float32), name))

    def _clips_at_zero(self, clip: onnx.NodeProto) -> bool:
        limits = [self.constant(name) for name in clip.input[1:]]
        return len(limits) > 0 and all(limit is not None for limit in limits) and float(limits[0]) == 0  # type: ignore[arg-type]
