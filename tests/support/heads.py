"""Make tests/golden/head.onnx, and bundles that carry it.

    python tests/support/heads.py

It is a linear layer on the embeddings of tests/golden/tiny.edgefs: least squares on its seed gallery, so that a device
without onnx can test a trained head too.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
from places import GOLDEN

from edgefs_runtime.bundle.bundle import Bundle
from edgefs_runtime.bundle.golden import Golden
from edgefs_runtime.decision.heads import TrainedHead, TrainedHeadModel
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Snapshot, build_snapshot
from edgefs_runtime.embedders.onnx import OnnxEmbedder
from edgefs_runtime.embedders.protocol import embed_each

TINY, ONNX = GOLDEN, GOLDEN.with_name("head.onnx")
LABELS = ("dots", "good", "stripes")
TURNED = ("good", "stripes", "dots")  # the same head with its labels mixed up: it is plain to see when it decides


def seed_of(bundle: Bundle) -> Snapshot:
    return build_snapshot(bundle.seed_enrolments(), 0, bundle.manifest.preprocess.views)


def model(labels: tuple[str, ...] = LABELS, temperature: float = 0.1, onnx: bytes | None = None) -> TrainedHeadModel:
    return TrainedHeadModel(ONNX.read_bytes() if onnx is None else onnx, "linear", labels, temperature)


def with_head(out: Path, head: TrainedHeadModel, *, onnx: bytes | None = None, **entry: Any) -> Path:
    """The tiny bundle with a trained head and a self-test by it; `onnx` and `entry` then spoil it."""
    bundle = Bundle.open(TINY)
    with zipfile.ZipFile(TINY) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    seed = seed_of(bundle)
    judge = Judge(seed, bundle.manifest.decision, trained=TrainedHead(head, seed))
    inputs = Golden.from_bytes(bundle.golden).inputs
    members["golden.npz"] = Golden.record(inputs, embed_each(OnnxEmbedder(bundle.model), inputs), judge).to_bytes()
    members["head.onnx"] = head.onnx if onnx is None else onnx
    return written(out, members, {**head.to_json(), **entry})


def written(out: Path, members: dict[str, bytes], entry: dict[str, Any]) -> Path:
    """Members with a manifest that describes them, and this head."""
    manifest = json.loads(members.pop("manifest.json"))
    manifest["members"] = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()} for name, data in members.items()
    }
    manifest["head"] = entry
    with zipfile.ZipFile(out, "w") as archive:
        for name, data in {"manifest.json": json.dumps(manifest).encode(), **members}.items():
            archive.writestr(name, data)
    return out


def make(out: Path) -> Path:
    """Least squares of the classes on the seed's embeddings."""
    from edgefs_export.onnx.head import linear_head_onnx

    seed = seed_of(Bundle.open(TINY))
    rows = seed.rows.reshape(-1, seed.rows.shape[2]).astype(np.float64)
    targets = np.eye(len(seed.labels))[np.repeat(seed.classes, seed.views)]
    design = np.concatenate([rows, np.ones((len(rows), 1))], axis=1)
    ridge = 1e-3 * np.trace(design.T @ design) / design.shape[1] * np.eye(design.shape[1])
    weights = np.linalg.solve(design.T @ design + ridge, design.T @ targets)
    out.write_bytes(linear_head_onnx(weights[:-1].T, weights[-1]))
    return out


if __name__ == "__main__":
    print(make(ONNX).stat().st_size, "bytes")
