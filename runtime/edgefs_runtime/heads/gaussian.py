"""Gaussian classes that share one shrunken covariance, and their exact leave-one-out distances.

With few rows in many dimensions nothing D × D is formed: the covariance is a ridge plus the outer products of n
residuals, so that every product with its inverse is solved among the n rows (Woodbury). The rows of one part leave
together in closed form by the same identity; the ridge and the weight of the scatter are held, which makes it exact.

Notation: W `[n,D]` residuals from the class means, A = αI + βWᵀW, α = λ·tr(S)/D, β = (1−λ)/n, S = WᵀW/n.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class SharedGaussian:
    """Squared Mahalanobis distances to C class means under one covariance A.

    Attributes:
        origin: `[D]`, subtracted from everything first, for accuracy.
        weights: `[C,D]`, means times A⁻¹.
        offsets: `[C]`, μᵀA⁻¹μ of each class.
        basis: `[r,D]` whose squared projection, with `alpha`, gives xᵀA⁻¹x = (‖x‖² − ‖basis·x‖²) / α.
        alpha: the ridge.
    """

    origin: Matrix
    weights: Matrix
    offsets: Matrix
    basis: Matrix
    alpha: float
    # What leave-one-out needs: inner products under A⁻¹ among residuals and means.
    classes: NDArray[np.int64]
    counts: NDArray[np.int64]
    beta: float
    row_row: Matrix  # [n,n]
    row_mean: Matrix  # [n,C]
    mean_mean: Matrix  # [C,C]

    def linear(self, vectors: Matrix) -> Matrix:
        """Discriminants xᵀA⁻¹μ − ½μᵀA⁻¹μ of `vectors` `[N,D]` as `[N,C]`: larger is nearer, equal priors."""
        discriminants: Matrix = (vectors - self.origin) @ self.weights.T - 0.5 * self.offsets
        return discriminants

    def distances(self, vectors: Matrix, linear: Matrix | None = None) -> Matrix:
        """Squared Mahalanobis distances `[N,C]` of `vectors` `[N,D]`; `linear` when it is already at hand."""
        centred = vectors - self.origin
        norms = np.einsum("nd,nd->n", centred, centred)
        projected = centred @ self.basis.T
        quadratic = (norms - np.einsum("nr,nr->n", projected, projected)) / self.alpha
        squared: Matrix = quadratic[:, None] - 2 * (self.linear(vectors) if linear is None else linear)
        return squared

    def left_out_distances(self, parts: NDArray[np.int64]) -> Matrix:
        """Distances `[n,C]` of every fitted row to all classes as if its part had not been there.

        The own class is infinitely far where the part was all there was of it.

        Args:
            parts: `[n]`; rows with the same number leave together. A part lies within one class.
        """
        own = self.mean_mean[self.classes]  # [n,C]: μ_own · μ_c
        own_norm = np.diag(self.mean_mean)[self.classes]
        own_row = np.take_along_axis(self.row_mean, self.classes[:, None], axis=1)  # [n,1]: w_i · μ_own
        distances = (
            np.diag(self.row_row)[:, None]
            + 2 * (own_row - self.row_mean)
            + own_norm[:, None]
            - 2 * own
            + np.diag(self.mean_mean)[None, :]
        )
        order = np.argsort(parts, kind="stable")
        for rows in np.split(order, np.flatnonzero(np.diff(parts[order])) + 1):
            distances[rows] = self._without(rows, distances[rows])
        return distances

    def _without(self, rows: NDArray[np.int64], distances: Matrix) -> Matrix:
        """Correct the distances `[k,C]` of one part's k rows for their own share in the fit."""
        label, k = self.classes[rows[0]], len(rows)
        remaining = self.counts[label] - k
        block = self.row_row[np.ix_(rows, rows)]  # [k,k]
        inverse_share = np.eye(k) - (1.0 / self.counts[label] if remaining else 0.0)
        core = inverse_share / self.beta - block
        # cross[j,i,c] = w_j · (x_i − μ_c): how row j of the part sees the step from class c to row i.
        cross = (block + self.row_mean[rows, label][:, None])[:, :, None] - self.row_mean[rows][:, None, :]
        if remaining:  # the own mean moves away from the part it loses
            shift = block.sum(axis=1) / remaining  # [k]: w_j · Σw / (n_c − k)
            distances[:, label] = np.diag(block) + 2 * shift + block.sum() / remaining**2
            cross[:, :, label] = block + shift[:, None]
        solved = np.linalg.solve(core, cross.reshape(k, -1)).reshape(cross.shape)
        corrected: Matrix = distances + np.einsum("jic,jic->ic", cross, solved)
        if not remaining:
            corrected[:, label] = np.inf
        return corrected


def fit_shared_gaussian(
    vectors: Matrix, classes: NDArray[np.int64], n_classes: int, shrinkage: float
) -> SharedGaussian:
    """Fit class means and their shared covariance to rows `[n,D]`.

    Args:
        vectors: finite rows.
        classes: `[n]`, each of the `n_classes` present at least once.
        n_classes: C.
        shrinkage: λ in (0, 1]; 1 leaves a sphere.
    """
    n, dim = vectors.shape
    origin = vectors.mean(axis=0)
    centred = vectors - origin
    counts = np.bincount(classes, minlength=n_classes)
    sums = np.zeros((n_classes, dim))
    np.add.at(sums, classes, centred)
    means = sums / counts[:, None]
    residuals = centred - means[classes]
    spread = float(np.einsum("nd,nd->", residuals, residuals)) / n
    if spread <= 1e-12 * (1 + float(np.einsum("nd,nd->", centred, centred)) / n):
        # One row a class, or the same image several times: no scatter is known, so classes are spheres of the size
        # of the whole.
        spread, shrinkage = max(float(np.einsum("nd,nd->", centred, centred)) / n, 1e-12), 1.0
    alpha, beta = shrinkage * spread / dim, max(1.0 - shrinkage, 1e-9) / n
    return _solve(origin, means, residuals, classes, counts, alpha, beta)


def _solve(
    origin: Matrix,
    means: Matrix,
    residuals: Matrix,
    classes: NDArray[np.int64],
    counts: NDArray[np.int64],
    alpha: float,
    beta: float,
) -> SharedGaussian:
    n = len(residuals)
    ratio = alpha / beta
    ridged = residuals @ residuals.T  # [n,n]
    ridged[np.diag_indices(n)] += ratio
    # With G = LLᵀ: A⁻¹ = (I − WᵀG⁻¹W) / α, and L⁻¹W is the basis whose squared projection is taken off.
    lower_inverse = np.linalg.inv(np.linalg.cholesky(ridged))
    inverse = lower_inverse.T @ lower_inverse  # G⁻¹
    basis = lower_inverse @ residuals
    projected_means = means @ basis.T  # [C,n]
    weights = (means - projected_means @ basis) / alpha
    return SharedGaussian(
        origin=origin,
        weights=weights,
        offsets=np.einsum("cd,cd->c", weights, means),
        basis=basis,
        alpha=alpha,
        classes=classes,
        counts=counts,
        beta=beta,
        row_row=(np.eye(n) - ratio * inverse) / beta,
        row_mean=(inverse @ (residuals @ means.T)) / beta,
        mean_mean=weights @ means.T,
    )
