"""Bundles made from another one."""

from __future__ import annotations

import json
import zipfile
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


def other_network(bundle: Path, out: Path) -> Path:
    """The bundle with a network whose embeddings have half of their signs turned, and a self-test by it."""
    import onnx
    from heads import seed_of, written

    from edgefs_runtime.bundle import Bundle
    from edgefs_runtime.deciding import Judge
    from edgefs_runtime.embedder import OnnxEmbedder
    from edgefs_runtime.golden import Golden

    opened = Bundle.open(bundle)
    model = onnx.load_from_string(opened.model)
    (projection,) = (value for value in model.graph.initializer if value.name == "projection")
    matrix = onnx.numpy_helper.to_array(projection).copy()
    matrix[..., ::2] *= -1
    projection.CopyFrom(onnx.numpy_helper.from_array(matrix, "projection"))
    with zipfile.ZipFile(bundle) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    members["embedder.onnx"] = model.SerializeToString()
    judge = Judge(seed_of(opened), opened.manifest.decision)
    inputs = Golden.from_bytes(opened.golden).inputs
    members["golden.npz"] = Golden.record(inputs, OnnxEmbedder(members["embedder.onnx"]), judge).to_bytes()
    return written(out, members, dict(opened.manifest.raw["head"]))
