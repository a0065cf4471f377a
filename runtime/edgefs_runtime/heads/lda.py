"""Shrinkage LDA: nearest class mean under one covariance pooled within the classes (Fisher 1936; Friedman 1989).

Strangeness is the relative Mahalanobis distance of Ren et al. 2021 (arXiv:2106.09022): the distance to the nearest
class less the distance to a Gaussian of everything the gallery holds, so that directions in which all parts vary
count little.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.heads.base import LeftOut
from edgefs_runtime.heads.gaussian import fit_shared_gaussian
from edgefs_runtime.snapshot import Snapshot


class LdaHead:
    """Linear discriminants with equal priors, recomputed from the stored rows: no running sums.

    Args:
        snapshot: the gallery's rows.
        shrinkage: λ in (0, 1]; the share of the covariance that is a sphere.
    """

    default_temperature = 1.0

    def __init__(self, snapshot: Snapshot, shrinkage: float = 0.5) -> None:
        rows = snapshot.vectors.astype(np.float64)
        self._parts = snapshot.parts
        self._classes = snapshot.classes
        self._model = fit_shared_gaussian(rows, snapshot.classes, len(snapshot.labels), shrinkage)
        # Of a single class, the background is the class: there its own distance must do.
        everything = np.zeros_like(snapshot.classes)
        self._background = fit_shared_gaussian(rows, everything, 1, shrinkage) if len(snapshot.labels) > 1 else None

    def scores(self, vectors: NDArray[np.float32]) -> NDArray[np.float64]:
        """Discriminants `[N,C]` of rows `[N,D]`: log-posteriors up to a term all classes share."""
        return self._model.linear(vectors.astype(np.float64))

    def strangeness(self, vectors: NDArray[np.float32], scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """Relative Mahalanobis distance `[N]` to the nearest class; of a single class, its Mahalanobis distance."""
        rows = vectors.astype(np.float64)
        nearest = np.asarray(self._model.distances(rows, scores).min(axis=1))
        return nearest if self._background is None else np.asarray(nearest - self._background.distances(rows)[:, 0])

    def left_out(self) -> LeftOut:
        """Closed form, see `SharedGaussian.left_out_distances`."""
        distances = self._model.left_out_distances(self._parts)
        background = 0.0 if self._background is None else self._background.left_out_distances(self._parts)[:, 0]
        gone = np.isinf(distances[np.arange(len(distances)), self._classes])
        return LeftOut(
            scores=-0.5 * distances,
            strangeness=np.where(gone, np.nan, distances.min(axis=1) - background),
        )
