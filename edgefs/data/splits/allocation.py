"""Deals whole parts out to several sides so that every class reaches its share on each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from edgefs.data.splits.parts import Part, draw_key, part_counts

_ATTEMPTS = 8  # orders that are tried; the best balanced one is taken


def allocate(parts: Sequence[Part], shares: Sequence[float], least: Sequence[int], seed: int) -> list[int]:
    """The side of each part: random by `seed`, stratified by class.

    Args:
        parts: what is dealt out.
        shares: wanted share of each class's images on each side; they add up to 1.
        least: parts of each class that a side gets before shares count. Parts that span classes can make this
            impossible; whoever needs it checks the outcome.
        seed: picks the outcome.
    """
    labels = sorted({label for part in parts for label in part.counts})
    images = np.array([[part.counts.get(label, 0) for label in labels] for part in parts], float)  # [parts,classes]
    target = np.outer(shares, images.sum(axis=0))  # [sides,classes]
    attempts = [_deal(parts, images, target, least, _order(parts, seed, attempt)) for attempt in range(_ATTEMPTS)]
    return min(attempts, key=lambda sides: _imbalance(sides, images, target))


def _order(parts: Sequence[Part], seed: int, attempt: int) -> list[int]:
    return sorted(range(len(parts)), key=lambda row: draw_key(seed, "deal", str(attempt), parts[row].key))


def _deal(
    parts: Sequence[Part],
    images: NDArray[np.float64],
    target: NDArray[np.float64],
    least: Sequence[int],
    order: Sequence[int],
) -> list[int]:
    """Give each part, in `order`, to the side that lacks most of its classes."""
    sides = [0] * len(parts)
    lacking = target.copy()
    owed = [dict.fromkeys(part_counts(parts), number) for number in least]
    left = part_counts(parts)
    weight = 1 / images.sum(axis=0)
    for row in order:
        allowed = _allowed(parts[row], owed, left) or list(range(len(target)))
        need = (lacking * weight) @ images[row]  # [sides]
        # Between equals the emptiest side, else every class would put its remainder on the first one.
        side = max(allowed, key=lambda side: (round(float(need[side]), 9), float(lacking[side].sum())))
        sides[row] = side
        lacking[side] -= images[row]
        for label in parts[row].counts:
            owed[side][label] -= 1
            left[label] -= 1
    return sides


def _allowed(part: Part, owed: list[dict[str, int]], left: Counter[str]) -> list[int]:
    """Sides that `part` may go to while every side can still be given the least it is owed."""
    allowed = set(range(len(owed)))
    for label in part.counts:
        if left[label] <= sum(max(0, side[label]) for side in owed):
            allowed &= {number for number, side in enumerate(owed) if side[label] > 0}
    return sorted(allowed)


def _imbalance(sides: Sequence[int], images: NDArray[np.float64], target: NDArray[np.float64]) -> float:
    dealt = np.zeros_like(target)
    np.add.at(dealt, np.array(sides), images)
    return round(float((((dealt - target) / target.sum(axis=0)) ** 2).sum()), 9)
