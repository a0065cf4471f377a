"""Gaussian classes that share one shrunken covariance, in terms of inner products alone.

With few rows in many dimensions nothing D × D is formed, and nothing n × D but the rows themselves: the covariance is a
ridge plus the outer products of n residuals, so that its inverse lives among the n rows (Woodbury), and residuals and
means are combinations of the rows. A fit is one Gram matrix and a Cholesky factor; a question is one product with the
rows. The rows of one part leave together in closed form by the same identity; the ridge and the weight of the scatter
are held, which makes it exact.

Notation: C `[n,D]` rows less their mean, K = CCᵀ; W `[n,D]` residuals from the class means; M `[K,D]` class means less
the common one; A = αI + βWᵀW, α = λ·tr(S)/D, β = (1−λ)/n, S = WᵀW/n, and A⁻¹ = (I − WᵀG⁻¹W)/α, G = WWᵀ + (α/β)I.
A vector c is known by its length and by g = Cc `[n]`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]


@dataclass(frozen=True)
class SharedGaussian:
    """Squared Mahalanobis distances to K class means under one covariance A.

    The distance of c to the mean of class k is ‖c‖²/α − gᵀ·inner·g − 2·(g·weights − ½·offsets)ₖ.

    Attributes:
        weights: `[n,K]`, so that g·weights = cᵀA⁻¹Mᵀ.
        offsets: `[K]`, μᵀA⁻¹μ of each class.
        inner: `[n,n]`, so that cᵀA⁻¹c = ‖c‖²/α − gᵀ·inner·g.
        alpha: the ridge.
    """

    weights: Matrix
    offsets: Matrix
    inner: Matrix
    alpha: float
    # What leave-one-out needs: inner products under A⁻¹ among residuals and means.
    classes: NDArray[np.int64]
    counts: NDArray[np.int64]
    beta: float
    row_row: Matrix  # [n,n]
    row_mean: Matrix  # [n,K]
    mean_mean: Matrix  # [K,K]

    def linear(self, inner_products: Matrix) -> Matrix:
        """Discriminants cᵀA⁻¹μ − ½μᵀA⁻¹μ `[N,K]` from g `[N,n]`: larger is nearer, equal priors."""
        discriminants: Matrix = inner_products @ self.weights - 0.5 * self.offsets
        return discriminants

    def left_out_distances(self, parts: NDArray[np.int64]) -> Matrix:
        """Distances `[n,K]` of every fitted row to all classes as if its part had not been there.

        The own class is infinitely far where the part was all there was of it.

        Args:
            parts: `[n]`; rows with the same number leave together. A part lies within one class.
        """
        own = self.mean_mean[self.classes]  # [n,K]: μ_own · μ_k
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
        members = np.split(order, np.flatnonzero(np.diff(parts[order])) + 1)
        alone = np.array([rows[0] for rows in members if len(rows) == 1], np.int64)
        if len(alone):  # as a rule nearly all: a thousand small systems at once, not one by one
            distances[alone] = self._without_one(alone, distances[alone])
        for rows in members:
            if len(rows) > 1:
                distances[rows] = self._without(rows, distances[rows])
        return distances

    def _without_one(self, rows: NDArray[np.int64], distances: Matrix) -> Matrix:
        """The same as `_without` for parts of a single row each, distances `[k,K]`."""
        labels, at = self.classes[rows], np.arange(len(rows))
        remaining = self.counts[labels] - 1
        share = np.where(remaining > 0, 1 / self.counts[labels], 0.0)
        own = np.diag(self.row_row)[rows]
        core = (1 - share) / self.beta - own
        cross = (own + self.row_mean[rows, labels])[:, None] - self.row_mean[rows]
        moved = 1 + 1 / np.maximum(remaining, 1)  # x − μ without x, in terms of w
        distances[at, labels] = np.where(remaining > 0, own * moved**2, np.inf)
        cross[at, labels] = np.where(remaining > 0, own * moved, 0.0)
        return np.asarray(distances + cross**2 / core[:, None])

    def _without(self, rows: NDArray[np.int64], distances: Matrix) -> Matrix:
        """Correct the distances `[k,K]` of one part's k rows for their own share in the fit."""
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


def fit_shared_gaussian(gram: Matrix, classes: NDArray[np.int64], shrinkage: float, dim: int) -> SharedGaussian:
    """Fit class means and their shared covariance.

    Args:
        gram: K `[n,n]`, inner products of the rows less their mean.
        classes: `[n]`, 0 to K − 1, each present.
        shrinkage: λ in (0, 1]; 1 leaves a sphere.
        dim: D, of the rows.
    """
    n = len(gram)
    counts = np.bincount(classes)
    average = np.zeros((len(counts), n))
    average[classes, np.arange(n)] = 1 / counts[classes]
    row_of_means = average @ gram  # M Cᵀ [K,n]
    mean_gram = row_of_means @ average.T  # M Mᵀ
    residual_mean = (row_of_means - mean_gram[:, classes]).T  # W Mᵀ [n,K]
    half = gram - row_of_means[classes]  # W Cᵀ
    residual_gram = half - (half @ average.T)[:, classes]  # W Wᵀ
    alpha, beta = _ridge(residual_gram, gram, shrinkage, dim)
    ratio = alpha / beta
    lower = np.linalg.cholesky(residual_gram + ratio * np.eye(n))
    lower_inverse = np.linalg.inv(lower)
    inverse = lower_inverse.T @ lower_inverse  # G⁻¹
    solved_means = inverse @ residual_mean  # G⁻¹ W Mᵀ
    mean_mean = (mean_gram - residual_mean.T @ solved_means) / alpha
    centred = inverse - (inverse @ average.T)[:, classes]  # G⁻¹ P, where W = PC
    return SharedGaussian(
        weights=(average.T - (solved_means - average.T @ _sums(solved_means, classes, counts))) / alpha,
        offsets=np.diag(mean_mean).copy(),
        inner=(centred - (average @ centred)[classes]) / alpha,
        alpha=alpha,
        classes=classes,
        counts=counts,
        beta=beta,
        row_row=(np.eye(n) - ratio * inverse) / beta,
        row_mean=solved_means / beta,
        mean_mean=mean_mean,
    )


def _ridge(residual_gram: Matrix, gram: Matrix, shrinkage: float, dim: int) -> tuple[float, float]:
    n = len(gram)
    spread, whole = float(np.trace(residual_gram)) / n, float(np.trace(gram)) / n
    if spread <= 1e-12 * (1 + whole):
        # One row a class, or the same image several times: no scatter is known, so classes are spheres of the size
        # of the whole.
        spread, shrinkage = max(whole, 1e-12), 1.0
    return shrinkage * spread / dim, max(1.0 - shrinkage, 1e-9) / n


def _sums(rows: Matrix, classes: NDArray[np.int64], counts: NDArray[np.int64]) -> Matrix:
    """Sums `[K,·]` of rows `[n,·]` by class."""
    sums = np.zeros((len(counts), rows.shape[1]))
    np.add.at(sums, classes, rows)
    return sums
