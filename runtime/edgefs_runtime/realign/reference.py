"""A gallery as a changed camera is compared with it: whitened, with the subspace in which its classes differ.

Whitened by the shrunken scatter within the classes (that of `LdaHead`), all classes are spheres of one size. K classes
span K − 1 directions, the *class subspace*: there an unknown mix of classes looks like a shift. In all other directions
it does not, whatever the mix.

How far the classes of images that were not taught lie apart there is read off the gallery's own rows, each left out:
less far than the class means, since a mean of few images is partly chance.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.heads import fit_head
from edgefs_runtime.decision.snapshot import Snapshot

Matrix = NDArray[np.float64]

_SHRINKAGE = 0.5  # as the default head


@dataclass(frozen=True)
class Reference:
    """What a gallery says about images that its own camera would give.

    Attributes:
        whiten: A^(−1/2) `[D,D]`, where A is the shrunken scatter within the classes.
        unwhiten: inverse of `whiten`.
        means: class means `[K,D]`, raw.
        centre: middle of the whitened class means, `[D]`.
        basis: the class subspace, orthonormal rows `[K−1,D]` in the whitened space.
        classes: class means in the class subspace, `[K,K−1]`.
        outer: `[K,D]`, how far the images themselves lie from the class means in the other directions: the means are of
            all views, and parts that always lie the same way are seen in one.
        gain: how far the classes of new images lie apart, as a share of how far the means do.
        variance: of new images of a class, in each direction of the class subspace.
        spread: squared distance of a new image from its class's true mean, in the whitened space.
        counts: images of each class, `[K]`.
        unit: whether embeddings have unit length.
    """

    whiten: Matrix
    unwhiten: Matrix
    means: Matrix
    centre: Matrix
    basis: Matrix
    classes: Matrix
    outer: Matrix
    gain: float
    variance: float
    spread: float
    counts: NDArray[np.int64]
    unit: bool

    def split(self, rows: Matrix) -> tuple[Matrix, Matrix]:
        """Rows `[n,D]` about the centre: their coordinates in the class subspace `[n,K−1]`, and the rest `[n,D]`."""
        white = rows @ self.whiten - self.centre
        inside = white @ self.basis.T
        return inside, white - inside @ self.basis

    def without_copies(self, rows: Matrix) -> NDArray[np.int64]:
        """Positions of the rows that do not show almost the same as an earlier one: a belt that stood still."""
        white = rows @ self.whiten
        lengths = np.einsum("nd,nd->n", white, white)
        same = lengths[:, None] + lengths - 2 * (white @ white.T) <= _COPY * self.spread
        stands = np.ones(len(rows), bool)
        for row in range(len(rows)):
            if stands[row]:
                stands[row + 1 :] &= ~same[row, row + 1 :]
        return np.flatnonzero(stands)


_COPY = 0.02  # of the spread of a class: squared distance of two rows that show the same


def reference_of(snapshot: Snapshot) -> Reference:
    """Look at a gallery.

    Raises:
        GalleryError: no class has a second image, so that nothing tells how images of a class differ.
    """
    rows = snapshot.rows.astype(np.float64)
    flat, classes = rows.reshape(-1, rows.shape[2]), np.repeat(snapshot.classes, snapshot.views)
    means = np.stack([flat[classes == label].mean(axis=0) for label in range(len(snapshot.labels))])
    whiten, unwhiten = _roots(flat - means[classes])
    white = means @ whiten
    centre = white.mean(axis=0)
    basis = np.linalg.svd(white - centre, full_matrices=False)[2][: len(means) - 1]
    inside = (white - centre) @ basis.T
    themselves = np.stack([rows[snapshot.classes == label, 0].mean(axis=0) for label in range(len(means))])
    offset = themselves @ whiten - centre
    gain, variance, spread = _of_left_out(snapshot, inside)
    lengths = np.linalg.norm(rows[:, 0], axis=1)
    return Reference(
        whiten=whiten,
        unwhiten=unwhiten,
        means=means,
        centre=centre,
        basis=basis,
        classes=inside,
        outer=offset - (offset @ basis.T) @ basis,
        gain=gain,
        variance=variance,
        spread=spread,
        counts=np.bincount(snapshot.classes),
        unit=bool(np.median(np.abs(lengths - 1)) < 1e-3),  # a refined mean is shorter
    )


def _roots(residuals: Matrix) -> tuple[Matrix, Matrix]:
    """A^(−1/2) and A^(1/2) `[D,D]` of the shrunken scatter of residuals `[n,D]`."""
    values, vectors = np.linalg.eigh(residuals.T @ residuals / len(residuals))
    level = max(float(values.mean()), 1e-12)
    roots = np.sqrt(_SHRINKAGE * level + (1 - _SHRINKAGE) * np.maximum(values, 0.0))
    return (vectors / roots) @ vectors.T, (vectors * roots) @ vectors.T


def _of_left_out(snapshot: Snapshot, inside: Matrix) -> tuple[float, float, float]:
    """Gain, variance and spread, from the gallery's rows when their parts are left out.

    Leave-one-out gives squared distances to the K classes; their differences are linear in the place of a row in the
    class subspace.
    """
    left_out = fit_head({"kind": "lda", "shrinkage": _SHRINKAGE}, snapshot).left_out()
    scores = left_out.scores  # −d²/2
    told = np.isfinite(scores).all(axis=1)
    if not told.any():
        raise GalleryError(
            "no class has a second image, so a shift can't be told from chance; enroll more images first"
        )
    scores, classes = scores[told], left_out.of(snapshot.classes)[told]
    spread = max(float(-2 * scores[np.arange(len(classes)), classes].mean()), 1e-9)
    if len(inside) == 1:
        return 1.0, 1.0, spread
    halves = 0.5 * np.einsum("kd,kd->k", inside, inside)
    places = (scores - scores.mean(axis=1, keepdims=True) + halves - halves.mean()) @ np.linalg.pinv(inside).T
    own = inside[classes]
    gain = float(np.clip((places * own).sum() / max(float((own**2).sum()), 1e-12), 0.05, 1.0))
    return gain, max(float(((places - gain * own) ** 2).mean()), 1e-9), spread
