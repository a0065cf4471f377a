"""docs/formats/challenge.md and docs/formats/run.md"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from second_reader.archives import arrays, canonical, sha256

SUFFIXES = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif", ".pgm", ".ppm")
MAKES = ("name", "method", "plan", "preprocess", "head", "fallback_head", "decision", "labels", "strangers", "seed")


def read_challenge(folder: Path, space_id: str) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The index, and the kept embeddings by digest; the images are checked."""
    index = json.loads((folder / "parts.json").read_text(encoding="utf-8"))
    if index["format"] != 1:
        raise ValueError("another format")
    for part in index["parts"]:
        suffix = Path(part["name"]).suffix.lower()
        file = folder / (part["sha256"] + (suffix if suffix in SUFFIXES else ""))
        if sha256(file.read_bytes()) != part["sha256"]:
            raise ValueError(f"{file.name} differs")
    kept = arrays((folder / f"vectors-{space_id[:16]}.npz").read_bytes())
    rows = zip(kept["digests"].tolist(), kept["vectors"], kept["reasons"].tolist(), strict=True)
    return index, {digest: vector for digest, vector, reason in rows if not reason}


def read_run(folder: Path) -> dict[str, Any]:
    """`run.json` of a RUN that nobody changed, less its checksum, with the identity that it implies."""
    fields: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    if fields["format_version"].split(".")[0] != "1":
        raise ValueError("another major format")
    if fields["format_version"] != "1.0" and fields.pop("checksum") != sha256(canonical(fields)):
        raise ValueError("run.json differs")
    for name, digest in fields["files"].items():
        if name != "report.html" and sha256((folder / name).read_bytes()) != digest:
            raise ValueError(f"{name} differs")
    return {**fields, "implied": implied_identity(fields)}


def implied_identity(fields: dict[str, Any]) -> str:
    made = {key: fields.get(key) for key in MAKES}
    made["files"] = {k: v for k, v in fields["files"].items() if k not in ("metrics.json", "report.html")}
    made["backbone"], made["data"] = fields["backbone"]["digest"], fields["data"]["digest"]
    return sha256(canonical(made))


def data_digest(fields: dict[str, Any]) -> str:
    """The digest of the usable images that a RUN names."""
    images = [image for side in ("train", "validation", "test") for image in fields["images"][side]]
    return sha256(json.dumps(sorted([image["path"], image["label"], image["sha256"]] for image in images)).encode())


def read_tensors(data: bytes) -> dict[str, np.ndarray]:
    """A `.safetensors` file."""
    start = 8 + int.from_bytes(data[:8], "little")
    dtypes = {"F32": "<f4", "F16": "<f2", "I64": "<i8"}
    told = json.loads(data[8:start])
    return {
        name: np.frombuffer(data[start:][slice(*entry["data_offsets"])], dtypes[entry["dtype"]]).reshape(entry["shape"])
        for name, entry in told.items()
        if name != "__metadata__"
    }
