"""Calibration tables on disk: read again, made again where damaged, and compared with the ones before."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from edgefs_calibration.int8.ranges import collect_ranges
from edgefs_calibration.int8.table import ranges_from_table


@pytest.fixture(scope="module")
def model() -> bytes:
    """Bytes, two convolutions, and the mean of each channel."""
    rng = np.random.default_rng(0)
    weights = [rng.standard_normal(shape).astype(np.float32) for shape in ((8, 3, 3, 3), (4, 8, 3, 3))]
    nodes = [
        helper.make_node("Cast", ["images"], ["floats"], "cast", to=TensorProto.FLOAT),
        helper.make_node("Transpose", ["floats"], ["maps"], "turn", perm=[0, 3, 1, 2]),
        helper.make_node("Conv", ["maps", "w0"], ["a"], "first", kernel_shape=[3, 3]),
        helper.make_node("Relu", ["a"], ["b"], "relu"),
        helper.make_node("Conv", ["b", "w1"], ["c"], "second", kernel_shape=[3, 3]),
        helper.make_node("GlobalAveragePool", ["c"], ["d"], "pool"),
        helper.make_node("Flatten", ["d"], ["embeddings"], "flatten"),
    ]
    graph = helper.make_graph(
        nodes,
        "embedder",
        [helper.make_tensor_value_info("images", TensorProto.UINT8, ["batch", 16, 16, 3])],
        [helper.make_tensor_value_info("embeddings", TensorProto.FLOAT, ["batch", 4])],
        [numpy_helper.from_array(weight, f"w{number}") for number, weight in enumerate(weights)],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=10)
    onnx.checker.check_model(made)
    return made.SerializeToString()


def images(seed: int, brightest: int = 255) -> np.ndarray:
    return np.random.default_rng(seed).integers(0, brightest, (10, 16, 16, 3), np.uint8)


def test_a_table_gives_back_the_very_ranges_whatever_the_images_order(model: bytes, tmp_path: Path) -> None:
    collected = collect_ranges(model, images(0))
    first = ranges_from_table(tmp_path, model, images(0), "minmax")
    (table,) = tmp_path.iterdir()
    stamp = table.stat().st_mtime_ns
    again = ranges_from_table(tmp_path, model, images(0)[::-1], "minmax")
    assert table.stat().st_mtime_ns == stamp
    for one in (first, again):
        assert dict(one) == dict(collected)
        for side in ("means", "scales"):
            ours, theirs = getattr(one, side), getattr(collected, side)
            assert ours.keys() == theirs.keys()
            assert all(np.array_equal(ours[name], theirs[name]) for name in ours)


def test_another_estimator_and_other_images_have_tables_of_their_own(model: bytes, tmp_path: Path) -> None:
    ranges_from_table(tmp_path, model, images(0), "minmax")
    ranges_from_table(tmp_path, model, images(0), "percentile")
    ranges_from_table(tmp_path, model, images(1), "minmax")
    assert len(list(tmp_path.iterdir())) == 3


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"spans": {"a": 3}}'])
def test_a_damaged_table_is_made_again(model: bytes, tmp_path: Path, content: bytes) -> None:
    whole = ranges_from_table(tmp_path, model, images(0), "minmax")
    (table,) = tmp_path.iterdir()
    table.write_bytes(content)
    again = ranges_from_table(tmp_path, model, images(0), "minmax")
    assert dict(again) == dict(whole)
    assert len(table.read_bytes()) > 100


def test_without_a_place_to_write_nothing_is_lost(model: bytes, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    found = ranges_from_table(tmp_path / "file", model, images(0), "minmax")
    assert dict(found) == dict(collect_ranges(model, images(0)))
