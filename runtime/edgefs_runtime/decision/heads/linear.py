"""Ridge regression on which class a row is of (Hoerl & Kennard 1970), every class with the same weight.

What RanPAC (McDonnell et al. 2023, arXiv:2307.02251) does on random features, without them: they cost a gallery's size
and gave nothing on what was tried (docs/tried.md).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads.base import Answer, LeftOutScores
from edgefs_runtime.decision.snapshot import Snapshot

Matrix = NDArray[np.float64]


class LinearHead:
    """Scores are near 1 for the class of a row and near 0 for the others. A row is the stranger, the smaller its best.

    Args:
        snapshot: the gallery's rows.
        ridge: of the mean squared length of the weighted rows.
    """

    default_temperature = 0.1

    def __init__(self, snapshot: Snapshot, ridge: float = 1.0) -> None:
        rows = snapshot.rows.astype(np.float64)
        views, dim = rows.shape[1:]
        self._snapshot = snapshot
        self._mean = 1 / len(snapshot.labels) if len(snapshot.labels) > 1 else 0.0
        classes = np.repeat(snapshot.classes, views)
        counts = np.bincount(classes)
        self._root = np.sqrt(len(classes) / (len(counts) * counts[classes]))[:, None]  # of each row's weight
        self._rows = self._root * rows.reshape(-1, dim)
        self._wanted = self._root * (np.eye(len(counts))[classes] - self._mean)
        penalty = max(ridge * float(np.einsum("nd,nd->", self._rows, self._rows)) / len(classes), 1e-12)
        # Both ways give the same weights; the system is as large as the smaller of n·V and D.
        if len(classes) < dim:
            self._inverse = np.linalg.inv(self._rows @ self._rows.T + penalty * np.eye(len(classes)))
            self._weights = self._rows.T @ (self._inverse @ self._wanted)
        else:
            self._inverse = np.linalg.inv(self._rows.T @ self._rows + penalty * np.eye(dim))
            self._weights = self._inverse @ (self._rows.T @ self._wanted)
        self._penalty = penalty

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """Regressed membership `[N,C]` of rows `[N,D]`."""
        return np.asarray(vectors.astype(np.float64) @ self._weights + self._mean)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores, and one minus the best of them."""
        scores = self.scores(vectors)
        return Answer(scores, 1.0 - scores.max(axis=1))

    def left_out(self, rows: NDArray[np.int64] | None = None) -> LeftOutScores:
        """Left-out scores, exact with the penalty held: a part's errors grow by (I − H)⁻¹, their block of the hat."""
        snapshot, views = self._snapshot, self._snapshot.views
        parts = np.repeat(snapshot.parts, views)
        scores = np.empty((len(parts), len(snapshot.labels)))
        fitted = self._rows @ self._weights
        for part in np.unique(parts):
            held = np.flatnonzero(parts == part)
            wrong = np.linalg.solve(np.eye(len(held)) - self._hat(held), self._wanted[held] - fitted[held])
            scores[held] = (self._wanted[held] - wrong) / self._root[held] + self._mean
        found = scores[::views]
        at = np.arange(len(found)), snapshot.classes
        alone = np.bincount(snapshot.parts)[snapshot.parts] == np.bincount(snapshot.classes)[snapshot.classes]
        found[at] = np.where(alone, -np.inf, found[at])
        told = LeftOutScores(found, np.where(alone, np.nan, 1.0 - found.max(axis=1)))
        return told if rows is None else told.at(rows)

    def _hat(self, held: NDArray[np.int64]) -> Matrix:
        if len(self._inverse) == len(self._rows):
            block = self._inverse[np.ix_(held, held)]
            return np.asarray(np.eye(len(held)) - self._penalty * block)
        return np.asarray(self._rows[held] @ self._inverse @ self._rows[held].T)
