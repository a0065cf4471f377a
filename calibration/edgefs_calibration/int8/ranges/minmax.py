"""The least and the largest value seen: nothing is cut off, and one outlier coarsens every step."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class MinMax:
    """onnxruntime's `CalibrationMethod.MinMax`, image by image."""

    def __init__(self) -> None:
        self._ranges: dict[str, tuple[float, float]] = {}

    def see(self, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Maps `[n,C,H,W]` of some images, by name."""
        for name, values in maps.items():
            low, high = float(values.min()), float(values.max())
            before = self._ranges.get(name, (low, high))
            self._ranges[name] = min(before[0], low), max(before[1], high)

    def ranges(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest) of each map seen, by name."""
        return dict(self._ranges)
