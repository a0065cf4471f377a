"""A correction says how much an embedder flatters rows it was trained on, by ones that were trained without them.

The strangeness of its own rows, left out, is compared with that of the same images in the folds: what a fold's embedder
and gallery, which saw neither the image nor its part, say of it. The correction is a line that carries the median and
the spread of the strange half of the one to those of the other: the statistics that a Student-t tail is read from. It
errs one way only: rows may come to look stranger and answers less sure, never the other way, so that noise in few folds
does not make a device refuse more than without it.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.correction import Correction
from edgefs_runtime.decision.heads import LeftOutScores
from edgefs_runtime.decision.rejection import fit_rejection, fit_temperature, strange_half

_STRANGEST = 0.95  # what lies beyond this quantile counts as if it lay there: one odd image must not set the scale


def fit_correction(
    own: LeftOutScores,
    own_classes: NDArray[np.int64],
    honest: LeftOutScores,
    honest_classes: NDArray[np.int64],
    labels: Sequence[str],
    *,
    trained: Collection[str] | None = None,
    default_temperature: float = 1.0,
) -> Correction:
    """What carries own left-out rows to honest ones; the identity where fewer than two rows of either can be judged.

    Args:
        own: leave-one-part-out of the final gallery under the final embedder, scores `[n,C]` and strangeness `[n]`.
        own_classes: `[n]`, columns of the true classes.
        honest: rows `[m]` pooled over folds, each by an embedder that was not trained on it or its part and a gallery
            that holds neither, in the same columns. A class that a fold's gallery lacks has a score of minus infinity,
            and a row whose own class is lacking a strangeness of NaN.
        honest_classes: `[m]`.
        labels: C classes, in the columns' order.
        trained: those that the embedder was trained on; all without it.
        default_temperature: of the head.
    """
    names = sorted(labels if trained is None else trained)
    columns = np.array([number for number, label in enumerate(labels) if label in set(names)], np.int64)
    shift, scale = _line(*_told(own, own_classes, columns), *_told(honest, honest_classes, columns))
    temperatures = [
        fit_temperature(left_out, classes, default_temperature)
        for left_out, classes in ((own, own_classes), (honest, honest_classes))
    ]
    return Correction(tuple(names), shift, scale, max(1.0, temperatures[1] / temperatures[0]))


def _told(
    left_out: LeftOutScores, classes: NDArray[np.int64], columns: NDArray[np.int64]
) -> tuple[LeftOutScores, NDArray[np.int64]]:
    """The rows of some classes that have something to be compared with, and their classes."""
    rows = np.isfinite(left_out.strangeness) & np.isin(classes, columns)
    return LeftOutScores(left_out.scores[rows], left_out.strangeness[rows]), classes[rows]


def _line(
    own: LeftOutScores, own_classes: NDArray[np.int64], honest: LeftOutScores, honest_classes: NDArray[np.int64]
) -> tuple[float, float]:
    """(shift, scale) of strangeness."""
    if min(len(own_classes), len(honest_classes)) < 2:
        return 0.0, 1.0
    scale = _scale(_spread(own, own_classes), _spread(honest, honest_classes))
    wanted = max(float(np.median(honest.strangeness)), float(np.median(own.strangeness)))
    shift = wanted - scale * float(np.median(own.strangeness))
    # A class whose rows look less strange than most may not be moved towards less: it would be refused more.
    middles = [float(np.median(own.strangeness[own_classes == number])) for number in np.unique(own_classes)]
    return max(shift, (1 - scale) * min(middles)), scale


def _scale(own: float, honest: float) -> float:
    """How much wider honest rows spread; without a spread to begin with there is nothing to widen."""
    return max(1.0, honest / own) if own > 0 else 1.0


def _spread(left_out: LeftOutScores, classes: NDArray[np.int64]) -> float:
    """Spread of the strange half, each row less the mean of its class, as `fit_rejection` reads it."""
    reference = fit_rejection(left_out, classes, budget=0).reference
    clipped = np.minimum(reference, np.quantile(reference, _STRANGEST))
    return strange_half(clipped).spread if np.median(clipped) < clipped[-1] else 0.0
