"""Cross-validation inside a small set: folds that keep a part on one side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from edgefs.data.samples import Sample
from edgefs.data.splits.allocation import allocate
from edgefs.data.splits.parts import Part, find_parts, part_counts, parts_by_class


def folds(samples: Sequence[Sample], n_folds: int, seed: int) -> list[tuple[list[int], list[int]]]:
    """Stratified folds as (training positions, validation positions), ascending.

    Every training side holds every class. A class with a single part is therefore never validated, and there are
    fewer folds than asked for where there are fewer parts; none at all when every class has a single part.

    Args:
        samples: the support.
        n_folds: folds wanted, at least 2.
        seed: picks the folds; the same samples in another order give the same ones.

    Raises:
        ValueError: `n_folds` is below 2.
    """
    if n_folds < 2:
        raise ValueError(f"n_folds = {n_folds}; cross-validation takes at least 2")
    parts = find_parts(samples)
    numbers = part_counts(parts)
    dealt = [part for part in parts if min(numbers[label] for label in part.counts) > 1]
    if len(dealt) < 2:
        return []
    n_folds = min(n_folds, len(dealt))
    fold_of = allocate(dealt, [1 / n_folds] * n_folds, [0] * n_folds, seed)
    held_out = _keep_every_class_learned(dealt, fold_of, n_folds, numbers)
    return [_fold(len(samples), validation) for validation in held_out if validation]


def _keep_every_class_learned(
    dealt: Sequence[Part], fold_of: Sequence[int], n_folds: int, numbers: Counter[str]
) -> list[list[Part]]:
    """Parts held out in each fold; where all of a class fell into one fold, one of its parts is never held out."""
    fold = {part.key: number for part, number in zip(dealt, fold_of, strict=True)}
    for label, own in sorted(parts_by_class(dealt).items()):
        together = {fold.get(part.key) for part in own}
        if len(own) == numbers[label] and len(together) == 1 and together != {None}:
            del fold[min(part.key for part in own)]
    return [[part for part in dealt if fold.get(part.key) == number] for number in range(n_folds)]


def _fold(n_samples: int, held_out: Sequence[Part]) -> tuple[list[int], list[int]]:
    validation = {position for part in held_out for position in part.members}
    return [position for position in range(n_samples) if position not in validation], sorted(validation)
