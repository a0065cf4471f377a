"""Deep CORAL: the second moments of both domains' embeddings are brought together.

Deep CORAL: correlation alignment for deep domain adaptation, Sun & Saenko 2016 (arXiv:1607.01719).
"""

from __future__ import annotations

from torch import Tensor


def coral_loss(source: Tensor, target: Tensor) -> Tensor:
    """‖C_S − C_T‖²_F / 4D² of embeddings `[N,D]` and `[M,D]`."""
    dim = source.shape[1]
    return (_covariance(source) - _covariance(target)).square().sum() / (4 * dim * dim)


def _covariance(rows: Tensor) -> Tensor:
    centred = rows - rows.mean(0, keepdim=True)
    return centred.T @ centred / max(1, len(rows) - 1)
