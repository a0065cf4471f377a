"""Accuracy against the number of images learned from, on images that were not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from edgefs.data import Sample
from edgefs.data.splits.shots import draw_shots
from edgefs.embedding.enrolments import Embedded, rows_of, snapshot_of
from edgefs.evaluation.scores import score
from edgefs.progress import Progress
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.settings import DecisionSettings

_SHOTS = (1, 2, 5, 10, 20, 50, 100)
_MOST_CLASSES = 500  # each point takes five galleries, whose cost grows with the cube of their classes
_DRAWS = 5


@dataclass(frozen=True)
class CurvePoint:
    """Accuracy, 0 to 1, with `shots` images per class: the mean and its 95 % interval."""

    shots: int
    mean: float
    low: float
    high: float


def learning_curve(
    train: Sequence[Sample],
    held_out: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
    seed: int,
    progress: Progress,
) -> tuple[CurvePoint, ...]:
    """Balanced accuracy of the nearest class with 1, 2, 5 … images of each class, five draws each, then with all.

    Of more than 500 classes there is none.

    Args:
        train: the support that is drawn from.
        held_out: what is predicted.
        embedded: embeddings of all of these images.
        dispositions: of every class.
        decision: the head.
        seed: picks the draws.
        progress: called with (galleries made, galleries in all).
    """
    if len(dispositions) > _MOST_CLASSES:
        return ()
    held_out = [sample for sample in held_out if sample.label in dispositions]
    smallest = min(Counter(sample.label for sample in train).values(), default=0)
    points, tried = [], [number for number in _SHOTS if number < smallest]
    for place, shots in enumerate(tried):
        draws: list[float] = []
        for number in range(_DRAWS):
            try:
                drawn = draw_shots(train, sorted({s.label for s in train}), shots, seed * 1009 + number, spare=0)
            except DataError:  # parts that span classes
                break
            support = [train[position] for position in drawn.shots]
            draws.append(_balanced(support, held_out, embedded, dispositions, decision))
            progress(_DRAWS * place + len(draws), _DRAWS * len(tried) + 1)
        if len(draws) == _DRAWS:
            points.append(_point(shots, draws))
    whole = _balanced(train, held_out, embedded, dispositions, decision) if points else 0.0
    progress(_DRAWS * len(tried) + 1, _DRAWS * len(tried) + 1)
    return (*points, CurvePoint(smallest, whole, whole, whole)) if points else ()


def _balanced(
    support: Sequence[Sample],
    held_out: Sequence[Sample],
    embedded: Embedded,
    dispositions: Mapping[str, Disposition],
    decision: DecisionSettings,
) -> float:
    snapshot = snapshot_of(support, embedded, dispositions)
    nearest = fit_head(decision.head, snapshot).scores(rows_of(held_out, embedded)).argmax(axis=1)
    answers = [(sample.label, snapshot.labels[row]) for sample, row in zip(held_out, nearest.tolist(), strict=True)]
    return score(answers).balanced_accuracy or 0.0


def _point(shots: int, draws: list[float]) -> CurvePoint:
    mean = float(np.mean(draws))
    # Student's t of 4 degrees of freedom, 97.5 %
    half = 2.776 * float(np.std(draws, ddof=1)) / len(draws) ** 0.5
    return CurvePoint(shots, mean, max(0.0, mean - half), min(1.0, mean + half))
