"""The average of each image's least and largest value: an outlier in one image hardly counts."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray


class MovingAverage:
    """The cumulative mean, so that the images' order does not matter.

    onnxruntime's `moving_average` is that too within one `collect_data`, and forgets exponentially between calls.
    """

    def __init__(self) -> None:
        self._low: dict[str, list[float]] = {}
        self._high: dict[str, list[float]] = {}

    def see(self, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Maps `[n,C,H,W]` of some images, by name."""
        for name, values in maps.items():
            self._low.setdefault(name, []).extend(values.min(axis=(1, 2, 3)).tolist())
            self._high.setdefault(name, []).extend(values.max(axis=(1, 2, 3)).tolist())

    def ranges(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest) of each map seen, by name; sums are sorted, so that no order of images rounds otherwise."""
        return {
            name: (float(np.mean(sorted(self._low[name]))), float(np.mean(sorted(self._high[name]))))
            for name in self._low
        }
