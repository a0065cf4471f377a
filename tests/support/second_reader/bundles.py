"""docs/formats/bundle.md"""

from __future__ import annotations

import itertools
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from second_reader.archives import arrays, canonical, members, sha256

REQUIRED = {"manifest.json", "embedder.onnx", "gallery.npz", "golden.npz"}
ALLOWED = REQUIRED | {"head.onnx", "report.html", "manifest.dsse.json"}


@dataclass(frozen=True)
class Taught:
    """One enrolment of a seed; vectors float32 `[k,V·D]`."""

    label: str
    disposition: str
    vectors: np.ndarray
    digests: list[str]
    groups: list[str]
    jpegs: list[bytes]


@dataclass(frozen=True)
class BundleFile:
    """A bundle whose names, sizes and hashes are right."""

    digest: str
    manifest: dict[str, Any]
    members: dict[str, bytes]

    @property
    def views(self) -> int:
        return 1 + len(self.manifest["preprocess"]["symmetries"])

    @property
    def space_id(self) -> str:
        model = sha256(self.members["embedder.onnx"]).encode()
        return sha256(model + b"\n" + canonical(self.manifest["preprocess"]))

    def seed(self) -> list[Taught]:
        return read_seed(self.members["gallery.npz"])


def read_bundle(path: Path) -> BundleFile:
    found = members(path.read_bytes())
    if not REQUIRED <= found.keys() <= ALLOWED:
        raise ValueError(f"members {sorted(found)}")
    manifest = json.loads(found["manifest.json"])
    if manifest["format_version"].split(".")[0] != "1":
        raise ValueError("another major format")
    if manifest["members"].keys() != found.keys() - {"manifest.json", "manifest.dsse.json"}:
        raise ValueError("the manifest describes other members")
    for name, told in manifest["members"].items():
        if (len(found[name]), sha256(found[name])) != (told["size"], told["sha256"]):
            raise ValueError(f"{name} differs")
    if ("labels" in manifest["head"]) != ("head.onnx" in found):
        raise ValueError("head.onnx and the manifest disagree")
    return BundleFile(sha256(found["manifest.json"]), manifest, found)


def read_seed(data: bytes) -> list[Taught]:
    found = arrays(data)
    ends = np.cumsum(found["lengths"])
    stream = found["thumbnails"].tobytes()
    jpegs = [stream[end - length : end] for end, length in zip(ends, found["lengths"], strict=True)]
    named = list(zip(found["labels"].tolist(), found["dispositions"].tolist(), strict=True))
    taught = []
    for (label, disposition), run in itertools.groupby(range(len(named)), key=named.__getitem__):
        rows = list(run)
        digests, groups = found["digests"][rows].tolist(), found["groups"][rows].tolist()
        kept = [jpegs[row] for row in rows]
        taught.append(Taught(label, disposition, found["vectors"][rows], digests, groups, kept))
    return taught
