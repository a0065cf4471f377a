"""Makes int8 files of one network, with ever more of it in float32."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefs.embedding.torch_embedder import OneByOne
from edgefs_calibration.int8.ranges import RANGE_ESTIMATORS, Ranges
from edgefs_calibration.int8.table import ranges_from_table
from edgefs_export.quantising import Isa, Target, quantise, segments, sqnr
from edgefs_runtime.base.wording import counted
from edgefs_runtime.embedders.onnx import OnnxEmbedder

_PROBES = 24  # calibration pictures by which noise is compared
_WIDEST = 0.5  # of the segments; with more in float there is nothing left to gain


class Quantiser:
    """A quantiser of one network, for one processor.

    Args:
        model: float32.
        pictures: uint8 `[N,H,W,3]` to calibrate on.
        estimator: of ranges; `auto` takes the one that leaves least noise in embeddings of the pictures.
        target: what will run the file.
        isa: what an x86 processor can do.
        tables: folder of calibration tables; None keeps none.

    Attributes:
        segments: of the network, names of nodes.
        estimator: that was taken.
        told: what was done, in a sentence.
    """

    def __init__(
        self,
        model: bytes,
        pictures: NDArray[np.uint8],
        *,
        estimator: str,
        target: Target,
        isa: Isa,
        tables: Path | None,
    ) -> None:
        self._model, self._target, self._isa = model, target, isa
        self._probes = pictures[np.linspace(0, len(pictures) - 1, min(_PROBES, len(pictures))).astype(int)]
        self._expected = _embedded(model, self._probes)
        self.segments = segments(model)
        names = list(RANGE_ESTIMATORS) if estimator == "auto" else [estimator]
        read = {name: ranges_from_table(tables, model, pictures, name) for name in names}
        noise = {name: self._sqnr(ranges, ()) for name, ranges in read.items()}
        self.estimator = max(noise, key=lambda name: noise[name])
        self._ranges = read[self.estimator]
        compared = ", ".join(f"{name} {value:.1f} dB" for name, value in noise.items())
        self.told = f"Ranges by {self.estimator} on {counted(len(pictures), 'picture')} (signal to noise: {compared})."

    def windows(self) -> Iterator[tuple[int, ...]]:
        """Segments to leave in float32: none, then the contiguous ones that cost most, twice as many each time."""
        yield ()
        whole = self._sqnr(self._ranges, ())
        gains = [self._sqnr(self._ranges, (place,)) - whole for place in range(len(self.segments))]
        width = 1
        while width <= _WIDEST * len(self.segments):
            places = range(len(self.segments) - width + 1)
            best = max(places, key=lambda place: sum(gains[place : place + width]))
            yield tuple(range(best, best + width))
            width *= 2

    def make(self, window: tuple[int, ...]) -> bytes:
        """The int8 file with the segments of `window` in float32."""
        return self._quantised(self._ranges, window)

    def _quantised(self, ranges: Ranges, window: tuple[int, ...]) -> bytes:
        left = {name for place in window for name in self.segments[place]}
        return quantise(self._model, ranges, self._target, isa=self._isa, in_float=left)

    def _sqnr(self, ranges: Ranges, window: tuple[int, ...]) -> float:
        return sqnr(self._expected, _embedded(self._quantised(ranges, window), self._probes))


def _embedded(model: bytes, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Embed as a device does, a batch of one each."""
    return OneByOne(OnnxEmbedder(model)).embed(pictures)
