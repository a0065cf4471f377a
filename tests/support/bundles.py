"""Bundles made from another one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.decision.snapshot import Enrolment

ONE, TWO = "1a" * 32, "2b" * 32  # identities of two models


def remade(bundle: Path, out: Path, **fields: object) -> Path:
    """The bundle with other fields in its manifest."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = {**json.loads(members["manifest.json"]), **fields}
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return out


def in_one_view(bundle: Path, out: Path) -> Path:
    """The bundle as one that sees an image that teaches as it is alone, without its symmetries."""
    import dataclasses

    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.decision.snapshot import first_views

    opened = Bundle.open(bundle)
    views = opened.manifest.preprocess.views
    rows = [dataclasses.replace(one, vectors=first_views(one, views)) for one in opened.seed_enrolments()]
    preprocess = {**opened.manifest.raw["preprocess"], "symmetries": []}
    return _with_seed(opened, out, opened.model, rows, 1, {**opened.manifest.raw, "preprocess": preprocess})


def other_network(bundle: Path, out: Path, signs: Sequence[int] = (-1, 1)) -> Path:
    """The bundle with a network whose embeddings have half of their signs turned, a seed and a self-test by it.

    Args:
        bundle: the other one.
        out: the file to write.
        signs: of the embedding's numbers in turn, from the first to the last.
    """
    import dataclasses

    import numpy as np
    import onnx

    from edgefs_runtime.bundle.bundle import Bundle

    opened = Bundle.open(bundle)
    model = onnx.load_from_string(opened.model)
    (projection,) = (value for value in model.graph.initializer if value.name == "projection")
    matrix = onnx.numpy_helper.to_array(projection).copy()
    turns = np.resize(np.array(signs, np.float32), matrix.shape[-1])
    matrix *= turns
    projection.CopyFrom(onnx.numpy_helper.from_array(matrix, "projection"))
    turned = [
        dataclasses.replace(one, vectors=one.vectors * np.resize(turns, one.vectors.shape[1]))
        for one in opened.seed_enrolments()
    ]
    views = opened.manifest.preprocess.views
    return _with_seed(opened, out, model.SerializeToString(), turned, views, dict(opened.manifest.raw))


def _with_seed(
    opened: Bundle, out: Path, model: bytes, rows: list[Enrolment], views: int, manifest: dict[str, object]
) -> Path:
    """A bundle with this network and seed, and the self-test that follows from them."""
    from heads import written

    from edgefs_runtime.bundle.golden import Golden
    from edgefs_runtime.bundle.seed import pack_gallery
    from edgefs_runtime.decision.judge import Judge
    from edgefs_runtime.decision.snapshot import build_snapshot
    from edgefs_runtime.embedders.onnx import OnnxEmbedder
    from edgefs_runtime.embedders.protocol import embed_each

    inputs = Golden.from_bytes(opened.golden).inputs
    judge = Judge(build_snapshot(rows, 0, views), opened.manifest.decision)
    golden = Golden.record(inputs, embed_each(OnnxEmbedder(model), inputs), judge)
    with zipfile.ZipFile(opened.path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members |= {
        "manifest.json": json.dumps(manifest).encode(),
        "embedder.onnx": model,
        "gallery.npz": pack_gallery(rows),
        "golden.npz": golden.to_bytes(),
    }
    return written(out, members, dict(opened.manifest.raw["head"]))
