"""What a frame's raw values have to do with the window through which a bundle sees them.

A frame of more than 8 bits is black, saturated or flat to the network either because the camera saw nothing, or because
the bundle looks through a window that was made for another camera. Where another window would show a picture, the
reason says so, with the numbers and the option.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import ImageSource, Picture
from edgefs_runtime.images.preprocess import AS_THE_FILE_SAYS, Preprocess
from edgefs_runtime.images.usable import unusable

Window = tuple[int, int]  # (black, white), raw values

SENSOR_WHITES = (1023, 4095, 16383, 65535)  # of 10, 12, 14 and 16 bits
_BEYOND = 0.01  # of the pixels above what the window's sensor can give, from which on they are no hot pixels
_CLIPPED = 0.05  # of the network's input at its brightest, from which on the raw values are worth a look
_DARK = 16  # grey levels that the network's input stays below where a sensor has four bits fewer than the window
_FEW = 0.002  # of the network's input, that may be brighter
_NOISE = 255  # raw value up to which a frame shows nothing whatever the window
_STRIDE = 4  # pixels
_TAILS = 0.1, 99.9  # percentiles between which the values are said to lie


def sensor_white(value: float) -> int:
    """The white of the smallest sensor that gives a raw value."""
    return next(white for white in SENSOR_WHITES if value <= white)


def why_unusable(pixels: NDArray[np.uint8], source: ImageSource | Picture, preprocess: Preprocess) -> str:
    """`frames.unusable`, and what the window has to do with it; empty where the frame can be judged.

    Args:
        pixels: the network's input, uint8 `[H,W,3]`.
        source: what it was made of; looked at again only where it shows nothing.
        preprocess: by which.
    """
    reason = unusable(pixels)
    told = _missed(source, preprocess) if reason else ""
    return f"{reason}; {told}" if told else reason


def misfit(pixels: NDArray[np.uint8], source: ImageSource | Picture, preprocess: Preprocess) -> str:
    """How the values of a frame that can be judged miss the window all the same; empty as a rule.

    A window may clip on purpose and a part may be dark, so bright or dark is not enough: the values are such as another
    sensor gives. The source is looked at again only where the network's input is clipped or nearly black.
    """
    may_clip = preprocess.window[1] <= SENSOR_WHITES[-2]
    is_clipped = may_clip and np.count_nonzero(pixels == 255) > _CLIPPED * pixels.size
    is_dark = np.count_nonzero(pixels > _DARK) <= int(_FEW * pixels.size)
    raw = _raw(source, preprocess) if is_clipped or is_dark else None
    if raw is None:
        return ""
    limit = sensor_white(raw.window[1])
    if is_clipped:
        return _above(raw) if float(np.mean(raw.values > limit)) > _BEYOND else ""
    high = _spread(raw.values)[1]
    return _low(raw) if high > _NOISE and sensor_white(high) < limit else ""


def _missed(source: ImageSource | Picture, preprocess: Preprocess) -> str:
    """How a frame's values miss the window, where the one of its sensor shows a picture."""
    raw = _raw(source, preprocess)
    if raw is None:
        return ""
    white, high = raw.window[1], _spread(raw.values)[1]
    cured = dataclasses.replace(preprocess, window=(0, sensor_white(high)))
    if high <= _NOISE or cured.window == raw.window or unusable(cured(source)):
        return ""
    return _above(raw) if float(np.mean(raw.values > white)) > _BEYOND else _low(raw)


def _low(raw: _Raw) -> str:
    (black, white), (low, high) = raw.window, _spread(raw.values)
    share = max(1, round(100 * (high - black) / (white - black)))
    where = f"in the lowest {share} % of" if high > black else "below"
    return f"the values {low} to {high} lie {where} the window {black} to {white}: {_cure(high)}"


def _above(raw: _Raw) -> str:
    (black, white), (low, high) = raw.window, _spread(raw.values)
    share = 100 * float(np.mean(raw.values > white))
    return f"{share:.0f} % of the values {low} to {high} lie above the window {black} to {white}: {_cure(high)}"


def _cure(high: int) -> str:
    return f"adapt with --window 0 {sensor_white(high)}"


def _spread(values: NDArray[np.uint16]) -> tuple[int, int]:
    low, high = np.percentile(values, _TAILS, method="nearest")
    return int(low), int(high)


@dataclass(frozen=True)
class _Raw:
    """Some of the raw values of a frame in the region of interest, and the window they are seen through."""

    values: NDArray[np.uint16]
    window: Window


def _raw(source: ImageSource | Picture, preprocess: Preprocess) -> _Raw | None:
    """None of a frame of 8 bits, which no window touches."""
    try:
        picture = preprocess.open(source)
    except ImageError:
        return None
    values = picture.pixels
    if values.dtype != np.uint16:
        return None
    if preprocess.roi is not None:
        left, top, width, height = preprocess.roi
        values = values[top : top + height, left : left + width]
    window = (0, picture.white) if preprocess.window == AS_THE_FILE_SAYS else preprocess.window
    return _Raw(values[::_STRIDE, ::_STRIDE], window)
