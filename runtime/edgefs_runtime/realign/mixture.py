"""A batch of a changed camera as a mixture of the gallery's classes, of which nobody knows the shares.

In the class subspace (`Reference`) a row z of class c lies about s + g·m_c: s is the shift of the camera and g its
gain, since a weaker contrast pulls the classes together. Shares, shift, gain and variance are fitted by expectation
maximisation (Dempster et al. 1977), with

- a background, one wide Gaussian, for rows that no class fits;
- a shift and a gain of each class of its own, which a change of camera has as well: many rows of one class then say no
  more about the shift and the gain of all than that class can;
- priors that draw the shift to zero and the gain to the gallery's own.

Matching plain means is the special case in which the shares are taken for those of the gallery. A line sends 95 to 99 %
good parts, and its mean then moves the classes themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from edgefs_runtime.realign.reference import Matrix, Reference

_SHIFT = 0.35  # standard deviation of the shift, in distances of the classes from their middle
_OWN = 0.6  # variance of a class's own shift, in variances of its images
_GAIN = 0.15  # standard deviation of the gain, and of a class's own about it, as a share of the gallery's own
LEAST_GAIN, _MOST_GAIN = 0.55, 1.3  # as a share of the gallery's own; at its least, a reading is doubtful
_WIDE = 1.5  # how much wider the background is than the gallery
_PRIOR_ROWS = 0.5  # of each class
_PRIOR_STRANGERS = (2.0, 20.0)  # rows of the background, and of the classes
_PRIOR_VARIANCE = 30.0  # numbers that the gallery's own variance counts for
_ROUNDS = 60
_STARTS = 8  # classes that the whole batch is taken for, to begin with
_OTHER = 0.8  # two readings that agree on this share of the rows are one


@dataclass(frozen=True)
class Reading:
    """How a batch is read.

    Attributes:
        shift: s `[K−1]`.
        gain: g.
        shares: probability `[n,K]` that a row is of a class; what is missing to one is the background's.
        likelihood: log-likelihood with the priors, in nats.
        surprise: squared length of the shift in standard deviations of its prior, by number of directions.
        margin: how many nats likelier it is than the next reading that tells the rows differently.
    """

    shift: Matrix
    gain: float
    shares: Matrix
    likelihood: float
    surprise: float
    margin: float = np.inf


def read_batch(reference: Reference, places: Matrix) -> Reading:
    """The likeliest reading of rows at `places` `[n,K−1]` of the class subspace, from several starts."""
    n, dim = places.shape
    if dim == 0:  # one class
        return Reading(np.zeros(0), 1.0, np.ones((n, 1)), 0.0, 0.0)
    middle, gain = places.mean(axis=0), reference.gain
    starts = [(np.zeros(dim), gain), (np.zeros(dim), 0.75 * gain), (middle, gain)]
    shifts = middle - 0.8 * gain * reference.classes  # [K,K−1]: the batch is all of one class
    nearest = np.argsort(np.einsum("kd,kd->k", shifts, shifts), kind="stable")[:_STARTS]
    starts += [(shifts[label], 0.8 * gain) for label in nearest.tolist()]
    found = sorted((_fit(reference, places, *start) for start in starts), key=lambda reading: -reading.likelihood)
    best, told = found[0], _told(found[0])
    others = [one.likelihood for one in found[1:] if float(np.mean(_told(one) == told)) < _OTHER]
    margin = best.likelihood - others[0] if others else np.inf
    return Reading(best.shift, best.gain, best.shares, best.likelihood, best.surprise, margin)


def _told(reading: Reading) -> Matrix:
    """The class of each row `[n]`, −1 for the background."""
    return np.where(reading.shares.sum(axis=1) > 0.5, reading.shares.argmax(axis=1), -1)


def _fit(reference: Reference, places: Matrix, shift: Matrix, gain: float) -> Reading:
    (n, dim), classes = places.shape, reference.classes
    size = float(np.einsum("kd,kd->k", classes, classes).mean())
    shift_variance = (_SHIFT * reference.gain) ** 2 * size / dim
    own_variance = _OWN * reference.variance
    gain_precision = 1 / (_GAIN * reference.gain) ** 2
    background = _Background(reference)
    shares, variance, strangers = np.full(len(classes), 1 / len(classes)), reference.variance, 0.05
    likelihood = -np.inf
    for _ in range(_ROUNDS):
        inside = _log_density(places, shift + gain * classes, variance) + np.log(shares) + np.log(1 - strangers)
        outside = background.log_density(places - shift) + np.log(strangers)
        everything = np.concatenate([inside, outside[:, None]], axis=1)
        top = everything.max(axis=1, keepdims=True)
        evidence = top[:, 0] + np.log(np.exp(everything - top).sum(axis=1))
        belongs = np.exp(inside - evidence[:, None])  # [n,K]
        before = likelihood
        likelihood = float(
            evidence.sum()
            - 0.5 * (shift @ shift) / shift_variance
            - 0.5 * (np.log(gain / reference.gain) / _GAIN) ** 2
            + _PRIOR_ROWS * np.log(shares).sum()
            + _PRIOR_STRANGERS[0] * np.log(strangers)
            + _PRIOR_STRANGERS[1] * np.log(1 - strangers)
            - 0.5 * _PRIOR_VARIANCE * (np.log(variance / reference.variance) + reference.variance / variance)
        )
        if abs(likelihood - before) < 1e-3:
            break
        rows = belongs.sum(axis=0)
        shares = (rows + _PRIOR_ROWS) / (rows.sum() + len(classes) * _PRIOR_ROWS)
        strangers = (n - rows.sum() + _PRIOR_STRANGERS[0]) / (n + sum(_PRIOR_STRANGERS))
        means = belongs.T @ places / np.maximum(rows, 1e-9)[:, None]  # [K,K−1]
        precision = _precision(classes, variance / np.maximum(rows, 1e-9) + own_variance, 1 / gain_precision)
        for _ in range(3):
            of_classes = np.einsum("kde,ke->d", precision, means - gain * classes)
            shift = np.linalg.solve(precision.sum(axis=0) + np.eye(dim) / shift_variance, of_classes)
            towards = np.einsum("kd,kde,ke->", classes, precision, means - shift) + reference.gain * gain_precision
            weight = np.einsum("kd,kde,ke->", classes, precision, classes) + gain_precision
            gain = float(np.clip(towards / weight, LEAST_GAIN * reference.gain, _MOST_GAIN * reference.gain))
        squares = float((belongs * _squares(places, shift + gain * classes)).sum())
        variance = (_PRIOR_VARIANCE * reference.variance + squares) / (_PRIOR_VARIANCE + dim * rows.sum())
    return Reading(shift, gain, belongs, likelihood, float(shift @ shift) / (shift_variance * dim))


def _precision(classes: Matrix, variance: Matrix, gain_variance: float) -> Matrix:
    """Precision `[K,K−1,K−1]` of what each class's mean tells: (v_k·I + γ·m_k·m_kᵀ)⁻¹ (Sherman and Morrison 1950)."""
    dim = classes.shape[1]
    lengths = np.einsum("kd,kd->k", classes, classes)
    share = gain_variance / (variance + gain_variance * lengths)
    outer = np.einsum("kd,ke->kde", classes, classes)
    return np.asarray((np.eye(dim) - share[:, None, None] * outer) / variance[:, None, None])


class _Background:
    """One Gaussian of all classes about the shift, wider than they are."""

    def __init__(self, reference: Reference) -> None:
        spread = reference.gain * reference.classes
        dim = spread.shape[1]
        covariance = _WIDE * (spread.T @ spread / len(spread) + reference.variance * np.eye(dim))
        self._inverse = np.linalg.inv(covariance)
        self._constant = float(np.linalg.slogdet(2 * np.pi * covariance)[1])

    def log_density(self, places: Matrix) -> Matrix:
        """Log density `[n]` of rows `[n,K−1]` about the shift."""
        return np.asarray(-0.5 * (np.einsum("nd,de,ne->n", places, self._inverse, places) + self._constant))


def _log_density(places: Matrix, means: Matrix, variance: float) -> Matrix:
    dim = places.shape[1]
    return np.asarray(-0.5 * (_squares(places, means) / variance + dim * np.log(2 * np.pi * variance)))


def _squares(places: Matrix, means: Matrix) -> Matrix:
    """Squared distances `[n,K]`."""
    lengths = np.einsum("nd,nd->n", places, places)[:, None] + np.einsum("kd,kd->k", means, means)
    return np.asarray(np.maximum(lengths - 2 * (places @ means.T), 0.0))
