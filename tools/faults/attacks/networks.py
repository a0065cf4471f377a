"""Networks that loop, branch, read other files, or claim more memory than there is."""

from __future__ import annotations

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


def _fresh(nodes: Callable[..., list], *, dim: object = 96, dtype: int = 1, **initial: np.ndarray) -> Attack:
    """A model of `nodes` between `images` and `embeddings`."""

    def write(folder: Path) -> Path:
        import onnx
        from onnx import helper, numpy_helper

        graph = helper.make_graph(
            nodes(helper),
            "g",
            [helper.make_tensor_value_info("images", 2, ["batch", 32, 32, 3])],
            [helper.make_tensor_value_info("embeddings", dtype, ["batch", dim])],
            [numpy_helper.from_array(array, name) for name, array in initial.items()],
        )
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18), helper.make_opsetid("evil", 1)])
        model.ir_version = min(model.ir_version, 9)
        return with_members(folder, embedder=onnx.ModelProto.SerializeToString(model))

    return write


def _plain(helper: object) -> list:
    """A network that is as simple as may be: 96 means of the picture."""
    return [
        helper.make_node("Cast", ["images"], ["floats"], to=1),
        helper.make_node("Flatten", ["floats"], ["flat"]),
        helper.make_node("Slice", ["flat", "zero", "end", "one"], ["embeddings"]),
    ]


_SLICE = {"zero": np.array([0]), "end": np.array([96]), "one": np.array([1])}


def _branch(helper: object, kind: str) -> list:
    body = helper.make_graph(
        [helper.make_node("Identity", ["flat"], [f"{kind}-out"])],
        kind,
        [],
        [helper.make_tensor_value_info(f"{kind}-out", 1, None)],
    )
    return [
        *_plain(helper)[:2],
        helper.make_node("If", ["yes"], ["branched"], then_branch=body, else_branch=body),
        helper.make_node("Slice", ["branched", "zero", "end", "one"], ["embeddings"]),
    ]


def _loop(helper: object, turns: str) -> list:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["going"], ["goes"]), helper.make_node("Identity", ["before"], ["after"])],
        "body",
        [info("turn", 7, []), info("going", 9, []), info("before", 1, None)],
        [info("goes", 9, []), info("after", 1, None)],
    )
    return [
        *_plain(helper)[:2],
        helper.make_node("Loop", [turns, "yes", "flat"], ["looped"], body=body),
        helper.make_node("Slice", ["looped", "zero", "end", "one"], ["embeddings"]),
    ]


def _scan(helper: object) -> list:
    info = helper.make_tensor_value_info
    body = helper.make_graph(
        [helper.make_node("Identity", ["row"], ["seen"])], "body", [info("row", 1, None)], [info("seen", 1, None)]
    )
    return [
        *_plain(helper)[:2],
        helper.make_node("Scan", ["flat"], ["scanned"], body=body, num_scan_inputs=1),
        helper.make_node("Slice", ["scanned", "zero", "end", "one"], ["embeddings"]),
    ]


def _then(kind: str, domain: str = "", **attributes: object) -> Callable[..., list]:
    """The plain network with one more node before its end."""
    return lambda helper: [
        *_plain(helper)[:2],
        helper.make_node(kind, ["flat", "extra"][: 2 if kind in ("Expand", "Tile", "Resize") else 1], ["more"],
                         domain=domain, **attributes),
        helper.make_node("Slice", ["more", "zero", "end", "one"], ["embeddings"]),
    ]  # fmt: skip


def _long(helper: object) -> list:
    names = ["flat", *(f"v{number}" for number in range(60_000))]
    chain = [helper.make_node("Identity", [one], [two]) for one, two in zip(names, names[1:], strict=False)]
    return [*_plain(helper)[:2], *chain, helper.make_node("Slice", [names[-1], "zero", "end", "one"], ["embeddings"])]


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
    "onnx: If": _fresh(lambda h: _branch(h, "then"), **_SLICE, **_YES),
    "onnx: Loop without end": _fresh(lambda h: _loop(h, "turns"), **_SLICE, **_YES, turns=np.array(2**62)),
    "onnx: Loop of one turn": _fresh(lambda h: _loop(h, "one_turn"), **_SLICE, **_YES, one_turn=np.array(1)),
    "onnx: Scan": _fresh(_scan, **_SLICE),
    "onnx: another domain": _fresh(_then("Custom", "evil"), **_SLICE),
    "onnx: an operator that is none": _fresh(_then("Exfiltrate"), **_SLICE),
    "onnx: a gigantic Expand": _fresh(_then("Expand"), **_SLICE, extra=np.array([10**9, 3072])),
    "onnx: a gigantic Tile": _fresh(_then("Tile"), **_SLICE, extra=np.array([10**6, 100])),
    "onnx: 60,000 nodes": _fresh(_long, **_SLICE),
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
