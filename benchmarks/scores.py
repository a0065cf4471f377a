"""Scores of strangeness that `fewshot.py` compares: what a gallery says of its own rows left out, and of others."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from edgefs_runtime.decision.heads import Answer, BlendHead, LdaHead, LeftOutScores, PrototypeHead
from edgefs_runtime.decision.heads.gaussian import fit_shared_gaussian
from edgefs_runtime.decision.snapshot import Snapshot

Score = Callable[[Snapshot, np.ndarray], tuple[LeftOutScores, Answer]]


def edgefs(snapshot: Snapshot, asked: np.ndarray) -> tuple[LeftOutScores, Answer]:
    head = BlendHead(snapshot)
    return head.left_out(), head.answer(asked)


def max_softmax(snapshot: Snapshot, asked: np.ndarray) -> tuple[LeftOutScores, Answer]:
    """Hendrycks & Gimpel 2017, of the discriminants."""
    head = LdaHead(snapshot)
    left_out, scores = head.left_out(), head.scores(asked)
    told = np.isfinite(left_out.strangeness)
    return LeftOutScores(left_out.scores, np.where(told, _softmax(left_out.scores), np.nan)), Answer(
        scores, _softmax(scores)
    )


def max_cosine(snapshot: Snapshot, asked: np.ndarray) -> tuple[LeftOutScores, Answer]:
    head = PrototypeHead(snapshot)
    return head.left_out(), head.answer(asked)


def mahalanobis(snapshot: Snapshot, asked: np.ndarray) -> tuple[LeftOutScores, Answer]:
    """Lee et al. 2018: the distance to the nearest class."""
    left_out, distances = _distances(snapshot, asked, snapshot.classes)
    return _nearest(left_out, 0.0, snapshot), Answer(-0.5 * distances, distances.min(axis=1))


def relative_mahalanobis(snapshot: Snapshot, asked: np.ndarray) -> tuple[LeftOutScores, Answer]:
    """Ren et al. 2021: less the distance to one Gaussian of everything, with a mean and covariance of its own."""
    left_out, distances = _distances(snapshot, asked, snapshot.classes)
    of_all, to_all = _distances(snapshot, asked, np.zeros_like(snapshot.classes))
    return _nearest(left_out, of_all[:, 0], snapshot), Answer(-0.5 * distances, distances.min(axis=1) - to_all[:, 0])


def nearest_neighbour(snapshot: Snapshot, asked: np.ndarray) -> tuple[LeftOutScores, Answer]:
    """Sun et al. 2022, k = 1: the distance to the nearest row of unit length."""
    rows = snapshot.rows / np.linalg.norm(snapshot.rows, axis=2, keepdims=True)
    taught, classes = rows.reshape(-1, rows.shape[2]), np.repeat(snapshot.classes, snapshot.views)
    own = 1 - rows[:, 0] @ taught.T
    own[snapshot.parts[:, None] == np.repeat(snapshot.parts, snapshot.views)[None]] = np.inf
    found = 1 - asked / np.linalg.norm(asked, axis=1, keepdims=True) @ taught.T
    of_class = [classes == label for label in range(len(snapshot.labels))]
    left_out, distances = (np.stack([d[:, c].min(axis=1) for c in of_class], axis=1) for d in (own, found))
    return _nearest(left_out, 0.0, snapshot), Answer(-distances, distances.min(axis=1))


def _distances(snapshot: Snapshot, asked: np.ndarray, classes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Distances of the gallery's own rows, left out, and of others."""
    views, rows = snapshot.views, snapshot.rows.astype(np.float64)
    flat = rows.reshape(-1, rows.shape[2])
    origin = flat.mean(axis=0)
    model = fit_shared_gaussian(flat - origin, np.repeat(classes, views), 0.5)
    first = np.arange(len(flat)) % views == 0
    left_out = model.left_out(np.repeat(snapshot.parts, views), first).classes
    found = asked.astype(np.float64) - origin
    if model.residuals is None:
        white = found @ model.factor.T
        lengths = np.einsum("nd,nd->n", white, white)
    else:
        within = found @ model.residuals.T @ model.factor.T
        lengths = (np.einsum("nd,nd->n", found, found) - np.einsum("nd,nd->n", within, within)) / model.alpha
    return left_out, lengths[:, None] - 2 * found @ model.weights + np.diag(model.mean_mean)


def _nearest(distances: np.ndarray, background: np.ndarray | float, snapshot: Snapshot) -> LeftOutScores:
    own = distances[np.arange(len(distances)), snapshot.classes]
    return LeftOutScores(-0.5 * distances, np.where(np.isinf(own), np.nan, distances.min(axis=1) - background))


def _softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    return -powers.max(axis=1) / powers.sum(axis=1)


SCORES: dict[str, Score] = {
    "edgefs": edgefs,
    "max softmax": max_softmax,
    "max cosine": max_cosine,
    "Mahalanobis": mahalanobis,
    "relative Mahalanobis": relative_mahalanobis,
    "nearest neighbour": nearest_neighbour,
}
