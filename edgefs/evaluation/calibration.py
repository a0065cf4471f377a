"""Whether a probability of 0.9 is right nine times in ten."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

_BINS = 15


def calibration_error(confident: Sequence[tuple[float, bool]]) -> float:
    """Expected calibration error of (probability of the answer, whether it was right); NaN of nothing.

    Guo et al. 2017 (arXiv:1706.04599): 15 bins of equal width, the gaps between mean probability and accuracy weighted
    by the number of answers.
    """
    if not confident:
        return float("nan")
    probabilities = np.array([probability for probability, _ in confident])
    right = np.array([is_right for _, is_right in confident], float)
    bins = np.minimum((probabilities * _BINS).astype(int), _BINS - 1)
    gaps = [abs(float((probabilities - right)[bins == number].sum())) for number in range(_BINS)]
    return sum(gaps) / len(confident)
