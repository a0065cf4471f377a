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


_YES = {"yes": np.array(True)}
NETWORKS: dict[str, Attack] = {
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
