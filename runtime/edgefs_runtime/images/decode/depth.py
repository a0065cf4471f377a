"""Files of 32 bits and more hold numbers and don't say which of them is white.

The rule, from their values alone:

- whole numbers from 0 to 255 are grey levels: what "32-bit" exports of an 8-bit picture hold;
- whole numbers up to 65535 are those of 16 bits;
- fractions from 0 to 1 are a picture of full scale, 1 is white;
- everything else is refused: negative values, more than 65535, other fractions, what is no number.

Where a window was chosen, whole numbers are raw counts, whatever their largest is: that of one frame says nothing.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.picture import Picture, strips


def settle(values: NDArray[Any], counts: bool) -> Picture:
    """A picture from `[H,W]` or `[H,W,3]` integers or floats of any size.

    Args:
        values: as the file holds them.
        counts: whether whole numbers are raw counts, since a window says what is black and white.

    Raises:
        ImageError: values that are no picture's by the rule above; the message names their range.
    """
    low, high, whole = _survey(values)
    if not 0 <= low <= high <= 65535 or not (whole or high <= 1):
        raise ImageError(
            f"pixel values from {low:g} to {high:g}{'' if whole else ', not all whole'}: a file of this kind must hold "
            "whole numbers, 0 to 65535, or fractions from 0 to 1; save it with 8 or 16 bits"
        )
    if whole and (counts or high > 255):
        return Picture(_converted(values, np.uint16), 65535)
    return Picture(_converted(values, np.uint8, 1 if whole else 255))


def _survey(values: NDArray[Any]) -> tuple[float, float, bool]:
    """The least and the greatest value, and whether all are whole."""
    low, high, whole = np.inf, -np.inf, True
    for rows in strips(*values.shape[:2]):
        strip = values[rows]
        if strip.dtype.kind == "f" and not np.isfinite(strip).all():
            raise ImageError("some pixel values are no numbers (NaN or infinite); save it with 8 or 16 bits")
        low, high = min(low, float(strip.min())), max(high, float(strip.max()))
        whole = whole and (strip.dtype.kind != "f" or bool((np.rint(strip) == strip).all()))
    return low, high, whole


def _converted(values: NDArray[Any], dtype: type[Any], scale: int = 1) -> NDArray[Any]:
    settled = np.empty(values.shape, dtype)
    for rows in strips(*values.shape[:2]):
        settled[rows] = values[rows] if scale == 1 else np.rint(values[rows] * scale)
    return settled
