"""What nearly all values lie in: 1 in 100,000 is cut off, half of them at each end."""

from __future__ import annotations

import contextlib
import io
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BINS = 2048
PERCENTILE = 99.999


class Percentile:
    """onnxruntime's histogram collector, fed a few images at a time: as `quantize_static` calls it, it holds them all.

    Args:
        percentile: share of the values that are kept, per cent.
    """

    def __init__(self, percentile: float = PERCENTILE) -> None:
        from onnxruntime.quantization.calibrate import HistogramCollector

        self._collector: Any = HistogramCollector(
            method="percentile",
            symmetric=False,
            num_bins=_BINS,
            num_quantized_bins=_BINS,
            percentile=percentile,
            scenario="same",
        )

    def see(self, maps: Mapping[str, NDArray[np.float32]]) -> None:
        """Maps `[n,C,H,W]` of some images, by name."""
        with contextlib.redirect_stdout(io.StringIO()):  # it prints its progress
            self._collector.collect(dict(maps))

    def ranges(self) -> dict[str, tuple[float, float]]:
        """(lowest, highest) of each map seen, by name."""
        with contextlib.redirect_stdout(io.StringIO()):
            found = self._collector.compute_collection_result()
        return {name: (float(result[0]), float(result[1])) for name, result in found.items()}
