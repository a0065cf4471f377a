"""The messages of an ONNX file, read one by one: weights, attributes, shapes of inputs and outputs.

Nothing is copied but a few numbers: weights are stepped over. Message and field numbers: onnx/onnx.proto of ONNX 1.18.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from edgefs_runtime.base.graph.given import MOST_VALUES, RefusedError, Shape, Values
from edgefs_runtime.base.protobuf import LENGTH, Buffer, Field, WireError, fields_of, varints

_MOST_WEIGHTS = 50_000  # tensors
_MOST_DIMENSIONS = 8
_FEW = 8 * MOST_VALUES  # bytes of an attribute or of weights whose numbers are looked at
_ELEMENT = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}  # data type -> bytes
_FLOAT, _INT64 = 1, 7

_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d.{4})+", re.DOTALL)  # ints and floats of an attribute
# Fields by number.
_CALLED, _WHOLE, _TEXT, _WHOLES, _TEXTS = 1, 3, 4, 8, 9  # of AttributeProto
_TENSOR, _INNER, _INNERS, _TENSORS, _SPARSES = 5, 6, 11, 10, (22, 23)
_DIMS, _TYPE, _INT64S, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 7, 8, 9, 13, 14  # of TensorProto
_TYPED = (4, 5, 6, 7, 10, 11)


class Tensor(NamedTuple):
    """Weights: their name, their shape, and their numbers where they are few."""

    name: bytes
    shape: Shape
    values: Values | None
    factors: tuple[float, ...] | None


class Attribute(NamedTuple):
    """What an attribute says, where that is a few whole numbers, a short text or weights."""

    name: bytes
    numbers: list[int]
    text: bytes
    most: int  # of whole numbers or texts; of many at most
    tensor: Tensor | None


class Reader:
    """Reads messages of one file, and refuses those that hold what no exported network does."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._tensors = 0

    def attribute(self, attribute: Field) -> Attribute:
        """One attribute of an operator."""
        name, text, count, tensor = b"", b"", 0, None
        numbers: list[int] = []
        few = attribute.end - attribute.value <= _FEW
        for field in fields_of(self._data, attribute.value, attribute.end) if few else self._long(attribute):
            if field.number in (_WHOLE, _WHOLES):
                numbers += varints(self._data, field)
            elif field.wire != LENGTH:
                continue
            elif field.number == _CALLED:
                name = self._data[field.value : field.end]
            elif field.number == _TEXT and few:
                text = self._data[field.value : field.end]
            elif field.number == _TEXTS:
                count += 1
            elif field.number in (_INNER, _INNERS):
                raise RefusedError("holds a graph in a graph")
            elif field.number in (_TENSOR, _TENSORS):
                tensor = self.weights(field)
            elif field.number in _SPARSES:
                raise RefusedError("holds sparse weights")
        labels = count + (len(numbers) if few else attribute.end - attribute.value)
        return Attribute(name, numbers if few else [], text, labels, tensor)

    def _long(self, attribute: Field) -> Iterator[Field]:
        """The fields of an attribute but for its numbers, of which a forest has a hundred thousand."""
        at = attribute.value
        while at < attribute.end:
            if run := _NUMBERS.match(self._data, at, attribute.end):
                at = run.end()
                continue
            field = next(fields_of(self._data, at, attribute.end))
            at = field.end
            yield field

    def weights(self, tensor: Field) -> Tensor:
        """One tensor: what its shape says must be there, and nowhere else."""
        self._tensors += 1
        if self._tensors > _MOST_WEIGHTS:
            raise RefusedError(f"has over {_MOST_WEIGHTS:,} weights")
        dims: list[int] = []
        kind = raw = typed = 0
        name, content, whole = b"", None, list[Field]()
        for field in self.inside(tensor):
            number = field.number
            if number == _EXTERNAL or (number == _LOCATION and field.value):
                raise RefusedError("keeps weights in another file")
            if number == _DIMS:
                dims += varints(self._data, field)
            elif number == _TYPE:
                kind = field.value
            elif number == _NAME:
                name = self._data[field.value : field.end]
            elif number == _RAW:
                raw, content = field.end - field.value, field
            elif number in _TYPED:
                typed += field.end - field.value if field.wire == LENGTH else 10
                whole += [field] if number == _INT64S and typed <= _FEW else []
        self._sized(dims, kind, raw, typed)
        few = self._data[content.value : content.end] if content is not None and raw <= _FEW else b""
        values = factors = None
        if kind == _INT64 and (few or whole) and typed <= _FEW:
            unpacked = [number for field in whole for number in varints(self._data, field)]
            values = struct.unpack(f"<{len(few) // 8}q", few) if few else tuple(unpacked)
        elif kind == _FLOAT and few:
            factors = struct.unpack(f"<{len(few) // 4}f", few)
        return Tensor(name, tuple(dims), values, factors)

    def _sized(self, dims: list[int], kind: int, raw: int, typed: int) -> None:
        elements = prod(dims) if len(dims) <= _MOST_DIMENSIONS and min(dims, default=0) >= 0 else -1
        if elements < 0:
            raise RefusedError("holds weights of an impossible shape")
        needed = elements * _ELEMENT[kind] if kind in _ELEMENT else (elements + 1) // 2
        if raw and raw != needed and kind in _ELEMENT:
            raise RefusedError(f"holds weights of {raw:,} bytes, their shape says {needed:,}")
        if not raw and elements > 2 * typed:
            raise RefusedError(f"holds weights of {typed:,} bytes, their shape says {elements:,} numbers")

    def dimensions(self, named: Field, what: str) -> list[int | None]:
        """The shape of an input or an output; None where it is no number."""
        kind = self._only(named, 2, what)
        tensor = self._only(kind, 1, what)
        shape = self._only(tensor, 2, what)
        found: list[int | None] = []
        for field in self.inside(shape):
            if field.number == 1:
                values = [one.value for one in self.inside(field) if one.number == 1 and one.wire != LENGTH]
                found.append(values[0] if len(values) == 1 else None)
        return found

    def _only(self, outer: Field, number: int, what: str) -> Field:
        found = [field for field in self.inside(outer) if field.number == number and field.wire == LENGTH]
        if len(found) != 1:
            raise RefusedError(f"has {what} whose shape it does not say")
        return found[0]

    def text(self, message: Field, number: int) -> bytes:
        """Bytes of a field; empty where it is missing."""
        found = [field for field in self.inside(message) if field.number == number and field.wire == LENGTH]
        return self._data[found[-1].value : found[-1].end] if found else b""

    def inside(self, field: Field) -> list[Field]:
        """Fields of a message."""
        if field.wire != LENGTH:
            raise WireError("a message is a number")
        return list(fields_of(self._data, field.value, field.end))


def constant(name: bytes, attribute: Attribute) -> Tensor:
    """What the operator `Constant` makes: weights, or a number or some."""
    if attribute.tensor is not None:
        return attribute.tensor._replace(name=name)
    plural = attribute.name.endswith(b"s")
    values = tuple(attribute.numbers) or None
    return Tensor(name, (max(1, attribute.most),) if plural else (), values, None)
