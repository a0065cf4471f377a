"""Gaussian classes that share one shrunken covariance.

Notation: X `[n,D]` rows; M `[K,D]` class means; W `[n,D]` residuals from them; A = αI + βWᵀW with α = λ·tr(S)/D,
β = (1 − λ)/n and S = WᵀW/n. The origin is the caller's: distances do not depend on it, the background does.

Nothing larger than the smaller of n and D is factorised. With n ≥ D that is A itself; with fewer rows it is
G = WWᵀ + (α/β)I, since A⁻¹ = (I − WᵀG⁻¹W)/α (Woodbury). Either way one inverted Cholesky factor is made, and everything
else is a product with it. The rows of one part leave together in closed form by the same identity; the ridge and the
weight of the scatter are held, which makes it exact.

The background is one Gaussian of everything, about the origin, with the same ridge and weight: T = αI + βXᵀX. It
differs from A by the K class means alone, so that its distances cost K numbers each. So does ridge regression on the
classes, whose weights are T⁻¹Mᵀ up to a factor for each class (Hastie, Buja & Tibshirani 1995).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

Matrix = NDArray[np.float64]

_BLOCK = 64  # rows; up to this size LAPACK factorises and inverts
_CHUNK = 2_000_000  # numbers in the largest array that leave-one-out holds at a time


class Distances(NamedTuple):
    """Squared distances and regression scores of N rows.

    Attributes:
        classes: squared distances `[N,K]`, infinite to a class that was gone.
        background: squared distances `[N]`.
        regression: zᵀT⁻¹m_c `[N,K]`, 0 for a class that was gone.
    """

    classes: Matrix
    background: Matrix
    regression: Matrix


class SharedGaussian(NamedTuple):
    """Squared Mahalanobis distances to K class means under one covariance A, and to the background T.

    Attributes:
        weights: A⁻¹Mᵀ `[D,K]`, so that rows Z `[N,D]` have the products L = ZA⁻¹Mᵀ `[N,K]` with the means.
        mean_mean: MA⁻¹Mᵀ `[K,K]`.
        row_mean: WA⁻¹Mᵀ `[n,K]`.
        background: H `[K,K]`, so that zᵀA⁻¹z − zᵀT⁻¹z = lᵀHl.
        regression: `[K,K]`, so that zᵀT⁻¹Mᵀ = lᵀ·regression.
        order: `[n]`, where each row stood that was fitted; here they stand class by class.
        classes: `[n]`, of the rows.
        counts: `[K]`, rows of each class.
        alpha: the ridge.
        beta: the weight of the scatter.
        factor: the inverted Cholesky factor R, `[D,D]` of A or `[n,n]` of G.
        residuals: W where it was G that was factorised, else None.
        whitened: `[n,·]`, so that the products of residuals under A⁻¹ are `start`·I + `slope`·whitened·whitenedᵀ.
    """

    weights: Matrix
    mean_mean: Matrix
    row_mean: Matrix
    background: Matrix
    regression: Matrix
    order: NDArray[np.int64]
    classes: NDArray[np.int64]
    counts: NDArray[np.int64]
    alpha: float
    beta: float
    factor: Matrix
    residuals: Matrix | None
    whitened: Matrix
    start: float
    slope: float

    def left_out(self, parts: NDArray[np.int64], asked: NDArray[np.bool_]) -> Distances:
        """Distances of fitted rows, in their order, as if their part had not been there.

        Args:
            parts: `[n]`; rows with the same number leave together. A part lies within one class.
            asked: `[n]`, the rows that are judged; every part has some, parts of one size equally many.
        """
        classes, regression = np.empty((2, len(parts), len(self.counts)))
        background = np.empty(len(parts))
        judged = asked[self.order]
        for members in self._chunks(parts[self.order]):
            chosen = np.argsort(~judged[members], axis=1, kind="stable")[:, : int(judged[members[0]].sum())]
            rows = self.order[np.take_along_axis(members, chosen, axis=1)]
            classes[rows], background[rows], regression[rows] = self._without(members, chosen)
        return Distances(classes[asked], background[asked], regression[asked])

    def _chunks(self, parts: NDArray[np.int64]) -> Iterator[NDArray[np.int64]]:
        """Rows `[m,k]` of m parts of k rows each: as a rule all parts are of one size, and go together."""
        order = np.argsort(parts, kind="stable")
        _, first, sizes = np.unique(parts[order], return_index=True, return_counts=True)
        for k in sorted(set(sizes.tolist())):  # `np.unique` of values alone would load numpy.ma, 10 ms of a cold start
            members = order[first[sizes == k][:, None] + np.arange(k)]
            step = max(1, _CHUNK // (k * (self.whitened.shape[1] + k * len(self.counts))))
            for start in range(0, len(members), step):
                yield members[start : start + step]

    def _without(self, members: NDArray[np.int64], chosen: NDArray[np.int64]) -> Distances:
        """Left-out distances `[m,f,K]` and `[m,f]` of the chosen f of each part's k rows."""
        m, k = members.shape
        label, each = self.classes[members[:, 0]], np.arange(m)
        remaining = self.counts[label] - k
        rest = np.maximum(remaining, 1)
        eye = np.eye(k)
        block = self.start * eye + self.slope * self._products(members)  # [m,k,k]: w_j · w_i
        step = self.row_mean[members]  # [m,k,K]: w_j · μ_c
        own = step[each, :, label]  # [m,k]
        among = self.mean_mean[label]  # [m,K]
        # How row j of the part sees the way from class c to row i, w_j · (x_i − μ_c), and how long that way is.
        cross = (block + own[:, :, None])[:, :, :, None] - step[:, :, None, :]  # [m,k,k,K]
        distances = (
            np.diagonal(block, axis1=1, axis2=2)[:, :, None]
            + 2 * (own[:, :, None] - step)
            + (among[each, label][:, None] - 2 * among + np.diag(self.mean_mean))[:, None, :]
        )
        shift = block.sum(axis=1) / rest[:, None]  # the own mean moves away from the part it loses
        moved = np.diagonal(block, axis1=1, axis2=2) + 2 * shift + (shift.sum(axis=1) / rest)[:, None]
        distances[each, :, label] = np.where(remaining[:, None] > 0, moved, np.inf)
        cross[each, :, :, label] = np.where(remaining[:, None, None] > 0, block + shift[:, :, None], 0.0)
        share = np.where(remaining > 0, 1 / self.counts[label], 0.0)
        core = (eye - share[:, None, None]) / self.beta - block
        cross = np.take_along_axis(cross, chosen[:, None, :, None], axis=2)  # [m,k,f,K]
        solved = np.linalg.solve(core, cross.reshape(m, k, -1)).reshape(cross.shape)
        distances = np.take_along_axis(distances, chosen[:, :, None], axis=1)
        return Distances(
            distances + np.einsum("mjic,mjic->mic", cross, solved),
            *self._background_without(block, own, step + among[:, None, :], label, chosen),
        )

    def _products(self, members: NDArray[np.int64]) -> Matrix:
        """Inner products `[m,k,k]` of the whitened rows of each part."""
        if members.shape[1] == 1:  # no rows are gathered for their lengths
            return np.asarray(np.einsum("nr,nr->n", self.whitened, self.whitened)[members][:, :, None])
        whitened = self.whitened[members]  # [m,k,r]
        return np.asarray(whitened @ whitened.transpose(0, 2, 1))

    def _background_without(
        self, block: Matrix, own: Matrix, products: Matrix, label: NDArray[np.int64], chosen: NDArray[np.int64]
    ) -> tuple[Matrix, Matrix]:
        """Distances `[m,f]` to the background without the part, and the regression `[m,f,K]` without it.

        Args:
            block: `[m,k,k]`, products of the part's residuals.
            own: `[m,k]`, of the residuals and the own mean.
            products: `[m,k,K]`, x_j · μ_c.
            label: `[m]`, the part's class.
            chosen: `[m,f]`.
        """
        each, k = np.arange(len(label)), block.shape[1]
        own_mean = self.mean_mean[label, label]
        rows = block + own[:, :, None] + own[:, None, :] + own_mean[:, None, None]  # x_j · x_i under A⁻¹
        rows = rows - products @ self.background @ products.transpose(0, 2, 1)  # and under T⁻¹
        core = np.eye(k) / self.beta - rows
        cross = np.take_along_axis(rows, chosen[:, None, :], axis=2)  # [m,k,f]
        plain = np.take_along_axis(np.diagonal(rows, axis1=1, axis2=2), chosen, axis=1)
        solved = np.linalg.solve(core, cross)
        products = products @ self.regression  # x_j · μ_c under T⁻¹
        regression = np.take_along_axis(products, chosen[:, :, None], axis=1) + solved.transpose(0, 2, 1) @ products
        lost = (cross + rows @ solved).sum(axis=1)  # [m,f]: of what the own mean loses
        remaining = (self.counts[label] - k)[:, None]
        regression[each, :, label] = np.where(
            remaining > 0,
            (self.counts[label][:, None] * regression[each, :, label] - lost) / np.maximum(remaining, 1),
            0.0,
        )
        return np.asarray(plain + np.einsum("mji,mji->mi", cross, solved)), regression


def fit_shared_gaussian(
    rows: Matrix, classes: NDArray[np.int64], shrinkage: float, borrowed: float = 0.0
) -> SharedGaussian:
    """Fit class means and their shared covariance.

    Args:
        rows: X `[n,D]`, about the origin.
        classes: `[n]`, 0 to K − 1, each present.
        shrinkage: λ in (0, 1]; 1 leaves a sphere.
        borrowed: times the scatter between the class means that is added to tr(S) for the ridge.
    """
    n, dim = rows.shape
    counts = np.bincount(classes)
    order = np.argsort(classes, kind="stable")
    classes = classes[order]  # class by class, so that each is one slice
    stacked = np.empty((n + len(counts), dim))
    residuals, means = stacked[:n], stacked[n:]
    residuals[:] = rows[order]
    for label, end in enumerate(np.cumsum(counts).tolist()):
        own = residuals[end - int(counts[label]) : end]
        means[label] = own.mean(axis=0)
        own -= means[label]
    if n < dim:
        products = stacked @ stacked.T
        scatter, towards = products[:n, :n], products[:n, n:]
        alpha, beta = ridge_of(float(np.trace(scatter)), means, counts, shrinkage, borrowed)
        factor = factor_of(scatter, alpha / beta)
        solved = solve(factor, towards)  # G⁻¹WMᵀ
        weights = (means.T - residuals.T @ solved) / alpha
        row_mean, whitened = solved / beta, factor.T
        start, slope = 1 / beta, -alpha / beta**2
    else:
        scatter = residuals.T @ residuals
        alpha, beta = ridge_of(float(np.trace(scatter)), means, counts, shrinkage, borrowed)
        factor = factor_of(beta * scatter, alpha)
        weights = solve(factor, means.T)
        row_mean, whitened = residuals @ weights, residuals @ factor.T
        start, slope = 0.0, 1.0
    mean_mean = means @ weights
    background = np.linalg.inv(np.diag(1 / (beta * counts)) + mean_mean)
    return SharedGaussian(
        weights=weights,
        mean_mean=mean_mean,
        row_mean=row_mean,
        background=background,
        regression=np.eye(len(counts)) - background @ mean_mean,
        order=order,
        classes=classes,
        counts=counts,
        alpha=alpha,
        beta=beta,
        factor=factor,
        residuals=residuals if n < dim else None,
        whitened=whitened,
        start=start,
        slope=slope,
    )


def ridge_of(
    within: float, means: Matrix, counts: NDArray[np.int64], shrinkage: float, borrowed: float
) -> tuple[float, float]:
    """Ridge of the pooled covariance: α and β.

    Args:
        within: the sum of squares within the classes.
        means: M `[K,D]`.
        counts: `[K]`, rows of each class.
        shrinkage: λ.
        borrowed: as in `fit_shared_gaussian`.
    """
    n, dim = int(counts.sum()), means.shape[1]
    lengths = float(counts @ np.einsum("kd,kd->k", means, means)) / n
    middle = counts @ means / n
    spread = within / n + borrowed * max(0.0, lengths - float(middle @ middle))
    whole = within / n + lengths
    if spread <= 1e-12 * (1 + whole):
        # One row a class, or the same image several times: no scatter is known, so classes are spheres of the size
        # of the whole.
        spread, shrinkage = max(whole, 1e-12), 1.0
    return shrinkage * spread / dim, max(1.0 - shrinkage, 1e-9) / n


def factor_of(matrix: Matrix, ridge: float) -> Matrix:
    """Lower triangle R with RᵀR = (matrix + ridge·I)⁻¹, in the place of the matrix."""
    matrix.flat[:: len(matrix) + 1] += ridge
    _invert(matrix)
    return matrix


def _invert(matrix: Matrix) -> None:
    """Replace a matrix, of which the lower triangle is read, by its inverted Cholesky factor.

    By halves: L = [L₁ 0; B L₂] with B = A₂₁R₁ᵀ and L₂ of A₂₂ − BBᵀ, and R = [R₁ 0; −R₂BR₁ R₂]. Nearly all of the work
    is matrix products, and L itself is never needed: numpy has no triangular solver that would use it. It has no
    product with a triangle either, so each goes by strips that leave out most of the zeros.
    """
    n = len(matrix)
    if n <= _BLOCK:
        matrix[:] = np.tril(np.linalg.inv(np.linalg.cholesky(matrix)))
        return
    half = n // 2
    first, corner, second = matrix[:half, :half], matrix[half:, :half], matrix[half:, half:]
    _invert(first)
    below, towards = np.empty_like(corner), np.empty_like(corner)
    for strip in strips(half):
        np.matmul(corner[:, : strip.stop], first[strip, : strip.stop].T, out=below[:, strip])
    for strip in strips(n - half):
        second[strip, : strip.stop] -= below[strip] @ below[: strip.stop].T
    _invert(second)
    for strip in strips(n - half):
        np.matmul(second[strip, : strip.stop], below[: strip.stop], out=towards[strip])
    for strip in strips(half):
        np.matmul(towards[:, strip.start :], first[strip.start :, strip], out=corner[:, strip])
    np.negative(corner, out=corner)
    matrix[:half, half:] = 0.0


def solve(factor: Matrix, columns: Matrix) -> Matrix:
    """RᵀRX: what the matrix whose inverted factor R is takes to columns X `[n,K]`."""
    halfway, found = np.empty_like(columns), np.empty_like(columns)
    for strip in strips(len(factor)):
        halfway[strip] = factor[strip, : strip.stop] @ columns[: strip.stop]
    for strip in strips(len(factor)):
        found[strip] = factor[strip.start :, strip].T @ halfway[strip.start :]
    return found


def strips(n: int) -> list[slice]:
    """At most six parts of n rows, none needlessly short."""
    step = max(_BLOCK // 2, -(-n // 6))
    return [slice(start, min(start + step, n)) for start in range(0, n, step)]
