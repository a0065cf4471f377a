"""What an ONNX file of a stranger may hold, looked at before any library sees it.

onnxruntime runs whatever a file says: it opens the files that weights are said to lie in, loops without end and
reserves what a shape claims. What edgefs exports needs none of that, so a network passes here only if

- its weights lie in it, each with as many bytes as its shape says;
- its operators are those of ONNX, without the ones that hold other graphs (`If`, `Loop`, `Scan`), without functions;
- it has no more than `MOST_NODES` of them, and its outputs have two dimensions, the second a number within bounds;
- the arrays that it computes are of sizes that can be told beforehand, and not too large (`base.onnx_sizes`).

Message and field numbers: onnx/onnx.proto of ONNX 1.18. A file of 14 MB takes some milliseconds: weights are stepped
over.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from math import prod
from typing import NamedTuple

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.memory_file import MemoryFile
from edgefs_runtime.base.onnx_shapes import MOST_VALUES, Shape, UnknownSizeError, Values
from edgefs_runtime.base.onnx_sizes import Node, Sizes
from edgefs_runtime.base.protobuf import LENGTH, Buffer, Field, WireError, fields_of, varints

MOST_NODES = 5000
MOST_WIDTH = 65_536  # numbers of an embedding, classes of a head
_MOST_WEIGHTS = 50_000  # tensors
_MOST_DIMENSIONS = 8
_MOST_SHAPED = 1 << 28  # elements that a constant shape may ask for

_DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
_CONTRIBUTED = (b"QuantizeLinear", b"DequantizeLinear")  # of com.microsoft, what int8 networks of before are made of
_WITH_GRAPHS = (b"If", b"Loop", b"Scan", b"SequenceMap")
_SHAPED = (b"Expand", b"Tile", b"ConstantOfShape", b"Reshape")  # the size of their output is another input
_ELEMENT = {1: 4, 2: 1, 3: 1, 4: 2, 5: 2, 6: 4, 7: 8, 9: 1, 10: 2, 11: 8, 12: 4, 13: 8, 16: 2}  # data type -> bytes
_FLOAT, _INT64 = 1, 7
_FEW = 8 * MOST_VALUES  # bytes of an attribute or of weights whose numbers are looked at

_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d.{4})+", re.DOTALL)  # ints and floats of an attribute
# Fields by number.
_GRAPH, _TRAINING, _FUNCTIONS = 7, 20, 25  # of ModelProto
_NODE, _WEIGHTS, _GIVEN, _OUTPUT, _SPARSE = 1, 5, 11, 12, 15  # of GraphProto
_INPUT, _MADE, _KIND, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7  # of NodeProto
_CALLED, _WHOLE, _TEXT, _WHOLES, _TEXTS = 1, 3, 4, 8, 9  # of AttributeProto
_TENSOR, _INNER, _INNERS, _TENSORS, _SPARSES = 5, 6, 11, 10, (22, 23)
_DIMS, _TYPE, _INT64S, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 7, 8, 9, 13, 14  # of TensorProto
_TYPED = (4, 5, 6, 7, 10, 11)


def refuse_strange_network(model: bytes | MemoryFile, name: str) -> int:
    """Refuse an ONNX file that is not as those that edgefs exports.

    Args:
        model: the file.
        name: of the member, for messages.

    Returns:
        The second dimension of its output, as the file says it.

    Raises:
        BundleError: says what it holds.
    """
    try:
        if isinstance(model, bytes):
            return _Gate(model).width()
        with model.mapped() as data:
            return _Gate(data).width()
    except (WireError, IndexError, UnicodeDecodeError) as error:
        raise BundleError(f"can't load {name}: it is no ONNX network ({error})") from error
    except (_RefusedError, UnknownSizeError) as error:
        raise BundleError(f"{name} {error}; export the bundle again, or don't use it") from error


class _RefusedError(Exception):
    """What is refused, as the end of a sentence."""


class _Tensor(NamedTuple):
    """Weights: their name, their shape, and their numbers where they are few."""

    name: bytes
    shape: Shape
    values: Values | None
    factors: tuple[float, ...] | None


class _Attribute(NamedTuple):
    """What an attribute says, where that is a few whole numbers, a short text or weights."""

    name: bytes
    numbers: list[int]
    text: bytes
    most: int  # of whole numbers or texts; of many at most
    tensor: _Tensor | None


class _Gate:
    """One file on its way through the rules."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._nodes = self._tensors = 0
        self._constants: dict[bytes, Shape] = {}
        self._values: dict[bytes, Values] = {}
        self._factors: dict[bytes, tuple[float, ...]] = {}

    def width(self) -> int:
        graphs = []
        for field in fields_of(self._data, 0, len(self._data)):
            if field.number in (_FUNCTIONS, _TRAINING):
                raise _RefusedError("holds functions of its own")
            if field.number == _GRAPH:
                graphs.append(field)
        if len(graphs) != 1:
            raise WireError("expected one graph")
        return self._graph(graphs[0])

    def _graph(self, graph: Field) -> int:
        nodes: list[Field] = []
        widths: list[int] = []
        given: list[Field] = []
        for field in self._inside(graph):
            if field.number == _NODE:
                nodes.append(field)
            elif field.number == _WEIGHTS:
                self._keep(self._weights(field))
            elif field.number == _GIVEN:
                given.append(field)
            elif field.number == _OUTPUT:
                widths.append(self._width_of(field))
            elif field.number == _SPARSE:
                raise _RefusedError("holds sparse weights")
        if len(nodes) > MOST_NODES:
            raise _RefusedError(f"has {len(nodes):,} nodes, at most {MOST_NODES:,} are allowed")
        known = [self._node(node) for node in nodes]
        if len(widths) != 1:
            raise _RefusedError(f"has {len(widths)} outputs, expected one")
        entry = self._entry(given)
        Sizes(self._constants, self._values, self._factors, entry).follow(one for one in known if one is not None)
        return widths[0]

    def _entry(self, given: list[Field]) -> tuple[bytes, list[int | None]]:
        """Name and shape of the one input that is no weight; only its first dimension may have no number."""
        entries = [(name, field) for field in given if (name := self._text(field, 1)) not in self._constants]
        if len(entries) != 1:
            raise _RefusedError(f"has {len(entries)} inputs, expected one")
        name, field = entries[0]
        sizes = self._dimensions(field, "an input")
        if not sizes or any(size is None or not 1 <= size <= MOST_WIDTH for size in sizes[1:]):
            raise _RefusedError("has an input whose size it does not say")
        return name, [None, *sizes[1:]]

    def _node(self, node: Field) -> Node | None:
        """What an operator is given; None of a constant, which is kept."""
        data, kind, domain, inputs, outputs = self._data, b"", b"", [], []
        attributes: list[_Attribute] = []
        for number, wire, start, end in self._inside(node):
            if number == _INPUT:
                inputs.append(data[start:end])
            elif number == _MADE:
                outputs.append(data[start:end])
            elif number == _KIND:
                kind = data[start:end]
            elif number == _DOMAIN:
                domain = data[start:end]
            elif number == _ATTRIBUTE:
                attributes.append(self._attribute(Field(number, wire, start, end)))
        said = kind[:40].decode("ascii", "replace")
        if domain not in _DOMAINS and not (domain == b"com.microsoft" and kind in _CONTRIBUTED):
            raise _RefusedError(f"needs the operator {domain[:40].decode('ascii', 'replace')!r} {said!r}")
        if kind in _WITH_GRAPHS:
            raise _RefusedError(f"holds the operator {said!r}, which runs another graph")
        if kind in _SHAPED and (size := max(self._asked(name) for name in inputs or [b""])):
            self._bounded(size)
        if kind == b"Constant" and len(outputs) == len(attributes) == 1:
            self._keep(_constant(outputs[0], attributes[0]))
            return None
        texts = {one.name: one.text for one in attributes}
        labels = max((one.most for one in attributes if one.name.startswith(b"classlabels")), default=0)
        numbers = {one.name.decode("utf-8", "replace"): one.numbers for one in attributes if one.numbers}
        return Node(said, inputs, outputs, numbers, texts.get(b"auto_pad", b""), labels)

    def _asked(self, name: bytes) -> int:
        """Numbers that a constant shape asks for; what is 0 or -1 in it is known later."""
        return prod(max(1, number) for number in self._values.get(name, ())) if name in self._values else 0

    def _bounded(self, elements: int) -> None:
        if elements > _MOST_SHAPED:
            raise _RefusedError(f"makes an array of {elements:,} numbers")

    def _attribute(self, attribute: Field) -> _Attribute:
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
                raise _RefusedError("holds a graph in a graph")
            elif field.number in (_TENSOR, _TENSORS):
                tensor = self._weights(field)
            elif field.number in _SPARSES:
                raise _RefusedError("holds sparse weights")
        labels = count + (len(numbers) if few else attribute.end - attribute.value)
        return _Attribute(name, numbers if few else [], text, labels, tensor)

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

    def _keep(self, tensor: _Tensor) -> None:
        self._constants[tensor.name] = tensor.shape
        if tensor.values is not None:
            self._values[tensor.name] = tensor.values
        if tensor.factors is not None:
            self._factors[tensor.name] = tensor.factors

    def _weights(self, tensor: Field) -> _Tensor:
        """One tensor: what its shape says must be there, and nowhere else."""
        self._tensors += 1
        if self._tensors > _MOST_WEIGHTS:
            raise _RefusedError(f"has over {_MOST_WEIGHTS:,} weights")
        dims: list[int] = []
        kind = raw = typed = 0
        name, content, whole = b"", None, list[Field]()
        for field in self._inside(tensor):
            number = field.number
            if number == _EXTERNAL or (number == _LOCATION and field.value):
                raise _RefusedError("keeps weights in another file")
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
        return _Tensor(name, tuple(dims), values, factors)

    def _sized(self, dims: list[int], kind: int, raw: int, typed: int) -> None:
        elements = prod(dims) if len(dims) <= _MOST_DIMENSIONS and min(dims, default=0) >= 0 else -1
        if elements < 0:
            raise _RefusedError("holds weights of an impossible shape")
        needed = elements * _ELEMENT[kind] if kind in _ELEMENT else (elements + 1) // 2
        if raw and raw != needed and kind in _ELEMENT:
            raise _RefusedError(f"holds weights of {raw:,} bytes, their shape says {needed:,}")
        if not raw and elements > 2 * typed:
            raise _RefusedError(f"holds weights of {typed:,} bytes, their shape says {elements:,} numbers")

    def _width_of(self, output: Field) -> int:
        """The second of two dimensions of an output."""
        sizes = self._dimensions(output, "an output")
        if len(sizes) != 2:
            raise _RefusedError(f"has an output of {len(sizes)} dimensions, expected [N,D]")
        if sizes[1] is None or not 1 <= sizes[1] <= MOST_WIDTH:
            raise _RefusedError(f"has an output whose width is no number from 1 to {MOST_WIDTH:,}")
        return sizes[1]

    def _dimensions(self, named: Field, what: str) -> list[int | None]:
        """The shape of an input or an output; None where it is no number."""
        kind = self._only(named, 2, what)
        tensor = self._only(kind, 1, what)
        shape = self._only(tensor, 2, what)
        found: list[int | None] = []
        for field in self._inside(shape):
            if field.number == 1:
                values = [one.value for one in self._inside(field) if one.number == 1 and one.wire != LENGTH]
                found.append(values[0] if len(values) == 1 else None)
        return found

    def _text(self, message: Field, number: int) -> bytes:
        found = [field for field in self._inside(message) if field.number == number and field.wire == LENGTH]
        return self._data[found[-1].value : found[-1].end] if found else b""

    def _only(self, outer: Field, number: int, what: str) -> Field:
        found = [field for field in self._inside(outer) if field.number == number and field.wire == LENGTH]
        if len(found) != 1:
            raise _RefusedError(f"has {what} whose shape it does not say")
        return found[0]

    def _inside(self, field: Field) -> list[Field]:
        if field.wire != LENGTH:
            raise WireError("a message is a number")
        return list(fields_of(self._data, field.value, field.end))


def _constant(name: bytes, attribute: _Attribute) -> _Tensor:
    """What the operator `Constant` makes: weights, or a number or some."""
    if attribute.tensor is not None:
        return attribute.tensor._replace(name=name)
    plural = attribute.name.endswith(b"s")
    values = tuple(attribute.numbers) or None
    return _Tensor(name, (max(1, attribute.most),) if plural else (), values, None)
