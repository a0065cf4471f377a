"""What is seen of a frame, and whether it can be judged at all.

A frame that can't is NO_DECISION with its reason: it says nothing about the part. One of more than 8 bits is black,
saturated or flat to the network either because the camera saw nothing, or because the bundle looks through a window
that was made for another camera. Where another window would show a picture, the reason says so, with the numbers and
the option.
"""

from __future__ import annotations

import dataclasses
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import ImageSource, Picture
from edgefs_runtime.images.preprocess import AS_THE_FILE_SAYS, Preprocess

Window = tuple[int, int]  # (black, white), raw values

SENSOR_WHITES = (1023, 4095, 16383, 65535)  # of 10, 12, 14 and 16 bits
_DARK, _BRIGHT = 8, 247  # grey levels of 255
_EXCEPTIONS = 0.002  # share of pixels that may be otherwise: hot pixels, a time stamp
_FLAT = 2  # grey levels between the darkest and the brightest pixel
_ROWS = 8  # of so many one is looked at first
_BEYOND = 0.01  # of the pixels above what the window's sensor can give, from which on they are no hot pixels
_CLIPPED = 0.05  # of the network's input at its brightest, from which on the raw values are worth a look
_DIM = 16  # grey levels that the network's input stays below where a sensor has four bits fewer than the window
_NOISE = 255  # raw value up to which a frame shows nothing whatever the window
_STRIDE = 4  # pixels
_TAILS = 0.1, 99.9  # percentiles between which the values are said to lie


class Sight(NamedTuple):
    """What the network is shown of a frame.

    Attributes:
        pixels: uint8 RGB `[H,W,3]`.
        reason: why nothing can be said about it; empty when it can be judged.
    """

    pixels: NDArray[np.uint8]
    reason: str


def sight_of(source: ImageSource | Picture, preprocess: Preprocess) -> Sight:
    """Bring a frame to the network's input, and say why that can't be judged where it can't.

    Raises:
        ImageError: the source can't be decoded, or the region of interest lies outside it.
    """
    pixels = preprocess(source)
    reason = unusable(pixels)
    told = _missed(source, preprocess) if reason else ""
    return Sight(pixels, f"{reason}; {told}" if told else reason)


def unusable(pixels: NDArray[np.uint8]) -> str:
    """Why this network input, uint8 `[H,W,3]`, shows nothing; empty when it can be judged."""
    some = pixels[::_ROWS]  # enough to pass almost every frame, at a fraction of the time
    if _is_flat(some) and _is_flat(pixels):
        return f"constant frame: all pixels lie within {_FLAT} grey levels"
    if _is_dark(pixels, _DARK):
        return f"black frame: no more than {_EXCEPTIONS:.1%} of it is brighter than {_DARK} of 255"
    allowed = int(_EXCEPTIONS * pixels.size)
    if np.count_nonzero(some < _BRIGHT) <= allowed and np.count_nonzero(pixels < _BRIGHT) <= allowed:
        return f"saturated frame: no more than {_EXCEPTIONS:.1%} of it is darker than {_BRIGHT} of 255"
    return ""


def _is_flat(pixels: NDArray[np.uint8]) -> bool:
    return int(pixels.max()) - int(pixels.min()) <= _FLAT


def _is_dark(pixels: NDArray[np.uint8], level: int) -> bool:
    """Whether nearly nothing is brighter than a grey level."""
    allowed = int(_EXCEPTIONS * pixels.size)
    return bool(np.count_nonzero(pixels[::_ROWS] > level) <= allowed and np.count_nonzero(pixels > level) <= allowed)


def misfit(pixels: NDArray[np.uint8], source: ImageSource | Picture, preprocess: Preprocess) -> str:
    """How the values of a frame that can be judged miss the window all the same; empty as a rule.

    A window may clip on purpose and a part may be dark, so bright or dark is not enough: the values are such as another
    sensor gives. The source is looked at again only where the network's input is clipped or nearly black.
    """
    may_clip = preprocess.window[1] <= SENSOR_WHITES[-2]
    is_clipped = may_clip and np.count_nonzero(pixels == 255) > _CLIPPED * pixels.size
    raw = _raw(source, preprocess) if is_clipped or _is_dark(pixels, _DIM) else None
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


class _Raw(NamedTuple):
    """A part of a frame's raw values in the region of interest, and the window they are seen through."""

    values: NDArray[np.uint16]
    window: Window


def _raw(source: ImageSource | Picture, preprocess: Preprocess) -> _Raw | None:
    """Raw values of a frame; None where it has 8 bits, which no window touches."""
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


def sensor_white(value: float) -> int:
    """The white of the smallest sensor that gives a raw value."""
    return next(white for white in SENSOR_WHITES if value <= white)
