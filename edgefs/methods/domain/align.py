"""Alignment of frozen embeddings: no training, only the first moments of two domains.

    alignment = fit_alignment(rows_of_target, snapshot, "coral")      # maps the target's embeddings to the source's
    alignment.inverse()                                              # or the source's gallery to the target's

- `mean`: each domain is centred.
- `moments`: and each number has the same deviation.
- `coral`: whitening and re-colouring, Return of frustratingly easy domain adaptation, Sun et al. 2016
  (arXiv:1511.05547).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.snapshot import Snapshot

AlignmentKind = Literal["mean", "moments", "coral"]
_RIDGE = 0.1  # of the mean variance: a covariance from few images is not to be trusted in all directions


@dataclass(frozen=True)
class Alignment:
    """`x -> x @ matrix + shift`.

    Attributes:
        kind: how it was found.
        matrix: float64 `[D,D]`.
        shift: float64 `[D]`.
    """

    kind: AlignmentKind
    matrix: NDArray[np.float64]
    shift: NDArray[np.float64]

    def __call__(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Map embeddings `[N,D]`, and bring each to unit length again."""
        moved = rows @ self.matrix + self.shift
        return np.asarray(moved / np.maximum(np.linalg.norm(moved, axis=1, keepdims=True), 1e-12), np.float32)

    def inverse(self) -> Alignment:
        """The map back."""
        matrix = np.linalg.inv(self.matrix)
        return Alignment(self.kind, np.asarray(matrix, np.float64), np.asarray(-self.shift @ matrix, np.float64))


def fit_alignment(batch: NDArray[np.float32], snapshot: Snapshot, kind: AlignmentKind) -> Alignment:
    """What maps unlabelled embeddings of another domain to where the gallery stands.

    Args:
        batch: `[n,D]`, of the other domain, without labels.
        snapshot: the gallery.
        kind: which moments are brought together.
    """
    ours, theirs = snapshot.rows[:, 0].astype(np.float64), batch.astype(np.float64)
    to, start = _centre(ours, snapshot.classes), theirs.mean(axis=0)
    dim = theirs.shape[1]
    if kind == "mean":
        matrix: NDArray[np.float64] = np.eye(dim)
    elif kind == "moments":
        floor = np.sqrt(_RIDGE) * theirs.std()
        matrix = np.diag((ours.std(axis=0) + floor) / (theirs.std(axis=0) + floor))
    else:
        matrix = _power(_covariance(theirs), -0.5) @ _power(_covariance(ours), 0.5)
    return Alignment(kind, matrix, to - start @ matrix)


def _centre(rows: NDArray[np.float64], classes: NDArray[np.int64]) -> NDArray[np.float64]:
    """Every class counts once: a gallery holds as many of each as somebody taught."""
    means = [rows[classes == number].mean(axis=0) for number in np.unique(classes)]
    return np.asarray(np.mean(means, axis=0), np.float64)


def _covariance(rows: NDArray[np.float64]) -> NDArray[np.float64]:
    covariance = np.cov(rows, rowvar=False, bias=True).reshape(rows.shape[1], rows.shape[1])
    return np.asarray(covariance + _RIDGE * np.trace(covariance) / len(covariance) * np.eye(len(covariance)))


def _power(matrix: NDArray[np.float64], exponent: float) -> NDArray[np.float64]:
    values, vectors = np.linalg.eigh(matrix)
    return np.asarray((vectors * values**exponent) @ vectors.T)
