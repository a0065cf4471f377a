"""Two ways compared by times that were taken in turns: the ratio of medians, and how far chance may have moved it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

CONFIDENCE = 0.95
_DRAWS = 1000
_FEWEST_TURNS = 8  # with fewer there are too few ways to draw them


@dataclass(frozen=True)
class Ratio:
    """A ratio of medians; below 1 is faster.

    Attributes:
        ratio: of the medians of all times.
        low: lower end of the 95 % interval; None where there were too few turns to tell.
        high: its upper end.
        turns: how many each had.
    """

    ratio: float
    low: float | None
    high: float | None
    turns: int


def ratio_of_medians(
    ours: Sequence[NDArray[np.float64]], theirs: Sequence[NDArray[np.float64]], seed: int = 0
) -> Ratio:
    """The median of ours over the median of theirs, with the percentile bootstrap's interval.

    Whole turns are drawn, ours and theirs of one turn together: times within a turn are alike, since the clock rate and
    the neighbours of the machine change more slowly than that.
    Efron & Tibshirani 1993, An Introduction to the Bootstrap, 13.3; blocks after Künsch 1989, Annals of Statistics 17.

    Args:
        ours: of each turn its times, seconds.
        theirs: the same of what it is compared with, turn by turn.
        seed: of the draws.
    """
    ratio = _median(ours) / _median(theirs)
    turns = len(ours)
    if turns < _FEWEST_TURNS:
        return Ratio(ratio, None, None, turns)
    rng = np.random.default_rng(seed)
    drawn = []
    for _ in range(_DRAWS):
        taken = rng.integers(0, turns, turns)
        drawn.append(_median([ours[turn] for turn in taken]) / _median([theirs[turn] for turn in taken]))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = np.percentile(drawn, [tail, 100 - tail])
    return Ratio(ratio, float(low), float(high), turns)


def _median(turns: Sequence[NDArray[np.float64]]) -> float:
    return float(np.median(np.concatenate(turns)))
