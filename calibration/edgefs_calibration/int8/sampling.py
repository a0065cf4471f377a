"""Which images to calibrate on: few, but such that nothing the line shows is missing.

- `balanced_sample`: as many of each class, and within a class as many parts, as there are.
- `k_center`: those that are farthest from each other in the embedding.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray


def balanced_sample(
    labels: Sequence[str], groups: Sequence[str], digests: Sequence[str], count: int, seed: int = 0
) -> list[int]:
    """Positions of at most `count` of n images, ascending; classes take turns, and in a class its parts do.

    Args:
        labels: `[n]`, class of each image.
        groups: `[n]`, part that it shows; an empty text is a part of its own.
        digests: `[n]`, hex SHA-256 of each; with the seed they alone decide, not the order of the images.
        count: images wanted.
        seed: picks the draw.
    """
    by_class: dict[str, dict[str, list[int]]] = {}
    for place in sorted(range(len(labels)), key=lambda place: _key(seed, digests[place])):
        parts = by_class.setdefault(labels[place], {})
        parts.setdefault(groups[place] or digests[place], []).append(place)
    queues = [_in_turn(list(by_class[label].values())) for label in sorted(by_class)]
    return sorted(_in_turn(queues)[:count])


def k_center(vectors: NDArray[np.float32], count: int, seed: int = 0) -> list[int]:
    """Positions of at most `count` of `[n,D]` embeddings that cover the others, ascending.

    Greedy k-center (Gonzalez 1985; Sener & Savarese 2018, arXiv:1708.00489): each next one is the farthest from those
    chosen, so none of the others is farther from its nearest than twice what the best choice would give.

    Args:
        vectors: `[n,D]`.
        count: images wanted.
        seed: picks the first, among the vectors in the order of their values and not in that of the images.
    """
    if not len(vectors) or count < 1:
        return []
    order = np.lexsort(vectors.T)
    chosen = [int(order[np.random.default_rng(seed).integers(len(vectors))])]
    nearest = _squared(vectors, vectors[chosen[0]])
    while len(chosen) < min(count, len(vectors)):
        chosen.append(int(nearest.argmax()))
        nearest = np.minimum(nearest, _squared(vectors, vectors[chosen[-1]]))
        nearest[chosen] = -1.0  # of equal vectors each is taken once
    return sorted(chosen)


def _squared(vectors: NDArray[np.float32], centre: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(((vectors.astype(np.float64) - centre) ** 2).sum(axis=1))


def _in_turn(queues: Sequence[Sequence[int]]) -> list[int]:
    """The first of each, then the second of each, and so on."""
    longest = max(map(len, queues), default=0)
    return [queue[turn] for turn in range(longest) for queue in queues if turn < len(queue)]


def _key(seed: int, digest: str) -> bytes:
    return hashlib.sha256(f"{seed} {digest}".encode()).digest()
