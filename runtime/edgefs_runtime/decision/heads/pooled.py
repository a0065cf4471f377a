"""`gaussian` for a large gallery: fitted from its sums, with rows left out of it that are given one by one.

Notation as there. Nothing here is as large as the number of rows: A = αI + βW and T = αI + β(Σxxᵀ) are both factorised
in D dimensions, and K class means are never multiplied with each other, so that a thousand classes cost a thousand
products with a vector. Rows are judged in float32, which is 10⁻⁶ of a distance.

A part that is left out takes k rows from both covariances. Its own class and the NEAR classes nearest to it are told
exactly, as in `gaussian`; to those beyond them it becomes as much farther as to the last of these. Regression is exact
for every class, since T⁻¹ without the part takes x to T⁻¹(x + Σ sⱼxⱼ).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.decision.heads.gaussian import Distances, Matrix, factor_of, ridge_of, solve, strips
from edgefs_runtime.decision.sums import Sums

NEAR = 32
_CHUNK = 8_000_000  # numbers in the largest array at a time

Rows = NDArray[np.float32]


class Part(NamedTuple):
    """Parts of equally many rows, to be left out each.

    Attributes:
        rows: float32 `[m,f,V,D]`, of m parts of f images of V views, the image itself first.
        labels: int64 `[m]`, their classes.
    """

    rows: Rows
    labels: NDArray[np.int64]


class PooledGaussian(NamedTuple):
    """What `SharedGaussian` is, without its rows.

    Attributes:
        means: M `[K,D]`.
        counts: `[K]`, rows of each class.
        alpha: the ridge.
        beta: the weight of the scatter.
        factor: R `[D,D]` with RᵀR = A⁻¹.
        background: the same of T⁻¹.
        weights: A⁻¹Mᵀ `[D,K]`.
        regression: T⁻¹Mᵀ `[D,K]`.
        lengths: `[K]`, mᵀA⁻¹m of the means.
    """

    means: Matrix
    counts: NDArray[np.int64]
    alpha: float
    beta: float
    factor: Matrix
    background: Matrix
    weights: Matrix
    regression: Matrix
    lengths: Matrix


def fit_pooled(sums: Sums, shrinkage: float, borrowed: float = 0.0) -> PooledGaussian:
    """Fit class means and their shared covariance.

    Args:
        sums: over all rows; every class has some.
        shrinkage: λ in (0, 1]; 1 leaves a sphere.
        borrowed: times the scatter between the class means that is added to tr(S) for the ridge.
    """
    means, whole = sums.means, sums.scatter
    within = whole - means.T @ (sums.counts[:, None] * means)
    alpha, beta = ridge_of(max(0.0, float(np.trace(within))), means, sums.counts, shrinkage, borrowed)
    factor, background = factor_of(beta * within, alpha), factor_of(beta * whole, alpha)
    weights, regression = solve(factor, means.T), solve(background, means.T)
    lengths = np.einsum("kd,dk->k", means, weights)
    return PooledGaussian(means, sums.counts, alpha, beta, factor, background, weights, regression, lengths)


class Single:
    """A `PooledGaussian` in float32, as rows are judged by it."""

    def __init__(self, model: PooledGaussian) -> None:
        self._beta, self._counts = model.beta, model.counts
        self._means, self._factor, self._background = (
            one.astype(np.float32) for one in (model.means, model.factor, model.background)
        )
        self._weights, self._regression = (
            np.ascontiguousarray(one.T, np.float32) for one in (model.weights, model.regression)
        )  # [K,D]
        self._lengths = model.lengths.astype(np.float32)

    def left_out(self, parts: Part) -> Distances:
        """Distances of the images themselves as if their part had not been there, `[m·f,K]` and `[m·f]`."""
        found = [self._without(chunk) for chunk in _chunks(parts)]
        classes, background, regression = (np.concatenate(of) for of in zip(*found, strict=True))
        return Distances(classes, background, regression)

    def _without(self, parts: Part) -> Distances:
        m, f, views, dim = parts.rows.shape
        rows = parts.rows.reshape(m, f * views, dim)
        first = np.arange(f) * views
        return Distances(*self._to_classes(rows, first, parts.labels), *self._to_background(rows, first, parts.labels))

    def _to_classes(self, rows: Rows, first: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[Matrix]:
        m, k, dim = rows.shape
        f, n_classes = len(first), len(self._counts)
        residuals = rows - self._means[labels][:, None]
        block = _inner(residuals, self._factor)  # [m,k,k]: w_j · w_i
        images = np.ascontiguousarray(rows[:, first]).reshape(m * f, dim)
        to_means = (images @ self._weights.T).reshape(m, f, n_classes)
        own = np.take_along_axis(to_means, labels[:, None, None], axis=2) - self._lengths[labels][:, None, None]
        length = np.diagonal(block, axis1=1, axis2=2)[:, first]
        # ‖x − μ_c‖², from ‖w‖² and products with the means
        distances = length[:, :, None] + 2 * own + self._lengths[labels][:, None, None] + self._lengths - 2 * to_means
        rest = self._counts[labels] - k
        shift = block.sum(axis=1) / np.maximum(rest, 1)[:, None]  # the own mean moves away from the part it loses
        moved = length + 2 * shift[:, first] + (shift.sum(axis=1) / np.maximum(rest, 1))[:, None]
        near = min(NEAR, n_classes)
        chosen = (
            np.argpartition(distances, near - 1, axis=2)[:, :, :near]
            if near < n_classes
            else np.broadcast_to(np.arange(n_classes), (m, f, n_classes))
        )
        core = self._core(block, labels, rest > 0)
        gathered = self._weights[chosen]  # [m,f,L,D]
        steps = residuals[:, None] @ np.swapaxes(gathered, 2, 3)  # [m,f,k,L]
        products = np.einsum("mkd,md->mk", residuals, self._weights[labels])  # w_j · μ of the own class
        cross = block[:, :, first].transpose(0, 2, 1)[..., None] + products[:, None, :, None] - steps  # [m,f,k,L]
        self_cross = block[:, :, first] + shift[:, :, None]  # [m,k,f]
        farther = _quadratic(core, cross.transpose(0, 2, 1, 3).reshape(m, k, f * near)).reshape(m, f, near)
        found = distances.astype(np.float64)
        added = np.take_along_axis(distances, chosen, axis=2) + farther
        last = np.take_along_axis(farther, np.take_along_axis(distances, chosen, axis=2).argmax(axis=2)[..., None], 2)
        found += last
        np.put_along_axis(found, chosen, added, axis=2)
        mine = np.where((rest > 0)[:, None], moved + _quadratic(core, self_cross), np.inf)
        np.put_along_axis(found, np.broadcast_to(labels[:, None, None], (m, f, 1)), mine[..., None], axis=2)
        return (found.reshape(m * f, n_classes),)

    def _core(self, block: Rows, labels: NDArray[np.int64], stays: NDArray[np.bool_]) -> Matrix:
        share = np.where(stays, 1 / self._counts[labels], 0.0)
        return (np.eye(block.shape[1]) - share[:, None, None]) / self._beta - block

    def _to_background(self, rows: Rows, first: NDArray[np.int64], labels: NDArray[np.int64]) -> tuple[Matrix, Matrix]:
        m, k, dim = rows.shape
        f = len(first)
        block = _inner(rows, self._background).astype(np.float64)
        core, cross = np.eye(k) / self._beta - block, block[:, :, first]  # [m,k,f]
        solved = np.linalg.solve(core, cross)
        plain = np.diagonal(block, axis1=1, axis2=2)[:, first]
        images = rows[:, first] + np.swapaxes(solved, 1, 2).astype(np.float32) @ rows  # [m,f,D]
        regression = (images.reshape(m * f, dim) @ self._regression.T).reshape(m, f, -1).astype(np.float64)
        lost = (cross + block @ solved).sum(axis=1)  # [m,f]: of what the own mean loses
        rest, at = (self._counts[labels] - k)[:, None], np.broadcast_to(labels[:, None, None], (m, f, 1))
        own = np.take_along_axis(regression, at, axis=2)[..., 0]
        own = np.where(rest > 0, (self._counts[labels][:, None] * own - lost) / np.maximum(rest, 1), 0.0)
        np.put_along_axis(regression, at, own[..., None], axis=2)
        background = plain + np.einsum("mji,mji->mi", cross, solved)
        return background.reshape(m * f), regression.reshape(m * f, -1)


def _inner(rows: Rows, factor: Rows) -> Rows:
    """Inner products `[m,k,k]` of the rows `[m,k,D]` of each part, as the inverted factor `[D,D]` makes them."""
    m, k, dim = rows.shape
    flat = rows.reshape(m * k, dim)  # one product: many small ones are three times slower
    white = np.empty_like(flat)
    for strip in strips(dim):
        np.matmul(flat[:, : strip.stop], factor[strip, : strip.stop].T, out=white[:, strip])
    stacked = white.reshape(m, k, dim)
    return np.asarray(stacked @ np.swapaxes(stacked, 1, 2))


def _quadratic(core: Matrix, cross: Rows) -> Matrix:
    """cᵀ·core⁻¹·c `[m,q]` of columns `[m,k,q]`."""
    return np.asarray(np.einsum("mkq,mkq->mq", cross, np.linalg.solve(core, cross)))


def _chunks(parts: Part) -> Iterator[Part]:
    m, f, views, dim = parts.rows.shape
    step = max(1, _CHUNK // (f * (views + NEAR) * dim))
    for start in range(0, m, step):
        yield Part(parts.rows[start : start + step], parts.labels[start : start + step])
