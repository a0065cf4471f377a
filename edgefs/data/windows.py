"""Which raw values of a camera with more than 8 bits are black and white, told from its images.

A file of 16 bits does not say how many of them the camera fills. 12-bit values, read as 16 bits, lie in the lowest 6 %
of the scale: a black frame. So the window is chosen from the images, by the sensor's bits and not by their contrast:
the smallest of 10, 12, 14 and 16 bits that holds them (docs/adr/0015-the-window.md).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs.data.samples import Sample
from edgefs_runtime.base.wording import counted
from edgefs_runtime.images.usable import SENSOR_WHITES, Window, sensor_white

_BRIGHTEST = 99.9  # percentile of the pixels: hot ones are fewer, and so are most time stamps
_OF_A_CLASS = 90  # percentile of a class's images: one odd file is outvoted, and a class of bright defects is not
_LOOKED_AT = 1 << 18  # pixels of an image


def white_of(values: NDArray[np.uint16], white: int = 65535) -> int:
    """How bright an image of more than 8 bits gets, raw value.

    Args:
        values: `[H,W]` or `[H,W,3]`, what the network will be shown of it.
        white: what the file says is white; where it says so, below 16 bits, nothing need be guessed.
    """
    if white < SENSOR_WHITES[-1]:
        return white
    step = max(1, int((values.shape[0] * values.shape[1] / _LOOKED_AT) ** 0.5))
    return int(np.percentile(values[::step, ::step], _BRIGHTEST, method="lower"))


def choose_window(samples: Sequence[Sample]) -> Window | None:
    """(0, white) of the smallest sensor that holds the images; None where none has more than 8 bits.

    Images that may teach choose. Each class is asked by itself, so that rare bright defects count as much as many dark
    good parts.
    """
    samples = [sample for sample in samples if sample.split in ("", "train")] or samples
    whites: dict[str, list[int]] = defaultdict(list)
    for sample in samples:
        if sample.bits > 8:
            whites[sample.label].append(sample.white)
    if not whites:
        return None
    highest = max(float(np.percentile(own, _OF_A_CLASS, method="lower")) for own in whites.values())
    return 0, sensor_white(highest)


def window_note(samples: Sequence[Sample], window: Window) -> str:
    """What was chosen, in a sentence; empty where no image has more than 8 bits."""
    deep = sum(sample.bits > 8 for sample in samples)
    if not deep:
        return ""
    shallow = len(samples) - deep
    whose = (
        f"{counted(deep, 'frame')} of {len(samples):,} have more than 8 bits, namely" if shallow else "The frames have"
    )
    others = f"; the window leaves the {counted(shallow, '8-bit frame')} as they are" if shallow else ""
    bits = sensor_white(window[1]).bit_length()
    return f"{whose} {bits} bits: window {window[0]} to {window[1]}{others}; --window overrides it."
