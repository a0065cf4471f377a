"""The name of the space that embeddings live in, and the one way to write JSON that digests are taken of."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from edgefs_runtime.images.preprocess import Preprocess


def space_id(model_sha256: str, preprocess: Preprocess) -> str:
    """Name of an embedding space: two vectors may be compared only under the same one.

    SHA-256 of the model's digest and the canonical JSON (sorted keys, no spaces, ASCII) of its preprocessing.
    """
    return hashlib.sha256(f"{model_sha256}\n{canonical_json(preprocess.to_json())}".encode("ascii")).hexdigest()


def canonical_json(value: Any) -> str:
    """JSON with one way to write each value: keys sorted, no spaces, ASCII with escapes, no NaN."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False)
