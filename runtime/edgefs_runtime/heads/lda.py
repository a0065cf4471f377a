"""Shrinkage LDA: nearest class mean under one covariance pooled within the classes (Fisher 1936; Friedman 1989).

A mean of few rows lies off the true mean, and everything is the farther from it: the squared distance to the mean of n
rows is too large by s/n, where s is what the class's own rows have as squared distance when each is left out. It is
taken off, class by class. Without it a class just enrolled from five images loses to one that is known from hundreds.

Strangeness is the relative Mahalanobis distance of Ren et al. 2021 (arXiv:2106.09022): the distance to the nearest
class less the distance to a Gaussian of everything the gallery holds, so that directions in which all parts vary
count little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.heads.base import Answer, LeftOut
from edgefs_runtime.heads.gaussian import Matrix, fit_shared_gaussian
from edgefs_runtime.snapshot import Snapshot

_PRIOR_ROWS = 2  # how many rows the pooled spread counts for in a class's own


class LdaHead:
    """Linear discriminants with equal priors, recomputed from the stored rows: no running sums.

    Args:
        snapshot: the gallery's rows.
        shrinkage: λ in (0, 1]; the share of the covariance that is a sphere.
    """

    default_temperature = 1.0

    def __init__(self, snapshot: Snapshot, shrinkage: float = 0.5) -> None:
        rows = snapshot.vectors.astype(np.float64)
        dim = rows.shape[1]
        self._parts = snapshot.parts
        self._classes = snapshot.classes
        self._origin = rows.mean(axis=0)
        rows -= self._origin
        gram = rows @ rows.T
        # A question reads every row once, so half the bytes are half the time; what follows is done in float64.
        self._rows = rows.astype(np.float32)
        self._model = fit_shared_gaussian(gram, snapshot.classes, shrinkage, dim)
        # Of a single class the background is the class, and beside classes of one row each it is all there is: there
        # the distance itself must do.
        everything = np.zeros_like(snapshot.classes)
        told = 1 < len(snapshot.labels) < len(rows)
        self._background = fit_shared_gaussian(gram, everything, shrinkage, dim) if told else None
        self._left_out = self._model.left_out_distances(self._parts)
        self._spread = self._spread_of_classes()
        self._error = self._spread / self._model.counts  # of each mean, as a squared distance
        self._inner, self._outer = self._model.inner, 1 / self._model.alpha
        if self._background is not None:
            self._inner = self._inner - self._background.inner
            self._outer -= 1 / self._background.alpha

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """Discriminants `[N,C]` of rows `[N,D]`: log-posteriors up to a term all classes share."""
        return self._scores(self._inner_products(vectors - self._origin))

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores, and the relative Mahalanobis distance to the nearest class, or its own without a background."""
        centred = vectors - self._origin
        inner_products = self._inner_products(centred)
        scores = self._scores(inner_products)
        quadratic = self._outer * np.einsum("nd,nd->n", centred, centred)
        quadratic -= np.einsum("nr,nr->n", inner_products @ self._inner, inner_products)
        return Answer(scores, quadratic - 2 * scores.max(axis=1))

    def left_out(self) -> LeftOut:
        """Closed form, see `SharedGaussian.left_out_distances`."""
        at = np.arange(len(self._classes)), self._classes
        error = np.broadcast_to(self._error, self._left_out.shape).copy()
        error[at] = self._spread[self._classes] / np.maximum(self._rows_left(), 1)
        distances = self._left_out - error
        background = 0.0 if self._background is None else self._background.left_out_distances(self._parts)[:, 0]
        return LeftOut(
            scores=-0.5 * distances,
            strangeness=np.where(np.isinf(distances[at]), np.nan, distances.min(axis=1) - background),
        )

    def _scores(self, inner_products: Matrix) -> Matrix:
        scores: Matrix = self._model.linear(inner_products) + 0.5 * self._error
        return scores

    def _spread_of_classes(self) -> Matrix:
        """Squared distance `[C]` of a class's rows from its true mean; where few rows tell, nearer to that of all."""
        own = self._left_out[np.arange(len(self._classes)), self._classes]
        told = np.isfinite(own)
        counts = np.bincount(self._classes[told], minlength=len(self._model.counts))
        if not told.any():
            return np.zeros(len(counts))
        spread = own[told] / (1 + 1 / self._rows_left()[told])  # the mean of the others is off as well
        sums = np.bincount(self._classes[told], weights=spread, minlength=len(counts))
        return np.asarray((sums + _PRIOR_ROWS * spread.mean()) / (counts + _PRIOR_ROWS))

    def _rows_left(self) -> NDArray[np.int64]:
        """Rows `[n]` of the own class that remain when a row's part is left out."""
        _, part, size = np.unique(self._parts, return_inverse=True, return_counts=True)
        return np.asarray(self._model.counts[self._classes] - size[part], np.int64)

    def _inner_products(self, centred: Matrix) -> Matrix:
        """Inner products `[N,n]` of vectors less the origin `[N,D]` with the rows."""
        asked = centred.astype(np.float32)
        found = _row_by_row(self._rows, asked[0])[None] if len(asked) == 1 else asked @ self._rows.T
        return np.asarray(found, np.float64)


def _row_by_row(rows: NDArray[np.float32], vector: NDArray[np.float32]) -> NDArray[np.float32]:
    """Inner products `[n]` of rows `[n,D]` with one vector `[D]`, in this thread alone.

    A matrix product would wake BLAS's threads, which on a small device wait for the processors that onnxruntime's idle
    threads are still spinning on: milliseconds, measured on two cores, against 50 µs.
    """
    if hasattr(np, "vecdot"):  # numpy 2
        return np.asarray(np.vecdot(rows, vector))
    return np.asarray(np.einsum("nd,d->n", rows, vector))
