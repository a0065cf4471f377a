"""Says when the network would see an image so much smaller that small defects are gone."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from edgefs.data.samples import Sample
from edgefs_runtime.images.preprocess import Preprocess

_TOO_COARSE = 3.0  # original pixels under one input pixel, along one side


def scale_warning(samples: Sequence[Sample], preprocess: Preprocess) -> str | None:
    """A sentence when one pixel of the network's input covers many pixels of the typical original, else None."""
    if not samples:
        return None
    ratios = np.array([_pixels_covered(sample.size, preprocess) for sample in samples])  # [N,2]
    down, across = np.median(ratios, axis=0).tolist()
    if max(down, across) < _TOO_COARSE:
        return None
    height, width = preprocess.size
    return (
        f"One input pixel covers {across:.2g} x {down:.2g} original pixels (median, input {width} x {height}) "
        "and smaller defects vanish: use a region of interest or a larger input size."
    )


def _pixels_covered(frame: tuple[int, int], preprocess: Preprocess) -> tuple[float, float]:
    """Original pixels under one input pixel, (down, across)."""
    height, width = preprocess.input_size(frame)
    down, across = height / preprocess.size[0], width / preprocess.size[1]
    if preprocess.resize == "stretch":
        return down, across
    both = max(down, across) if preprocess.resize == "pad" else min(down, across)
    return both, both
