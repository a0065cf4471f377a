"""Deals whole parts out to several sides so that every class reaches its share on each of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import NamedTuple

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
    held, images = _held(parts)
    target = np.outer(shares, images)  # [sides,classes]
    orders = (_order(parts, seed, attempt) for attempt in range(_ATTEMPTS))
    attempts = [_deal(parts, held, 1 / images, target, least, order) for order in orders]
    return min(attempts, key=lambda sides: _imbalance(sides, held, target))


class _Held(NamedTuple):
    """Classes `[c]` that a part holds, by their number, and its images of each `[c]`; c is nearly always 1."""

    classes: NDArray[np.int64]
    images: NDArray[np.float64]


def _held(parts: Sequence[Part]) -> tuple[list[_Held], NDArray[np.float64]]:
    """What each part holds, and the images of every class, sorted by label."""
    labels = sorted({label for part in parts for label in part.counts})
    number = {label: place for place, label in enumerate(labels)}
    held = [
        _Held(np.array([number[label] for label in part.counts], np.int64), np.array([*part.counts.values()], float))
        for part in parts
    ]
    images = np.zeros(len(labels))
    for part in held:
        images[part.classes] += part.images
    return held, images


def _order(parts: Sequence[Part], seed: int, attempt: int) -> list[int]:
    return sorted(range(len(parts)), key=lambda row: draw_key(seed, "deal", str(attempt), parts[row].key))


def _deal(
    parts: Sequence[Part],
    held: Sequence[_Held],
    weight: NDArray[np.float64],
    target: NDArray[np.float64],
    least: Sequence[int],
    order: Sequence[int],
) -> list[int]:
    """Give each part, in `order`, to the side that lacks most of its classes, by `weight` `[classes]`."""
    sides = [0] * len(parts)
    lacking = target.copy()
    owed = [dict.fromkeys(part_counts(parts), number) for number in least]
    left = part_counts(parts)
    for row in order:
        allowed = _allowed(parts[row], owed, left) or list(range(len(target)))
        classes, images = held[row]
        need = (lacking[:, classes] * weight[classes]) @ images  # [sides]
        # Between equals the emptiest side, else every class would put its remainder on the first one.
        side = max(allowed, key=lambda side: (round(float(need[side]), 9), float(lacking[side].sum())))
        sides[row] = side
        lacking[side, classes] -= images
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


def _imbalance(sides: Sequence[int], held: Sequence[_Held], target: NDArray[np.float64]) -> float:
    dealt = np.zeros_like(target)
    for side, (classes, images) in zip(sides, held, strict=True):
        dealt[side, classes] += images
    return round(float((((dealt - target) / target.sum(axis=0)) ** 2).sum()), 9)
