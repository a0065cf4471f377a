"""How well a score tells two groups apart."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def auroc(known: NDArray[np.float64], unknown: NDArray[np.float64]) -> float:
    """Probability that an unknown looks stranger than a known one, ties counting half (Mann & Whitney 1947).

    scikit-learn says the same but for the last bit, and takes sixty times as long (ADR 17).
    """
    ordered = np.sort(known)
    below = np.searchsorted(ordered, unknown, side="left")
    equal = np.searchsorted(ordered, unknown, side="right") - below
    return float((below + 0.5 * equal).mean() / len(known))
