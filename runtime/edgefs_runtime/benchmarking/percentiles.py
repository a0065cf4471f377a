"""Percentiles of times, with the number of samples behind them, and none that the samples can't carry."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

PERCENTILES = (50.0, 90.0, 99.0, 99.9)
CONFIDENCE = 0.95


def samples_needed(percentile: float) -> int:
    """Samples of which the slowest lies at or beyond the percentile with 95 % confidence: 29, 299 and 2,995.

    With fewer, what looks like the tail is only the slowest that happened to come. A median needs a single one.

    Args:
        percentile: above 0 and below 100.
    """
    return 1 if percentile <= 50 else math.ceil(math.log(1 - CONFIDENCE) / math.log(percentile / 100))


@dataclass(frozen=True)
class Percentiles:
    """How times are spread.

    Attributes:
        samples: how many there are.
        percentiles: milliseconds by `PERCENTILES`; None where there are too few samples for it.
        slowest: milliseconds; None without a sample.
    """

    samples: int
    percentiles: Mapping[float, float | None]
    slowest: float | None

    @classmethod
    def of(cls, seconds: NDArray[np.float64]) -> Percentiles:
        """The spread of times `[n]`: a percentile is the smallest sample that so many do not exceed (nearest rank)."""
        milliseconds = np.sort(1000 * seconds)
        n = len(milliseconds)
        percentiles = {
            percentile: float(milliseconds[_rank(percentile, n) - 1]) if n >= samples_needed(percentile) else None
            for percentile in PERCENTILES
        }
        return cls(n, percentiles, float(milliseconds[-1]) if n else None)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values; milliseconds."""
        named = {f"p{percentile:g}": value for percentile, value in self.percentiles.items()}
        return {"samples": self.samples, **named, "slowest": self.slowest}


def _rank(percentile: float, n: int) -> int:
    """The smallest number of samples that is at least so much of n, in whole thousandths: 0.999 * 4000 > 3996."""
    return -(-round(10 * percentile) * n // 1000)
