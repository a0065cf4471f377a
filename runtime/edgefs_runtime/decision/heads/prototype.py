"""Nearest class mean by cosine: what imprinting does (Qi et al. 2018, arXiv:1712.07136; Snell et al. 2017)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads.base import Answer, LeftOutScores
from edgefs_runtime.decision.snapshot import Snapshot


class PrototypeHead:
    """Cosine to the mean of each class's unit rows.

    Scores lie between -1 and 1. A row is the stranger, the smaller its best cosine.

    Args:
        snapshot: the gallery's rows.
        temperature: of the probabilities where leave-one-out can't tell a better one; meta-training learns it.
    """

    def __init__(self, snapshot: Snapshot, temperature: float = 0.05) -> None:
        self.default_temperature = float(temperature)
        rows = unit(snapshot.rows.astype(np.float64))  # [N,V,D]
        self._asked, self._taught = rows[:, 0], rows.sum(axis=1)
        self._classes = snapshot.classes
        self._parts = snapshot.parts
        self._sums = np.zeros((len(snapshot.labels), rows.shape[2]))
        np.add.at(self._sums, self._classes, self._taught)
        self._prototypes = unit(self._sums)

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Cosines `[N,C]` of rows `[N,D]` to the prototypes."""
        cosines: NDArray[np.float64] = unit(vectors.astype(np.float64)) @ self._prototypes.T
        return cosines

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Cosines, and one minus the best of them."""
        scores = self.scores(vectors)
        return Answer(scores, 1.0 - scores.max(axis=1))

    def left_out(self, rows: NDArray[np.int64] | None = None) -> LeftOutScores:
        """Take the rows of each part out of their class's sum."""
        counts = np.bincount(self._classes, minlength=len(self._sums))
        _, part = np.unique(self._parts, return_inverse=True)
        part_sums = np.zeros((part.max() + 1, self._asked.shape[1]))
        np.add.at(part_sums, part, self._taught)
        alone = np.bincount(part)[part] == counts[self._classes]
        own = np.einsum("nd,nd->n", self._asked, unit(self._sums[self._classes] - part_sums[part]))
        scores = self._asked @ self._prototypes.T
        scores[np.arange(len(scores)), self._classes] = np.where(alone, -np.inf, own)
        found = LeftOutScores(scores, np.where(alone, np.nan, 1.0 - scores.max(axis=1)))
        return found if rows is None else found.at(rows)


def unit(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    """Rows `[…,D]` of length 1."""
    return np.asarray(rows / np.maximum(np.linalg.norm(rows, axis=-1, keepdims=True), 1e-12))
