"""Ranges that were collected once, on disk: the same network and the same images need not be run again.

A JSON file for each network, set of images and estimator. What it holds can be made again, so a damaged file is passed
over and one that can't be written does no harm.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_calibration.int8.activations import image_digest
from edgefs_calibration.int8.ranges import Ranges, collect_ranges
from edgefs_runtime.base.durable import replace_file

_GENERATION = 1  # raised whenever the same images come to give other ranges


def ranges_from_table(folder: Path | None, model: bytes, images: NDArray[np.uint8], estimator: str) -> Ranges:
    """Ranges as `collect_ranges` gives them, read where they are known.

    Args:
        folder: of the tables; None reads and writes nothing.
        model: float32.
        images: uint8 `[N,H,W,3]`.
        estimator: a key of `RANGE_ESTIMATORS`.

    Raises:
        DataError: as `collect_ranges`.
        ExportError: as `collect_ranges`.
    """
    if folder is None:
        return collect_ranges(model, images, estimator)
    network = hashlib.sha256(model).hexdigest()[:16]
    place = folder / f"{network}-{estimator}-{_digest(images)[:24]}.json"
    known = _read(place)
    if known is not None:
        return known
    found = collect_ranges(model, images, estimator)
    with contextlib.suppress(OSError):
        folder.mkdir(parents=True, exist_ok=True)
        replace_file(place, [json.dumps(_to_json(found)).encode()], synced=False)
    return found


def _digest(images: NDArray[np.uint8]) -> str:
    """Digest of the images, whatever their order, and of everything else that the ranges depend on."""
    import onnxruntime

    each = sorted(map(image_digest, images))
    parts = [str(_GENERATION), onnxruntime.__version__, str(images.shape[1:]), *each]
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _to_json(ranges: Ranges) -> dict[str, Any]:
    return {
        "spans": {name: list(span) for name, span in ranges.spans.items()},
        "means": {name: values.tolist() for name, values in ranges.means.items()},
        "scales": {name: values.tolist() for name, values in ranges.scales.items()},
    }


def _read(path: Path) -> Ranges | None:
    """Ranges of a table that was kept; None where there is no such table, or it is damaged."""
    try:
        fields = json.loads(path.read_bytes())
        spans = {name: (float(low), float(high)) for name, (low, high) in fields["spans"].items()}
        means, scales = (
            {name: np.asarray(values, np.float32) for name, values in fields[side].items()}
            for side in ("means", "scales")
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    return Ranges(spans, means, scales)
