"""Bundles made from another one."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Sequence
from pathlib import Path


def remade(bundle: Path, out: Path, **fields: object) -> Path:
    """The bundle with other fields in its manifest."""
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    manifest = {**json.loads(members["manifest.json"]), **fields}
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {**members, "manifest.json": json.dumps(manifest).encode()}.items():
            archive.writestr(name, data)
    return out


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
    from heads import written

    from edgefs_runtime.bundle.bundle import Bundle
    from edgefs_runtime.bundle.golden import Golden
    from edgefs_runtime.bundle.seed import pack_gallery
    from edgefs_runtime.decision.judge import Judge
    from edgefs_runtime.decision.snapshot import build_snapshot
    from edgefs_runtime.embedders.onnx import OnnxEmbedder
    from edgefs_runtime.embedders.protocol import embed_each

    opened = Bundle.open(bundle)
    model = onnx.load_from_string(opened.model)
    (projection,) = (value for value in model.graph.initializer if value.name == "projection")
    matrix = onnx.numpy_helper.to_array(projection).copy()
    turns = np.resize(np.array(signs, np.float32), matrix.shape[-1])
    matrix *= turns
    projection.CopyFrom(onnx.numpy_helper.from_array(matrix, "projection"))
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["embedder.onnx"] = model.SerializeToString()
    turned = [
        dataclasses.replace(one, vectors=one.vectors * np.resize(turns, one.vectors.shape[1]))
        for one in opened.seed_enrolments()
    ]
    members["gallery.npz"] = pack_gallery(turned)
    seed = build_snapshot(turned, 0, opened.manifest.preprocess.views)
    judge = Judge(seed, opened.manifest.decision)
    inputs = Golden.from_bytes(opened.golden).inputs
    members["golden.npz"] = Golden.record(
        inputs, embed_each(OnnxEmbedder(members["embedder.onnx"]), inputs), judge
    ).to_bytes()
    return written(out, members, dict(opened.manifest.raw["head"]))
