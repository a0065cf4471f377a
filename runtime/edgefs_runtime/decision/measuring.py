"""What a gallery's own rows, each left out with its part, say of a head's answers: thresholds and a temperature."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np

from edgefs_runtime.decision.heads import Head, LeftOutScores
from edgefs_runtime.decision.rejection import Rejection, fit_rejection, fit_temperature, softmax
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import Snapshot

IsDefect = Callable[[int, list[float]], bool]  # by the nearest class and all probabilities


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


def measure(
    head: Head, snapshot: Snapshot, settings: DecisionSettings, is_ok: Sequence[bool], is_defect: IsDefect
) -> Measured:
    """Measure a head by its own gallery.

    Args:
        head: of the gallery, not a trained one.
        snapshot: the gallery.
        settings: of the bundle.
        is_ok: of each class, whether its parts are good.
        is_defect: whether a part is judged NG by its class, refused or not.
    """
    left_out = _of_images(head.left_out(), snapshot)
    temperature = fit_temperature(left_out, left_out.of(snapshot.classes), head.default_temperature)
    if settings.correction is not None:
        temperature *= settings.correction.temperature_of(snapshot)
        left_out = settings.correction.corrected(left_out, snapshot)
    images = None if left_out.rows is None else np.bincount(snapshot.classes, minlength=len(snapshot.labels))
    rejection = fit_rejection(left_out, left_out.of(snapshot.classes), settings.budget, images)
    if settings.overkill is None:
        return Measured(temperature, rejection, rejection, None)
    classes = left_out.of(snapshot.classes)
    ok = np.array(is_ok)[classes] & np.isfinite(left_out.strangeness)
    spoiled = np.zeros(len(ok), bool)
    spoiled[ok] = [
        is_defect(scores.index(max(scores)), softmax(scores, temperature)) for scores in left_out.scores[ok].tolist()
    ]
    overkill_left = float(settings.overkill) - float(spoiled[ok].mean() if ok.any() else 0.0)
    rows = ok & ~spoiled
    reference = LeftOutScores(left_out.scores[rows], left_out.strangeness[rows])
    return Measured(
        temperature, rejection, fit_rejection(reference, classes[rows], max(0.0, overkill_left), images), overkill_left
    )


def _of_images(left_out: LeftOutScores, snapshot: Snapshot) -> LeftOutScores:
    """Leave out rows that are means: a mean looks less strange than any image of its class."""
    if not snapshot.means:
        return left_out
    means = np.flatnonzero(np.isin(left_out.of(snapshot.parts), snapshot.means))
    scores, strangeness = left_out.scores.copy(), left_out.strangeness.copy()
    scores[means, left_out.of(snapshot.classes)[means]], strangeness[means] = -np.inf, np.nan
    return LeftOutScores(scores, strangeness, left_out.rows)
