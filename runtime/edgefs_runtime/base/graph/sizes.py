"""How large the arrays are that a network computes, told before anything is computed.

A graph of a hundred small nodes can double an array a hundred times, or make one of a computed size: onnxruntime finds
out when memory is gone, some of it while the file is loaded. Here the shapes go through the graph once, for a batch of
`BATCH` images: with one alone, a square of the batch would look like the batch.
"""

from __future__ import annotations

from collections.abc import Iterable
from math import prod
from typing import NamedTuple

from edgefs_runtime.base.graph.given import MOST_VALUES, Given, RefusedError, Shape, Values
from edgefs_runtime.base.graph.rules import RULES
from edgefs_runtime.base.graph.values import VALUES

BATCH = 16  # images
# Of one array and of all together, as multiples of the input's numbers; small inputs may have more by far.
_MOST_EACH, _LEAST_EACH = 128, 1 << 20
_MOST_TOGETHER, _LEAST_TOGETHER = 1024, 1 << 23
_MOST_RANK = 8
_MOST_NUMBER = 1 << 40  # in a shape that is computed


class Node(NamedTuple):
    """One operator of a graph.

    Attributes:
        kind: its name, without the domain.
        inputs: names; empty where one is left out.
        outputs: names.
        attributes: whole numbers by name, where they are few.
        auto_pad: how a convolution pads.
        labels: how many classes it tells apart.
    """

    kind: str
    inputs: list[bytes]
    outputs: list[bytes]
    attributes: dict[str, list[int]]
    auto_pad: bytes = b""
    labels: int = 0


class Sizes:
    """Shapes of all arrays of a graph, as they become known.

    Args:
        constants: shapes by name.
        values: of those that are a few whole numbers.
        factors: of those that are a few other numbers.
        given: shape of the network's one input; a dimension that has no number is the batch.
    """

    def __init__(
        self,
        constants: dict[bytes, Shape],
        values: dict[bytes, Values],
        factors: dict[bytes, tuple[float, ...]],
        given: tuple[bytes, list[int | None]],
    ) -> None:
        name, sizes = given
        shape = tuple(BATCH if size is None else size for size in sizes)
        self._shapes: dict[bytes, Shape] = {**constants, name: shape}
        self._values, self._factors = dict(values), factors
        self._each = max(_MOST_EACH * prod(shape), BATCH * _LEAST_EACH)
        self._together = max(_MOST_TOGETHER * prod(shape), BATCH * _LEAST_TOGETHER)
        self._total = 0

    def follow(self, nodes: Iterable[Node]) -> None:
        """Let the shapes go through nodes in the order in which they are computed.

        Raises:
            RefusedError: an array is too large, or of a size that can't be told; the end of a sentence.
        """
        for node in nodes:
            self._follow(node)

    def _follow(self, node: Node) -> None:
        if node.kind not in RULES:
            raise RefusedError(f"holds the operator {node.kind[:40]!r}, the size of whose result can't be told")
        try:
            given = self._given(node)
            shapes = RULES[node.kind](given)
            values = VALUES[node.kind](given) if node.kind in VALUES else None
        except RefusedError as error:
            raise RefusedError(f"{error} (at the operator {node.kind!r})") from error
        except (IndexError, KeyError, ValueError, TypeError, ZeroDivisionError, OverflowError) as error:
            raise RefusedError(f"computes arrays that don't fit together (at {node.kind!r})") from error
        for name, shape in zip(node.outputs, shapes, strict=False):
            self._note(name, shape)
        if values is not None and 0 < len(values) <= MOST_VALUES and all(abs(one) < _MOST_NUMBER for one in values):
            self._values[node.outputs[0]] = values

    def _given(self, node: Node) -> Given:
        if unknown := [name for name in node.inputs if name and name not in self._shapes]:
            raise RefusedError(f"uses {unknown[0][:40].decode('utf-8', 'replace')!r} before it is made")
        return Given(
            [self._shapes[name] if name else None for name in node.inputs],
            [self._values.get(name) for name in node.inputs],
            node.attributes,
            node.auto_pad,
            node.labels,
            len(node.outputs),
            [self._factors.get(name) for name in node.inputs],
        )

    def _note(self, name: bytes, shape: Shape) -> None:
        size = prod(shape)
        if min(shape, default=0) < 0 or len(shape) > _MOST_RANK:
            raise RefusedError("makes an array of an impossible shape")
        self._total += size
        for what, found, most in (("an array", size, self._each), ("arrays", self._total, self._together)):
            if found > most:
                raise RefusedError(
                    f"makes {what} of {found // BATCH:,} numbers for one image, at most {most // BATCH:,} are allowed"
                )
        if name:
            self._shapes[name] = shape
