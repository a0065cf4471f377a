"""Networks that loop, branch, read other files, or claim more memory than there is."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from pathlib import Path

import numpy as np

from faults.attacks.making import Attack, members, with_members

# onnx is imported in the process that makes an attack, and not where its memory is measured.


def _changed(change: Callable[..., object]) -> Attack:
    def write(folder: Path) -> Path:
        import onnx

        model = onnx.load_from_string(members()["embedder.onnx"])
        change(onnx, model)
        return with_members(folder, embedder=model.SerializeToString())

    return write


def _behind(nodes: Callable[..., list], **initial: np.ndarray) -> Attack:
    """The golden network with `nodes` between its output `inner` and the end: many give what they get."""

    def change(onnx: object, model: object) -> None:
        graph = model.graph
        graph.node[-1].output[0] = "inner"
        graph.node.extend(nodes(onnx.helper))
        graph.initializer.extend(onnx.numpy_helper.from_array(array, name) for name, array in initial.items())
        model.opset_import.append(onnx.helper.make_opsetid("evil", 1))

    return _changed(change)


def _branch(helper: object) -> list:
    info = helper.make_tensor_value_info("same", 1, None)
    body = helper.make_graph([helper.make_node("Identity", ["inner"], ["same"])], "body", [], [info])
    return [helper.make_node("If", ["yes"], ["embeddings"], then_branch=body, else_branch=body)]


def _loop(helper: object) -> list:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [info("turn", 7, []), info("going", 9, []), info("before", 1, None)],
        [info("goes", 9, []), info("after", 1, None)],
    )
    return [helper.make_node("Loop", ["turns", "yes", "inner"], ["embeddings"], body=body)]


def _scan(helper: object) -> list:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["row"], ["seen"])], "body", [info("row", 1, None)], [info("seen", 1, None)]
    )
    return [helper.make_node("Scan", ["inner"], ["embeddings"], body=body, num_scan_inputs=1)]


def _node(kind: str, domain: str = "", inputs: tuple[str, ...] = ("inner",)) -> Callable[..., list]:
    return lambda helper: [helper.make_node(kind, inputs, ["embeddings"], domain=domain)]


def _long(helper: object) -> list:
    names = ["inner", *(f"v{number}" for number in range(60_000)), "embeddings"]
    return [helper.make_node("Identity", [one], [two]) for one, two in itertools.pairwise(names)]


def _external(location: str) -> Attack:
    """The weights lie elsewhere: in a file that the bundle's maker wants to read."""

    def change(onnx: object, model: object) -> None:
        weights = model.graph.initializer[0]
        weights.ClearField("raw_data")
        weights.ClearField("float_data")
        weights.data_location = onnx.TensorProto.EXTERNAL
        for key, value in {"location": location, "offset": "0", "length": str(4 * int(np.prod(weights.dims)))}.items():
            weights.external_data.add(key=key, value=value)

    return _changed(change)


def _set_output(dims: list[object], dtype: int = 1) -> Attack:
    def change(onnx: object, model: object) -> None:
        model.graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info("embeddings", dtype, dims))

    return _changed(change)


def _giant_weights(_onnx: object, model: object) -> None:
    del model.graph.initializer[0].dims[:]
    model.graph.initializer[0].dims.extend([10**6, 10**6])


def _negative_weights(_onnx: object, model: object) -> None:
    model.graph.initializer[0].dims[0] = -5


def _nan_weights(onnx: object, model: object) -> None:
    (weights,) = (value for value in model.graph.initializer if value.name == "projection")
    array = onnx.numpy_helper.to_array(weights) * np.float32(np.nan)
    weights.CopyFrom(onnx.numpy_helper.from_array(array, "projection"))


def _circle(_onnx: object, model: object) -> None:
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]


def _second_input(onnx: object, model: object) -> None:
    model.graph.input.append(onnx.helper.make_tensor_value_info("more", 1, [1]))


def _function(onnx: object, model: object) -> None:
    h = onnx.helper
    body = [h.make_node("Identity", ["x"], ["y"])]
    model.graph.node[-1].output[0] = "inner"
    model.graph.node.append(h.make_node("F", ["inner"], ["embeddings"], domain="evil"))
    model.functions.append(h.make_function("evil", "F", ["x"], ["y"], body, [h.make_opsetid("", 18)]))
    model.opset_import.append(h.make_opsetid("evil", 1))


def _nested(onnx: object, model: object) -> None:
    inner = onnx.helper.make_graph([], "deepest", [], [])
    for depth in range(25):
        inner = onnx.helper.make_graph([onnx.helper.make_node("If", ["c"], [], then_branch=inner)], f"{depth}", [], [])
    model.graph.node.append(onnx.helper.make_node("If", ["c"], [], then_branch=inner))


def _ending(*steps: tuple[str, tuple[str, ...], str]) -> Callable[..., list]:
    """Nodes (kind, inputs, output), and a last one by which the greatest number of `grown` is added to `inner`."""

    def nodes(helper: object) -> list:
        made = [helper.make_node(kind, inputs, [output]) for kind, inputs, output in steps]
        return [
            *made,
            helper.make_node("ReduceMax", ["grown"], ["greatest"], keepdims=0),
            helper.make_node("Cast", ["greatest"], ["added"], to=1),
            helper.make_node("Add", ["inner", "added"], ["embeddings"]),
        ]

    return nodes


def _doubled(start: str) -> Callable[..., list]:
    names = [start, *(f"v{number}" for number in range(39)), "grown"]
    return _ending(*(("Concat", (one, one), two) for one, two in itertools.pairwise(names)))


def _with_axis(nodes: Callable[..., list], kind: str, **attributes: object) -> Callable[..., list]:
    """The same with attributes of the operators of one kind."""

    def changed(helper: object) -> list:
        made = nodes(helper)
        for node in made:
            if node.op_type == kind:
                node.attribute.extend(helper.make_attribute(name, value) for name, value in attributes.items())
        return made

    return changed


def _of_the_image(kind: str, weights: tuple[int, ...], **attributes: object) -> Attack:
    """An operator with a kernel, on the image as numbers."""
    cast = [("Cast", ("images",), "numbers"), (kind, ("numbers", "kernel"), "grown")]
    nodes = _with_axis(_with_axis(_ending(*cast), "Cast", to=1), kind, **attributes)
    return _behind(nodes, kernel=np.ones(weights, np.float32))


_COMPUTED = (  # a size that grows with the image: 96^6
    ("Shape", ("inner",), "two"),
    ("Gather", ("two", "second"), "width"),
    ("Mul", ("width", "width"), "square"),
    ("Mul", ("square", "square"), "fourth"),
    ("Mul", ("fourth", "square"), "sixth"),
    ("Concat", ("sixth", "sixth"), "size"),
)
_BY_THE_BATCH = (
    ("Shape", ("inner",), "two"),
    ("Gather", ("two", "first"), "count"),
    *(("Concat", ("count",) * 7, "size"),),
)
_READ = (("ReduceMax", ("inner",), "number"), ("Exp", ("number",), "more"), ("Cast", ("more",), "size"))
_FLAT = {"first": np.array([0]), "second": np.array([1]), "one": np.ones(1)}
_ROWS = {"rows": np.ones((100_000, 1), np.float32), "columns": np.ones((1, 100_000), np.float32)}
_WIDE = {"rows": np.ones((2, 100_000), np.float32), "which": np.zeros(100_000, np.int64)}
_RANGE = {"zero": np.array(0), "last": np.array(2**40), "step": np.array(1)}
_CLASSES = {"which": np.zeros(8, np.int64), "depth": np.array(10**10), "both": np.array([0, 1], np.float32)}


def _growing(*steps: tuple[str, tuple[str, ...], str], **initial: np.ndarray) -> Attack:
    return _behind(_with_axis(_with_axis(_ending(*steps), "Concat", axis=0), "Cast", to=7), **initial)


def _grown(kind: str, *inputs: str, before: tuple = (), **initial: np.ndarray) -> Attack:
    return _growing(*before, (kind, inputs, "grown"), **initial)


_YES = {"yes": np.array(True)}
GROWING: dict[str, Attack] = {
    "onnx: 40 doublings": _behind(_with_axis(_doubled("inner"), "Concat", axis=0)),
    "onnx: 40 doublings of a weight": _behind(
        _with_axis(_doubled("weight"), "Concat", axis=0), weight=np.ones(4, np.float32)
    ),
    "onnx: weights added to 10^10 numbers": _grown("Add", "rows", "columns", **_ROWS),
    "onnx: weights multiplied to 10^10 numbers": _grown("MatMul", "rows", "columns", **_ROWS),
    "onnx: 10^10 rows of a weight": _grown("Gather", "rows", "which", **_WIDE),
    "onnx: an Expand to a computed size": _grown("Expand", "one", "size", before=_COMPUTED, **_FLAT),
    "onnx: a ConstantOfShape of a computed size": _grown("ConstantOfShape", "size", before=_COMPUTED, **_FLAT),
    "onnx: a Tile of a computed size": _grown("Tile", "inner", "size", before=_COMPUTED, **_FLAT),
    "onnx: the batch to the seventh": _grown("ConstantOfShape", "size", before=_BY_THE_BATCH, **_FLAT),
    "onnx: a Range to what it reads": _grown("Range", "zero", "size", "step", before=_READ, **_RANGE),
    "onnx: a Range without end": _grown("Range", "zero", "last", "step", **_RANGE),
    "onnx: a Resize by 100,000": _grown("Resize", "inner", "", "by", by=np.array([1, 100_000], np.float32)),
    "onnx: a Pad of 10^10": _grown("Pad", "inner", "pads", pads=np.array([0, 0, 0, 10**10])),
    "onnx: a OneHot of 10^10": _grown("OneHot", "which", "depth", "both", **_CLASSES),
    "onnx: a convolution with a border of 10^6": _of_the_image("Conv", (1, 32, 1, 1), pads=[10**6] * 4),
    "onnx: a convolution turned round by 10^6": _of_the_image("ConvTranspose", (32, 1, 1, 1), strides=[10**6] * 2),
    "onnx: an operator of which nobody knows": _grown("NonZero", "inner"),
}
NETWORKS: dict[str, Attack] = {
    **GROWING,
    "onnx: nothing": lambda folder: with_members(folder, embedder=b""),
    "onnx: text": lambda folder: with_members(folder, embedder=b"hello"),
    "onnx: the first half": lambda folder: with_members(folder, embedder=members()["embedder.onnx"][:20_000]),
    "onnx: a length of 2^63": lambda folder: with_members(folder, embedder=b"\x3a\xff\xff\xff\xff\xff\xff\xff\xff\x7f"),
    "onnx: If": _behind(_branch, **_YES),
    "onnx: Loop without end": _behind(_loop, **_YES, turns=np.array(2**62)),
    "onnx: Loop of one turn": _behind(_loop, **_YES, turns=np.array(1)),
    "onnx: Scan": _behind(_scan),
    "onnx: another domain": _behind(_node("Custom", "evil")),
    "onnx: an operator that is none": _behind(_node("Exfiltrate")),
    "onnx: a gigantic Expand": _behind(_node("Expand", inputs=("inner", "to")), to=np.array([10**9, 1, 96])),
    "onnx: a gigantic Tile": _behind(_node("Tile", inputs=("inner", "to")), to=np.array([10**7, 100])),
    "onnx: 60,000 nodes": _behind(_long),
    "onnx: a function": _changed(_function),
    "onnx: 25 graphs deep": _changed(_nested),
    "onnx: external data beside it": _external("canary"),
    "onnx: external data that climbs": _external("../canary/canary"),
    "onnx: external data of the system": _external("etc/passwd"),
    "onnx: external data at the root": _external("/etc/passwd"),
    "onnx: external data of a device": _external("/dev/zero"),
    "onnx: weights of 10^12": _changed(_giant_weights),
    "onnx: weights of a negative size": _changed(_negative_weights),
    "onnx: weights of NaN": _changed(_nan_weights),
    "onnx: a circle": _changed(_circle),
    "onnx: two inputs": _changed(_second_input),
    "onnx: no output": _changed(lambda _onnx, model: model.graph.ClearField("output")),
    "onnx: no input": _changed(lambda _onnx, model: model.graph.ClearField("input")),
    "onnx: no graph": _changed(lambda _onnx, model: model.ClearField("graph")),
    "onnx: opset 999": _changed(lambda _onnx, model: setattr(model.opset_import[0], "version", 999)),
    "onnx: version 999": _changed(lambda _onnx, model: setattr(model, "ir_version", 999)),
    "onnx: an output of a name": _set_output(["batch", "D"]),
    "onnx: an output of 10^15": _set_output(["batch", 10**15]),
    "onnx: an output of nothing": _set_output(["batch", 0]),
    "onnx: an output of one dimension": _set_output([96]),
    "onnx: an output of doubles": _set_output(["batch", 96], 11),
    "onnx: an output of another width": _set_output(["batch", 95]),
}
