"""When a row is too strange to be any known class, and what a probability is worth.

Both are read off the gallery's own rows, each judged as if its part were not there (`Head.left_out`):

- `Rejection`: p-values. Pooled leave-one-out nonconformity scores, p = (1 + #{>= s}) / (n + 1) (Vovk et al. 2005;
  leave-one-out as here carries no guarantee, so coverage is measured). With n + 1 < 1 / budget no such rule could ever
  reject, so the tail of a Student-t predictive distribution is used, and every answer says so. Strangeness is skewed,
  so the tail is that of the strange half: the spread of the rows above the median about it.
  Classes differ in how strange their own parts look, a wide one more than a narrow one, so a score is taken less the
  mean of the class it is nearest to; where few rows tell that mean, it lies nearer to the mean of all. And what is
  known from few images looks strange by chance more than what is known from many, so a score is divided by the spread
  of classes of as many images. It is read off all rows: their squares rise with 1/n. Without it a class just taught,
  beside classes of twenty and a hundred images, had 15 to 40 % of its parts refused at a budget of 5 %.
- `fit_temperature`: what divides the scores so that their softmax is calibrated (Guo et al. 2017, arXiv:1706.04599).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.stats import student_t_upper_tail
from edgefs_runtime.decision.heads import Answer, LeftOutScores

Rule = Literal["conformal", "student-t", "none"]

_LEAST = 0.25  # of the mean square, of classes of many images: the line through few rows may be too steep
_PRIOR_ROWS = 2  # how many rows the mean of all counts for in a class's own
_COARSE = np.logspace(-3, 5, 41)  # of the head's default temperature
_FINE = np.logspace(-0.2, 0.2, 21)  # around the best of them


class StrangeHalf(NamedTuple):
    """Scores above their median: their root mean square distance from it, and how many there are."""

    median: float
    spread: float
    rows: int


@dataclass(frozen=True)
class Rejection:
    """How strange the gallery's own rows look, as a reference.

    Attributes:
        reference: float64 `[n]`, ascending, each less its class's mean without it, by its class's spread.
        centres: float64 `[C]`, what is taken off the strangeness of a row nearest to each class.
        spreads: float64 `[C]`, what it is divided by then; 1 where all classes have as many images.
        budget: share of rows of known classes that may be refused, 0 to 1.
        rule: `none` where fewer than two rows of most classes have anything to be compared with: the others say too
            little of a class known from one image. Then nothing is refused.
    """

    reference: NDArray[np.float64]
    centres: NDArray[np.float64]
    spreads: NDArray[np.float64]
    budget: float
    rule: Rule

    def strangeness(self, answer: Answer) -> NDArray[np.float64]:
        """What p-values are read from, `[N]`: larger is stranger, whichever class is nearest."""
        nearest = answer.scores.argmax(axis=1)
        return np.asarray((answer.strangeness - self.centres[nearest]) / self.spreads[nearest])

    def beside(self, strangeness: float, nearest: int) -> float:
        """Strangeness of one row beside those of its class, from the head's strangeness and the nearest class."""
        return (strangeness - float(self.centres[nearest])) / float(self.spreads[nearest])

    def p_values(self, answer: Answer) -> NDArray[np.float64]:
        """`p_value` of N rows, `[N]`."""
        return np.array([self.p_value(one) for one in self.strangeness(answer).tolist()], np.float64)

    def p_value(self, strangeness: float) -> float:
        """Share of rows of known classes that look at least this strange; NaN under the rule `none`."""
        n = len(self.reference)
        if self.rule == "conformal":
            return (1 + n - int(self.reference.searchsorted(strangeness))) / (n + 1)
        if self.rule == "student-t":
            half = self._half
            return student_t_upper_tail((strangeness - half.median) / (half.spread * math.sqrt(1 + 1 / n)), half.rows)
        return math.nan

    @cached_property
    def _half(self) -> StrangeHalf:
        return strange_half(self.reference)


class Measured(NamedTuple):
    """What answers are worth.

    Attributes:
        temperature: of the scores of the gallery's head.
        rejection: when a part is refused as unknown.
        of_ok: the same of one that is nearest to a class of good parts.
        overkill_left: `Judge.overkill_left`.
    """

    temperature: float
    rejection: Rejection
    of_ok: Rejection
    overkill_left: float | None


def strange_half(scores: NDArray[np.float64]) -> StrangeHalf:
    """How far the upper half of scores `[n]` spreads; some must lie above the median."""
    median = _median(np.sort(scores))
    above = scores[scores > median]
    return StrangeHalf(median, float(np.sqrt(((above - median) ** 2).mean())), len(above))


def _median(ascending: NDArray[np.float64]) -> float:
    """The median of sorted numbers `[n]`: `np.median` would load numpy.ma, 10 ms of a cold start."""
    n = len(ascending)
    return float((ascending[(n - 1) // 2] + ascending[n // 2]) / 2)


def fit_rejection(
    left_out: LeftOutScores, classes: NDArray[np.int64], budget: float, images: NDArray[np.int64] | None = None
) -> Rejection:
    """The reference and the rule that the number of rows allows.

    Args:
        left_out: of the head that decides.
        classes: `[n]`, of its rows.
        budget: share of rows of known classes that may be refused, 0 to 1; 0 refuses nothing.
        images: `[C]`, how many each class has, where `left_out` is of a sample.
    """
    told = np.isfinite(left_out.strangeness)
    scores, of = left_out.strangeness[told], classes[told]
    n_classes = left_out.scores.shape[1]
    if not len(scores):
        return Rejection(scores, np.zeros(n_classes), np.ones(n_classes), budget, "none")
    counts = np.bincount(of, minlength=n_classes)
    sums = np.bincount(of, weights=scores, minlength=n_classes) + _PRIOR_ROWS * scores.mean()
    centres = sums / (counts + _PRIOR_ROWS)
    residuals = scores - (sums[of] - scores) / (counts[of] - 1 + _PRIOR_ROWS)
    present = np.bincount(classes, minlength=n_classes) if images is None else images
    spreads = _spreads(residuals, of, np.maximum(present - 1, 1))
    reference = np.sort(residuals / spreads[of])
    n = len(reference)
    compared = counts > 1 if images is None else (counts > 0) & (images > 1)
    few = 2 * np.count_nonzero(compared) < np.count_nonzero(np.bincount(classes))
    if budget <= 0 or n < 2 or few or _median(reference) == reference[-1]:  # the last: no strange half
        return Rejection(reference, centres, spreads, budget, "none")
    return Rejection(reference, centres, spreads, budget, "conformal" if n + 1 >= 1 / budget else "student-t")


def _spreads(residuals: NDArray[np.float64], of: NDArray[np.int64], others: NDArray[np.int64]) -> NDArray[np.float64]:
    """How far strangeness spreads in a class known from so many other images, `[C]`, where the root of all is 1.

    Args:
        residuals: `[n]`, of rows from their class.
        of: `[n]`, their classes.
        others: `[C]`, images that a left-out row of a class is judged by, at least 1.
    """
    squares, error = residuals**2, 1 / others
    mean, differs = float(squares.mean()), error[of] - error[of].mean()
    if mean <= 0 or not differs.any():
        return np.ones(len(others))
    slope = max(0.0, float(differs @ squares) / float(differs @ differs))
    level = max(mean - slope * float(error[of].mean()), _LEAST * mean)
    return np.asarray(np.sqrt((level + slope * error) / mean))


def fit_temperature(left_out: LeftOutScores, classes: NDArray[np.int64], default: float) -> float:
    """The temperature under which left-out rows are best predicted; `default` where none can be judged.

    Where every row is right, the likeliest temperature would be zero and every answer certain. n right answers don't
    say that: they are smoothed as if a quarter of one had gone wrong. (One of n + 2, the rule of succession, made every
    gallery of 2 to 20 images a class that was tried less sure than it is right.)

    Args:
        left_out: scores `[n,C]` of the head.
        classes: `[n]`, the true classes.
        default: the head's own.
    """
    own = left_out.scores[np.arange(len(classes)), classes]
    rows = np.isfinite(own)
    if not rows.any() or left_out.scores.shape[1] < 2:
        return default
    scores = left_out.scores[rows]
    scores = np.maximum(scores - scores.max(axis=1, keepdims=True), -1e9)
    right = classes[rows]
    if left_out.rows is not None:  # of a large gallery
        best, scores = _lowest, scores.astype(np.float32)
    else:
        best = _best
    coarse = best(scores, right, default * _COARSE)
    return best(scores, right, coarse * _FINE)


def _best(scores: NDArray[Any], right: NDArray[np.int64], temperatures: NDArray[np.float64]) -> float:
    losses = [_loss(scores, right, temperature) for temperature in temperatures]
    return float(temperatures[int(np.argmin(losses))])


def _lowest(scores: NDArray[Any], right: NDArray[np.int64], temperatures: NDArray[np.float64]) -> float:
    """As `_best`, asking for few: the loss is convex in 1/T, so it falls up to the best one and rises behind it."""
    low, high = 0, len(temperatures) - 1
    while low < high:
        middle = (low + high) // 2
        if _loss(scores, right, temperatures[middle]) <= _loss(scores, right, temperatures[middle + 1]):
            high = middle
        else:
            low = middle + 1
    return float(temperatures[low])


def _loss(scores: NDArray[Any], right: NDArray[np.int64], temperature: float) -> float:
    n, n_classes = scores.shape
    smoothing = 0.25 / (n + 0.5)
    scaled = scores / scores.dtype.type(temperature)
    log_sum = np.log(np.exp(scaled).sum(axis=1))
    own = scaled[np.arange(n), right]
    others = (scaled.sum(axis=1, dtype=np.float64) - own) / (n_classes - 1)
    return float((log_sum - (1 - smoothing) * own - smoothing * others).sum(dtype=np.float64))


def softmax(scores: list[float], temperature: float) -> list[float]:
    """Probabilities of classes from their scores."""
    largest = max(scores)
    powers = [math.exp((score - largest) / temperature) for score in scores]
    whole = sum(powers)
    return [power / whole for power in powers]
