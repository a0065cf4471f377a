"""Shrinkage LDA: nearest class mean under one covariance pooled within the classes (Fisher 1936; Friedman 1989).

A mean of few images lies off the true mean, and everything is the farther from it: the squared distance to the mean of
n images is too large by s/n, where s is what the class's own images have as squared distance when each is left out. It
is taken off, class by class. Without it a class just enrolled from five images loses to one that is known from
hundreds.

Strangeness is the distance to the nearest class less nearly all of the distance to a background, one Gaussian of
everything the gallery holds about the origin (the relative Mahalanobis distance of Ren et al. 2021, arXiv:2106.09022):
directions in which all parts vary, or differ from the rest of the world, count little. That the background keeps the
covariance within the classes makes it a matter of the K class means; the twentieth that is left of the plain distance
sees what lies beside them all, which counts where there is one class or two.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads.base import Answer, LeftOutScores
from edgefs_runtime.decision.heads.gaussian import Matrix, SharedGaussian, fit_shared_gaussian
from edgefs_runtime.decision.snapshot import Snapshot

_PRIOR_ROWS = 2  # how many images the pooled spread counts for in a class's own
# Where no class has a second image nothing in the gallery tells what a score is worth. These were measured with one
# image a class on two sets, an easy and a hard one: too unsure for the one, too sure for the other.
ALONE, ALONE_WITH_VIEWS = 55.0, 225.0
BACKGROUND = 0.95  # of its distance is taken off; 0.9 to 0.98 do as well on every set that was tried


class LdaHead:
    """Linear discriminants with equal priors, recomputed from the stored rows: no running sums.

    Args:
        snapshot: the gallery's rows.
        shrinkage: λ in (0, 1]; the share of the covariance that is a sphere.
    """

    def __init__(self, snapshot: Snapshot, shrinkage: float = 0.5) -> None:
        self.default_temperature = ALONE if snapshot.views == 1 else ALONE_WITH_VIEWS
        self._fit(snapshot, shrinkage)

    def _fit(self, snapshot: Snapshot, shrinkage: float, borrowed: float = 0.0) -> SharedGaussian:
        """Fit, and keep of the fit, which is larger, what questions need."""
        views, rows = snapshot.views, snapshot.rows.astype(np.float64)
        self._classes = snapshot.classes
        model = fit_shared_gaussian(
            rows.reshape(-1, rows.shape[2]), np.repeat(snapshot.classes, views), shrinkage, borrowed
        )
        asked = np.arange(len(rows) * views) % views == 0
        self._left_out = model.left_out(np.repeat(snapshot.parts, views), asked)
        # Where no class has a second row, or there is nothing else, the background is all there is.
        self._share = BACKGROUND if len(snapshot.labels) < len(rows) * views else 0.0
        self._counts = np.bincount(snapshot.classes)  # images
        self._images_left = self._counts[snapshot.classes] - np.bincount(snapshot.parts)[snapshot.parts]
        self._spread = self._spread_of_classes()
        # A question reads all of this once, so half the bytes are half the time; what was fitted is float64.
        self._weights = model.weights.T.astype(np.float32)  # [K,D]
        self._factor = model.factor.astype(np.float32)
        self._residuals = None if model.residuals is None else model.residuals.astype(np.float32)
        self._background, self._alpha = model.background, model.alpha
        self._offsets = 0.5 * (np.diag(model.mean_mean) - self._spread / self._counts)
        return model

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """Discriminants `[N,K]` of rows `[N,D]`: log-posteriors up to a term all classes share."""
        return np.asarray(products_with(self._weights, vectors) - self._offsets, np.float64)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores, and strangeness."""
        products = products_with(self._weights, vectors).astype(np.float64)
        scores = products - self._offsets
        lengths = self._lengths(vectors)
        background = lengths - dots(products_with(self._background, products), products)
        return Answer(scores, lengths - 2 * scores.max(axis=1) - self._share * background)

    def left_out(self, rows: NDArray[np.int64] | None = None) -> LeftOutScores:
        """Left-out scores in closed form (`SharedGaussian.left_out`)."""
        at = np.arange(len(self._classes)), self._classes
        error = np.broadcast_to(self._spread / self._counts, self._left_out.classes.shape).copy()
        error[at] = self._spread[self._classes] / np.maximum(self._images_left, 1)
        distances = self._left_out.classes - error
        strangeness = distances.min(axis=1) - self._share * self._left_out.background
        found = LeftOutScores(-0.5 * distances, np.where(np.isinf(distances[at]), np.nan, strangeness))
        return found if rows is None else found.at(rows)

    def _spread_of_classes(self) -> Matrix:
        """Squared distance `[K]` of a class's images from its true mean; where few tell, nearer to that of all."""
        own = self._left_out.classes[np.arange(len(self._classes)), self._classes]
        return spread_of_classes(own, self._classes, self._images_left, len(self._counts))

    def _lengths(self, vectors: NDArray[np.float32]) -> Matrix:
        """Squared length `[N]` of rows `[N,D]` under the inverse covariance."""
        if self._residuals is None:
            white = products_with(self._factor, vectors).astype(np.float64)
            return dots(white, white)
        plain = vectors.astype(np.float64)
        within = products_with(self._factor, products_with(self._residuals, vectors)).astype(np.float64)
        return np.asarray((dots(plain, plain) - dots(within, within)) / self._alpha)


def spread_of_classes(
    own: Matrix, classes: NDArray[np.int64], images_left: NDArray[np.int64], n_classes: int
) -> Matrix:
    """Squared distance `[K]` of a class's images from its true mean, from those of left-out ones `[n]` from theirs.

    Args:
        own: squared distances of images, infinite where the class was gone.
        classes: of these images.
        images_left: how many images the class had without them.
        n_classes: K.
    """
    told = np.isfinite(own)
    counts = np.bincount(classes[told], minlength=n_classes)
    if not told.any():
        return np.zeros(n_classes)
    spread = own[told] / (1 + 1 / images_left[told])  # the mean of the others is off as well
    sums = np.bincount(classes[told], weights=spread, minlength=n_classes)
    return np.asarray((sums + _PRIOR_ROWS * spread.mean()) / (counts + _PRIOR_ROWS))


def products_with(rows: NDArray[Any], vectors: NDArray[Any]) -> NDArray[Any]:
    """Inner products `[N,n]` of vectors `[N,D]` with rows `[n,D]`.

    A single vector is multiplied in this thread alone. A matrix product would wake BLAS's threads, which on a small
    device wait for the processors that onnxruntime's idle threads are still spinning on: milliseconds, measured on two
    cores, against 50 µs.
    """
    return np.asarray(vectors @ rows.T if len(vectors) > 1 else dots(rows, vectors)[None])


def dots(rows: NDArray[Any], others: NDArray[Any]) -> NDArray[Any]:
    """Inner products `[n]` of rows `[n,D]` with others, row by row or with the only one."""
    if hasattr(np, "vecdot"):  # numpy 2
        return np.asarray(np.vecdot(rows, others))
    return np.asarray(np.einsum("nd,nd->n", rows, others))
