"""The range of every map of a network on a user's images: what int8 spreads its 256 steps over.

    ranges = collect_ranges(model, images, "minmax")
    ranges["conv1"]                              # (lowest, highest)

Channels are brought to like ranges first (`equalising`); the ranges are those of the equalised network, which
`Ranges.scales` makes of the model that was given. An estimator of one's own is one file and one line in
`RANGE_ESTIMATORS`. onnxruntime's `Entropy` is not among them: as it is called, it equals MinMax.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import onnx
from numpy.typing import NDArray

from edgefs_calibration.int8.activations import activations, check_images, image_digest
from edgefs_calibration.int8.equalising import channel_scales, equalised
from edgefs_calibration.int8.ranges.estimator import RangeEstimator
from edgefs_calibration.int8.ranges.minmax import MinMax
from edgefs_calibration.int8.ranges.moving_average import MovingAverage
from edgefs_calibration.int8.ranges.percentile import Percentile
from edgefs_runtime.base.errors import DataError

RANGE_ESTIMATORS: dict[str, Callable[[], RangeEstimator]] = {
    "minmax": MinMax,
    "moving-average": MovingAverage,
    "percentile": Percentile,
}


@dataclass(frozen=True)
class Ranges(Mapping[str, tuple[float, float]]):
    """(lowest, highest) of each map, by its name.

    Attributes:
        spans: of the equalised network.
        means: average of each channel `[C]`, alike: what a rounded weight is wrong by shows in it.
        scales: what equalises the network that was calibrated.
    """

    spans: Mapping[str, tuple[float, float]]
    means: Mapping[str, NDArray[np.float32]]
    scales: Mapping[str, NDArray[np.float32]]

    def __getitem__(self, name: str) -> tuple[float, float]:
        return self.spans[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.spans)

    def __len__(self) -> int:
        return len(self.spans)


def collect_ranges(model: bytes, images: NDArray[np.uint8], estimator: str = "minmax", batch: int = 1) -> Ranges:
    """Ranges of a float32 network's maps, whatever the images' order.

    Args:
        model: maps uint8 `[N,H,W,3]` to float32.
        images: uint8 `[N,H,W,3]`, at least 8.
        estimator: a key of `RANGE_ESTIMATORS`.
        batch: images run at a time, all of whose maps are held in memory.

    Raises:
        DataError: no such estimator, or images that can't be calibrated on.
        ExportError: the model's input has no fixed size.
    """
    if estimator not in RANGE_ESTIMATORS:
        raise DataError(f"no range estimator is called {estimator!r}; there are {', '.join(RANGE_ESTIMATORS)}")
    check_images(model, images)
    images = images[sorted(range(len(images)), key=lambda place: image_digest(images[place]))]
    proto = onnx.load_from_string(model)
    scales = channel_scales(proto, *_channel_reach(model, images, batch))
    even = equalised(proto, scales).SerializeToString()
    estimate = RANGE_ESTIMATORS[estimator]()
    totals: dict[str, NDArray[np.float64]] = {}
    for maps in activations(even, images, batch):
        estimate.see(maps)
        for name, values in maps.items():
            totals[name] = totals.get(name, np.zeros(())) + values.mean(axis=(2, 3), dtype=np.float64).sum(axis=0)
    spans = {name: (float(low), float(high)) for name, (low, high) in estimate.ranges().items()}
    if all(high <= low for low, high in spans.values()):
        raise DataError("every map of the network is constant on the calibration images; give images of real parts")
    means = {name: (total / len(images)).astype(np.float32) for name, total in totals.items()}
    return Ranges(spans, means, scales)


def _channel_reach(
    model: bytes, images: NDArray[np.uint8], batch: int
) -> tuple[dict[str, NDArray[np.float32]], dict[str, NDArray[np.float32]]]:
    """Smallest and largest value of each channel `[C]`."""
    low: dict[str, NDArray[np.float32]] = {}
    high: dict[str, NDArray[np.float32]] = {}
    for maps in activations(model, images, batch):
        for name, values in maps.items():
            least, most = values.min(axis=(0, 2, 3)), values.max(axis=(0, 2, 3))
            low[name] = np.minimum(low.get(name, least), least)
            high[name] = np.maximum(high.get(name, most), most)
    return low, high
