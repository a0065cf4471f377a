"""A network cut into contiguous segments, for whoever asks which of them int8 does not suit.

Cuts lie only where one map alone goes on, so that no residual branch is left half in float; how fine they are depends
on the number of convolutions.
"""

from __future__ import annotations

import math

import onnx

from edgefs_export.quantising.body import between, convolutions

_SEGMENTS = 12  # at most, about


def segments(model: bytes) -> list[tuple[str, ...]]:
    """Names of the nodes of each segment, from the stem to the last block.

    Args:
        model: float32. Every node that `quantise` would quantise for a processor is in exactly one segment.
    """
    proto = onnx.load_from_string(model)
    convs = {node.name for node in convolutions(proto)}
    ends = {name for node in proto.graph.node if node.name in convs for name in (node.input[0], node.output[0])}
    names = convs | {node.name for node in between(proto, ends)}
    nodes = [node for node in proto.graph.node if node.name in names]
    least = max(1, math.ceil(len(convs) / _SEGMENTS))
    found: list[tuple[str, ...]] = []
    current: list[str] = []
    for place, node in enumerate(nodes):
        current.append(node.name)
        if sum(name in convs for name in current) >= least and _is_cut(nodes, place):
            found.append(tuple(current))
            current = []
    if current and found and not convs.intersection(current):
        found[-1] = (*found[-1], *current)  # a last pooling belongs to what it pools
    elif current:
        found.append(tuple(current))
    return found


def _is_cut(nodes: list[onnx.NodeProto], place: int) -> bool:
    """Whether one map alone goes on behind `place`, and into no rectifier."""
    made = {name for node in nodes[: place + 1] for name in node.output}
    onward = [node for node in nodes[place + 1 :] if node.op_type != "GlobalMaxPool"]
    crossing = {name for node in onward for name in node.input if name in made}
    rectified = any(node.op_type in ("Relu", "Clip") and node.input[0] in crossing for node in onward)
    return len(crossing) <= 1 and not rectified
