"""The mean of `lda` and ridge regression on the classes, from one factorisation (ADR 13).

What `lda` takes off for the error of a mean is the mean of an error that varies, and by its chance a class of one image
takes what belongs to classes of twenty. Regression does not have that fault. It is better where classes have one image
and worse where they have twenty, so it counts the more, the fewer images the classes have; both on one scale, that of
the discriminants.

The weights of a regression with the ridge and the scatter of `lda` are T⁻¹Mᵀ (`gaussian`), up to a factor for each
class. It is the root of the number of images: without one they are likelihood ratios, which noise makes large for a
class of few images, and with the number itself memberships, which are large for the frequent ones.

One image of a class tells nothing of the scatter within it, and a few tell too little. So some of the scatter between
the class means is taken for it where the ridge is made.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads.base import Answer, LeftOutScores
from edgefs_runtime.decision.heads.gaussian import Matrix
from edgefs_runtime.decision.heads.lda import LdaHead, products_with
from edgefs_runtime.decision.snapshot import Snapshot

BORROWED = 8.0  # times the scatter between, by the cube of the number of images of a class; 4 to 16 do as well
# Where no class has a second image nothing in the gallery tells what a score is worth. Measured with one image a class
# on five sets, steel and magnetic tile among them: four wanted 10 to 25, magnetic tile 80.
ALONE, ALONE_WITH_VIEWS = 25.0, 16.0


class BlendHead(LdaHead):
    """Linear scores with equal priors, recomputed from the stored rows; strangeness is that of `lda`.

    Args:
        snapshot: the gallery's rows.
        shrinkage: λ in (0, 1]; the share of the covariance that is a sphere.
        regression: its weight beside the discriminants' one where classes have one image; 4 to 8 do as well.
    """

    def __init__(self, snapshot: Snapshot, shrinkage: float = 0.5, regression: float = 8.0) -> None:
        self.default_temperature = ALONE if snapshot.views == 1 else ALONE_WITH_VIEWS
        images = len(snapshot.classes) / len(snapshot.labels)  # of a class, in the mean
        model = self._fit(snapshot, shrinkage, borrowed=BORROWED / images**3)
        weight = regression * float((self._counts**-1.5).mean())
        self._regression = weight / (1 + weight)  # its share
        regressed = model.mean_mean @ model.regression * np.sqrt(self._counts)
        self._scale = _spread(model.mean_mean - self._offsets) / max(_spread(regressed), 1e-12)
        blended = self._blended(model.weights, model.weights @ model.regression, self._counts)
        self._blended_weights = blended.T.astype(np.float32)
        self._blended_offsets = (1 - self._regression) * self._offsets

    def scores(self, vectors: NDArray[np.float32]) -> Matrix:
        """`[N,K]` of rows `[N,D]`: log-posteriors in kind, up to a term all classes share."""
        return np.asarray(products_with(self._blended_weights, vectors) - self._blended_offsets, np.float64)

    def answer(self, vectors: NDArray[np.float32]) -> Answer:
        """Scores, and strangeness."""
        return Answer(self.scores(vectors), super().answer(vectors).strangeness)

    def left_out(self, rows: NDArray[np.int64] | None = None) -> LeftOutScores:
        """Left-out scores in closed form (`SharedGaussian.left_out`); the shares and the scale are held."""
        found = super().left_out()
        images = np.broadcast_to(self._counts, found.scores.shape).copy()
        images[np.arange(len(images)), self._classes] = self._images_left
        scores = self._blended(found.scores, self._left_out.regression, images)
        found = LeftOutScores(scores, found.strangeness)
        return found if rows is None else found.at(rows)

    def _blended(self, discriminants: Matrix, regression: Matrix, images: NDArray[np.int64]) -> Matrix:
        """The mean of both, of classes known from so many images."""
        weighted = self._scale * np.sqrt(images) * regression
        return np.asarray((1 - self._regression) * discriminants + self._regression * weighted)


def _spread(scores: Matrix) -> float:
    """How far scores `[N,K]` of a row differ from each other."""
    return float(np.std(scores - scores.mean(axis=1, keepdims=True)))
