"""A head: the nearest class mean by the sum of absolute differences."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads import Answer, LeftOutScores
from edgefs_runtime.decision.snapshot import Snapshot


class ToyHead:
    default_temperature = 1.0

    def __init__(self, snapshot: Snapshot) -> None:
        self._snapshot = snapshot
        self._rows = snapshot.rows[:, 0].astype(np.float64)  # the image itself of all views of it
        self._means = self._means_of(np.ones(len(self._rows), bool))

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        return _nearness(vectors.astype(np.float64), self._means)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        scores = self.scores(vectors)
        return Answer(scores, -scores.max(axis=1))

    def left_out(self) -> LeftOutScores:
        scores = np.empty((len(self._rows), len(self._snapshot.labels)))
        for part in np.unique(self._snapshot.parts):
            out = self._snapshot.parts == part
            scores[out] = _nearness(self._rows[out], self._means_of(~out))
        gone = np.isneginf(scores[np.arange(len(scores)), self._snapshot.classes])
        return LeftOutScores(scores, np.where(gone, np.nan, -scores.max(axis=1)))

    def _means_of(self, kept: NDArray[np.bool_]) -> NDArray[np.float64]:
        """`[C,D]`; infinite for a class of which nothing is left."""
        of_class = [self._rows[kept & (self._snapshot.classes == k)] for k in range(len(self._snapshot.labels))]
        return np.stack([rows.mean(axis=0) if len(rows) else np.full(self._rows.shape[1], np.inf) for rows in of_class])


def _nearness(rows: NDArray[np.float64], means: NDArray[np.float64]) -> NDArray[np.float64]:
    return -np.abs(rows[:, None] - means).sum(axis=2)
