"""Whether a frame can be judged at all. What can't is NO_DECISION with its reason: it says nothing about the part."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_DARK, _BRIGHT = 8, 247  # grey levels of 255
_EXCEPTIONS = 0.002  # share of pixels that may be otherwise: hot pixels, a time stamp
_STRIDE = 8  # rows
_FLAT = 2  # grey levels between the darkest and the brightest pixel


def unusable(pixels: NDArray[np.uint8]) -> str:
    """Why this network input, uint8 `[H,W,3]`, shows nothing; empty when it can be judged."""
    if int(pixels.max()) - int(pixels.min()) <= _FLAT:
        return f"constant frame: all pixels lie within {_FLAT} grey levels"
    allowed = int(_EXCEPTIONS * pixels.size)
    some = pixels[::_STRIDE]  # enough to pass almost every frame, at a fraction of the time
    if np.count_nonzero(some > _DARK) <= allowed and np.count_nonzero(pixels > _DARK) <= allowed:
        return f"black frame: no more than {_EXCEPTIONS:.1%} of it is brighter than {_DARK} of 255"
    if np.count_nonzero(some < _BRIGHT) <= allowed and np.count_nonzero(pixels < _BRIGHT) <= allowed:
        return f"saturated frame: no more than {_EXCEPTIONS:.1%} of it is darker than {_BRIGHT} of 255"
    return ""
