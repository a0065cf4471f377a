"""What an ONNX file of a stranger may hold, looked at before any library sees it.

onnxruntime runs whatever a file says: it opens the files that weights are said to lie in, loops without end and
reserves what a shape claims. What edgefs exports needs none of that, so a network passes here only if

- its weights lie in it, each with as many bytes as its shape says;
- its operators are those of ONNX, without the ones that hold other graphs (`If`, `Loop`, `Scan`), without functions;
- it has no more than `MOST_NODES` of them, and its outputs have two dimensions, the second a number within bounds.

Message and field numbers: onnx/onnx.proto of ONNX 1.18. A file of 14 MB takes some milliseconds: weights are stepped
over.
"""

from __future__ import annotations

import re
from math import prod

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.memory_file import MemoryFile
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
_INT64 = 7

_NUMBERS = re.compile(rb"(?:\x40[\x80-\xff]{0,9}[\x00-\x7f]|\x3d.{4})+", re.DOTALL)  # ints and floats of an attribute
# Fields by number.
_GRAPH, _TRAINING, _FUNCTIONS = 7, 20, 25  # of ModelProto
_NODE, _WEIGHTS, _OUTPUT, _SPARSE = 1, 5, 12, 15  # of GraphProto
_INPUT, _KIND, _ATTRIBUTE, _DOMAIN = 1, 4, 5, 7  # of NodeProto
_TENSOR, _INNER, _INNERS, _TENSORS, _SPARSES = 5, 6, 11, 10, (22, 23)  # of AttributeProto
_DIMS, _TYPE, _NAME, _RAW, _EXTERNAL, _LOCATION = 1, 2, 8, 9, 13, 14  # of TensorProto
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
    except _RefusedError as error:
        raise BundleError(f"{name} {error}; export the bundle again, or don't use it") from error


class _RefusedError(Exception):
    """What is refused, as the end of a sentence."""


class _Gate:
    """One file on its way through the rules."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._nodes = self._tensors = 0
        self._shapes: dict[bytes, int] = {}  # elements that a constant shape of that name asks for

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
        for field in self._inside(graph):
            if field.number == _NODE:
                nodes.append(field)
            elif field.number == _WEIGHTS:
                self._weights(field)
            elif field.number == _OUTPUT:
                widths.append(self._width_of(field))
            elif field.number == _SPARSE:
                raise _RefusedError("holds sparse weights")
        if len(nodes) > MOST_NODES:
            raise _RefusedError(f"has {len(nodes):,} nodes, at most {MOST_NODES:,} are allowed")
        for node in nodes:
            self._node(node)
        if len(widths) != 1:
            raise _RefusedError(f"has {len(widths)} outputs, expected one")
        return widths[0]

    def _node(self, node: Field) -> None:
        data, kind, domain, inputs = self._data, b"", b"", []
        for number, wire, start, end in self._inside(node):
            if number == _INPUT:
                inputs.append((start, end))
            elif number == _KIND:
                kind = data[start:end]
            elif number == _DOMAIN:
                domain = data[start:end]
            elif number == _ATTRIBUTE:
                self._attribute(Field(number, wire, start, end))
        said = kind[:40].decode("ascii", "replace")
        if domain not in _DOMAINS and not (domain == b"com.microsoft" and kind in _CONTRIBUTED):
            raise _RefusedError(f"needs the operator {domain[:40].decode('ascii', 'replace')!r} {said!r}")
        if kind in _WITH_GRAPHS:
            raise _RefusedError(f"holds the operator {said!r}, which runs another graph")
        if kind in _SHAPED and (size := max(self._shapes.get(data[start:end], 0) for start, end in inputs or [(0, 0)])):
            self._bounded(size)

    def _bounded(self, elements: int) -> None:
        if elements > _MOST_SHAPED:
            raise _RefusedError(f"makes an array of {elements:,} numbers")

    def _attribute(self, attribute: Field) -> None:
        at = attribute.value
        while at < attribute.end:
            if numbers := _NUMBERS.match(self._data, at, attribute.end):  # a forest has a hundred thousand
                at = numbers.end()
                continue
            field = next(fields_of(self._data, at, attribute.end))
            at = field.end
            if field.wire != LENGTH:
                continue
            if field.number in (_INNER, _INNERS):
                raise _RefusedError("holds a graph in a graph")
            if field.number in (_TENSOR, _TENSORS):
                self._weights(field)
            elif field.number in _SPARSES:
                raise _RefusedError("holds sparse weights")

    def _weights(self, tensor: Field) -> None:
        """One tensor: what its shape says must be there, and nowhere else."""
        self._tensors += 1
        if self._tensors > _MOST_WEIGHTS:
            raise _RefusedError(f"has over {_MOST_WEIGHTS:,} weights")
        dims: list[int] = []
        kind = raw = typed = 0
        name, content = b"", None
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
        self._sized(dims, kind, raw, typed)
        if kind == _INT64 and content is not None and raw <= 8 * _MOST_DIMENSIONS:
            self._shapes[name] = self._elements(content)

    def _sized(self, dims: list[int], kind: int, raw: int, typed: int) -> None:
        elements = prod(dims) if len(dims) <= _MOST_DIMENSIONS and min(dims, default=0) >= 0 else -1
        if elements < 0:
            raise _RefusedError("holds weights of an impossible shape")
        needed = elements * _ELEMENT[kind] if kind in _ELEMENT else (elements + 1) // 2
        if raw and raw != needed and kind in _ELEMENT:
            raise _RefusedError(f"holds weights of {raw:,} bytes, their shape says {needed:,}")
        if not raw and elements > 2 * typed:
            raise _RefusedError(f"holds weights of {typed:,} bytes, their shape says {elements:,} numbers")

    def _elements(self, shape: Field) -> int:
        """How many a shape asks for; what is 0 or -1 in it is known later."""
        data = self._data[shape.value : shape.end]
        numbers = [int.from_bytes(data[at : at + 8], "little", signed=True) for at in range(0, len(data), 8)]
        return prod(max(1, number) for number in numbers)

    def _width_of(self, output: Field) -> int:
        """The second of two dimensions of an output."""
        (kind,) = self._only(output, 2)
        (tensor,) = self._only(kind, 1)
        (shape,) = self._only(tensor, 2)
        dims = [field for field in self._inside(shape) if field.number == 1]
        if len(dims) != 2:
            raise _RefusedError(f"has an output of {len(dims)} dimensions, expected [N,D]")
        values = [field.value for field in self._inside(dims[1]) if field.number == 1 and field.wire != LENGTH]
        if len(values) != 1 or not 1 <= values[0] <= MOST_WIDTH:
            raise _RefusedError(f"has an output whose width is no number from 1 to {MOST_WIDTH:,}")
        return values[0]

    def _only(self, outer: Field, number: int) -> list[Field]:
        found = [field for field in self._inside(outer) if field.number == number and field.wire == LENGTH]
        if len(found) != 1:
            raise _RefusedError("has an output whose shape it does not say")
        return found

    def _inside(self, field: Field) -> list[Field]:
        if field.wire != LENGTH:
            raise WireError("a message is a number")
        return list(fields_of(self._data, field.value, field.end))
