"""Ways compared on the same images: what each image adds to the balanced accuracy, so that differences are paired.

before, after = balanced(right_before, classes), balanced(right_after, classes)
after.sum(), (after - before).sum(), standard_error(after - before)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def balanced_shares(right: NDArray[np.bool_], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """What each of n images adds to the balanced accuracy, `[n]`; the sum is that accuracy, 0 to 1.

    Args:
        right: `[n]`, whether it was told rightly.
        classes: `[n]`, its class; only classes that have an image count.
    """
    counts = np.bincount(classes) if len(classes) else np.zeros(1, np.int64)
    return np.asarray(right / (np.maximum(counts, 1)[classes] * max(1, int((counts > 0).sum()))), np.float64)


def standard_error(added: NDArray[np.float64]) -> float:
    """Standard error of the sum of `[n]` independent values; 0 where a single one tells no spread."""
    n = len(added)
    return float(added.std(ddof=1) * np.sqrt(n)) if n > 1 else 0.0


def clearly_best(trials: Sequence[NDArray[np.float64]], clearly: float) -> int:
    """The best of those that beat the first by so many standard errors of the paired difference, or the first."""
    better = [
        number
        for number, trial in enumerate(trials)
        if (trial - trials[0]).sum() > clearly * standard_error(trial - trials[0])
    ]
    return max(better, key=lambda number: float(trials[number].sum()), default=0)
