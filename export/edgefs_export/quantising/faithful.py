"""How much of an embedding is left."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def sqnr(reference: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Ratio of signal to quantisation noise of embeddings `[N,D]`, dB: infinite where they are equal.

    Args:
        reference: in float32.
        found: the same images in another precision.
    """
    signal = reference.astype(np.float64)
    noise = ((signal - found) ** 2).sum()
    return float(10 * np.log10((signal**2).sum() / noise)) if noise > 0 else float("inf")


def cosine(reference: NDArray[np.float32], found: NDArray[np.float32]) -> float:
    """Mean cosine of embeddings `[N,D]`, image by image."""
    a, b = reference.astype(np.float64), found.astype(np.float64)
    lengths = np.linalg.norm(a, axis=1) * np.linalg.norm(b, axis=1)
    return float(((a * b).sum(axis=1) / np.maximum(lengths, 1e-12)).mean())
