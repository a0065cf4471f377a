"""What an ONNX file of a stranger may hold, looked at before any library sees it.

onnxruntime runs whatever a file says: it opens the files that weights are said to lie in, loops without end and
reserves what a shape claims. What edgefs exports needs none of that, so a network passes here only if

- its weights lie in it, each with as many bytes as its shape says;
- its operators are those of ONNX, without the ones that hold other graphs (`If`, `Loop`, `Scan`), without functions;
- it has no more than `MOST_NODES` of them, and its outputs have two dimensions, the second a number within bounds;
- the arrays that it computes are of sizes that can be told beforehand, and not too large (`graph.sizes`).

A file of 14 MB takes some milliseconds: weights are stepped over (`graph.reading`).
"""

from __future__ import annotations

from math import prod

from edgefs_runtime.base.errors import BundleError
from edgefs_runtime.base.graph.given import RefusedError, Shape, Values
from edgefs_runtime.base.graph.reading import Attribute, Reader, Tensor, constant
from edgefs_runtime.base.graph.sizes import Node, Sizes
from edgefs_runtime.base.memory_file import MemoryFile
from edgefs_runtime.base.protobuf import Buffer, Field, WireError, fields_of

MOST_NODES = 5000
MOST_WIDTH = 65_536  # numbers of an embedding, classes of a head
_MOST_SHAPED = 1 << 28  # elements that a constant shape may ask for

_DOMAINS = (b"", b"ai.onnx", b"ai.onnx.ml")
_CONTRIBUTED = (b"QuantizeLinear", b"DequantizeLinear")  # of com.microsoft, what int8 networks of before are made of
_WITH_GRAPHS = (b"If", b"Loop", b"Scan", b"SequenceMap")
_SHAPED = (b"Expand", b"Tile", b"ConstantOfShape", b"Reshape")  # the size of their output is another input
# Fields by number.
_GRAPH, _TRAINING, _FUNCTIONS = 7, 20, 25  # of ModelProto
_NODE, _WEIGHTS, _GIVEN, _OUTPUT, _SPARSE = 1, 5, 11, 12, 15  # of GraphProto
_INPUT, _MADE, _KIND, _ATTRIBUTE, _DOMAIN = 1, 2, 4, 5, 7  # of NodeProto


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
    except RefusedError as error:
        raise BundleError(f"{name} {error}; export the bundle again, or don't use it") from error


class _Gate:
    """One file on its way through the rules."""

    def __init__(self, data: Buffer) -> None:
        self._data = data
        self._reader = Reader(data)
        self._constants: dict[bytes, Shape] = {}
        self._values: dict[bytes, Values] = {}
        self._factors: dict[bytes, tuple[float, ...]] = {}

    def width(self) -> int:
        graphs = []
        for field in fields_of(self._data, 0, len(self._data)):
            if field.number in (_FUNCTIONS, _TRAINING):
                raise RefusedError("holds functions of its own")
            if field.number == _GRAPH:
                graphs.append(field)
        if len(graphs) != 1:
            raise WireError("expected one graph")
        return self._graph(graphs[0])

    def _graph(self, graph: Field) -> int:
        nodes: list[Field] = []
        widths: list[int] = []
        given: list[Field] = []
        for field in self._reader.inside(graph):
            if field.number == _NODE:
                nodes.append(field)
            elif field.number == _WEIGHTS:
                self._keep(self._reader.weights(field))
            elif field.number == _GIVEN:
                given.append(field)
            elif field.number == _OUTPUT:
                widths.append(self._width_of(field))
            elif field.number == _SPARSE:
                raise RefusedError("holds sparse weights")
        if len(nodes) > MOST_NODES:
            raise RefusedError(f"has {len(nodes):,} nodes, at most {MOST_NODES:,} are allowed")
        known = [self._node(node) for node in nodes]
        if len(widths) != 1:
            raise RefusedError(f"has {len(widths)} outputs, expected one")
        entry = self._entry(given)
        Sizes(self._constants, self._values, self._factors, entry).follow(one for one in known if one is not None)
        return widths[0]

    def _entry(self, given: list[Field]) -> tuple[bytes, list[int | None]]:
        """Name and shape of the one input that is no weight; only its first dimension may have no number."""
        entries = [(name, field) for field in given if (name := self._reader.text(field, 1)) not in self._constants]
        if len(entries) != 1:
            raise RefusedError(f"has {len(entries)} inputs, expected one")
        name, field = entries[0]
        sizes = self._reader.dimensions(field, "an input")
        if not sizes or any(size is None or not 1 <= size <= MOST_WIDTH for size in sizes[1:]):
            raise RefusedError("has an input whose size it does not say")
        return name, [None, *sizes[1:]]

    def _node(self, node: Field) -> Node | None:
        """What an operator is given; None of a constant, which is kept."""
        data, kind, domain, inputs, outputs = self._data, b"", b"", [], []
        attributes: list[Attribute] = []
        for number, wire, start, end in self._reader.inside(node):
            if number == _INPUT:
                inputs.append(data[start:end])
            elif number == _MADE:
                outputs.append(data[start:end])
            elif number == _KIND:
                kind = data[start:end]
            elif number == _DOMAIN:
                domain = data[start:end]
            elif number == _ATTRIBUTE:
                attributes.append(self._reader.attribute(Field(number, wire, start, end)))
        said = kind[:40].decode("ascii", "replace")
        if domain not in _DOMAINS and not (domain == b"com.microsoft" and kind in _CONTRIBUTED):
            raise RefusedError(f"needs the operator {domain[:40].decode('ascii', 'replace')!r} {said!r}")
        if kind in _WITH_GRAPHS:
            raise RefusedError(f"holds the operator {said!r}, which runs another graph")
        if kind in _SHAPED and (size := max(self._asked(name) for name in inputs or [b""])):
            self._bounded(size)
        if kind == b"Constant" and len(outputs) == len(attributes) == 1:
            self._keep(constant(outputs[0], attributes[0]))
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
            raise RefusedError(f"makes an array of {elements:,} numbers")

    def _keep(self, tensor: Tensor) -> None:
        self._constants[tensor.name] = tensor.shape
        if tensor.values is not None:
            self._values[tensor.name] = tensor.values
        if tensor.factors is not None:
            self._factors[tensor.name] = tensor.factors

    def _width_of(self, output: Field) -> int:
        """The second of two dimensions of an output."""
        sizes = self._reader.dimensions(output, "an output")
        if len(sizes) != 2:
            raise RefusedError(f"has an output of {len(sizes)} dimensions, expected [N,D]")
        if sizes[1] is None or not 1 <= sizes[1] <= MOST_WIDTH:
            raise RefusedError(f"has an output whose width is no number from 1 to {MOST_WIDTH:,}")
        return sizes[1]
