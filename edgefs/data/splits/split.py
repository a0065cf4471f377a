"""Decides which images are learned from, which ones choices are made on, and which ones test.

Whatever the way, one part (images of one group, copies of one file) stands on one side only, the outcome depends on
the data and the seed alone, and each thing done is a sentence in `Split.notes`.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Collection

from edgefs.data.samples import Dataset
from edgefs.data.splits.allocation import allocate
from edgefs.data.splits.parts import find_parts, part_counts, parts_by_class
from edgefs.data.splits.shots import draw_shots
from edgefs.data.splits.sides import NO_TEST, Sides, Split
from edgefs_runtime.base.errors import DataError
from edgefs_runtime.base.wording import counted

_SHARES = {"train": 0.6, "val": 0.2, "test": 0.2}
_LEAST_PARTS = (3, 1, 1)  # parts of each class on each side
_LEAST_IMAGES = 10  # of each class; with fewer, a fifth is one image and tests nothing


def split_dataset(dataset: Dataset, *, shots: int | None, seed: int, strangers: Collection[str] = ()) -> Split:
    """Divide a dataset, keeping parts together.

    - `shots`: K of each class to learn from; the rest tests, unless the data came divided.
    - no shots, divided data: as given.
    - no shots, MVTec layout: half of each defect class is learned, half tests.
    - no shots, undivided data: 60/20/20 by class, or everything into `train` when a class is too small for that.

    Args:
        dataset: what `load_dataset` returned.
        shots: images of each class to learn from; None uses all.
        seed: picks the outcome.
        strangers: classes that are not learned: their images all test, but for those of parts that are learned.

    Raises:
        DataError: a class is too small for what was asked, or can't be learned from.
    """
    if strangers:
        return _split_beside(dataset, strangers, shots, seed)
    if shots is not None and shots < 1:
        raise DataError(f"--shots {shots}: expected at least 1 image of each class")
    sides = Sides(dataset.samples, [sample.split for sample in dataset.samples])
    if dataset.layout == "mvtec":
        return _split_mvtec(sides, shots, seed)
    if any(sides.of):
        return _split_given(sides, shots, seed)
    return _split_by_shots(sides, shots, seed) if shots else _split_by_share(sides, seed)


def _split_beside(dataset: Dataset, strangers: Collection[str], shots: int | None, seed: int) -> Split:
    """Divide the other classes as if there were no strangers, which then join the test."""
    kept = tuple(sample for sample in dataset.samples if sample.label not in strangers)
    if not kept:
        raise DataError("no class is left to learn from; name one of good parts with --ok LABEL")
    layout = "split" if dataset.layout == "mvtec" else dataset.layout
    split = split_dataset(
        dataclasses.replace(dataset, samples=kept, layout=layout, classes=tuple(sorted({s.label for s in kept}))),
        shots=shots,
        seed=seed,
    )
    learned = {name for sample in (*split.train, *split.validation) for name in (sample.group, sample.digest) if name}
    tested = tuple(
        sample
        for sample in dataset.samples
        if sample.label in strangers and not learned & {sample.group, sample.digest}
    )
    left = sum(sample.label in strangers for sample in dataset.samples) - len(tested)
    note = (
        f"Learned from {', '.join(sorted({sample.label for sample in kept}))} alone; {counted(len(tested), 'image')} "
        f"of {', '.join(sorted(strangers))} test whether they are told as unknown."
    )
    if left:
        note += f" Not used: {counted(left, 'image')} of theirs, of the same parts as those learned from."
    return dataclasses.replace(split, test=(*split.test, *tested), notes=(*split.notes, note))


def _split_by_shots(sides: Sides, shots: int, seed: int) -> Split:
    labels = sorted({sample.label for sample in sides.samples})
    draw = draw_shots(sides.samples, labels, shots, seed, spare=1)
    sides.put(draw.shots, "train")
    sides.put(draw.rest, "test")
    sides.notes.append(
        f"Learned from: {counted(shots, 'shot')} of each of {counted(len(labels), 'class', 'classes')} (seed {seed}), "
        "with choices made by cross-validation among them. "
        f"Tested on: {counted(len(draw.rest), 'image')} of other parts."
    )
    if draw.beside:
        sides.notes.append(f"Not used: {counted(len(draw.beside), 'image')} of the same parts as the shots.")
    return sides.finish("shots")


def _split_by_share(sides: Sides, seed: int) -> Split:
    parts = find_parts(sides.samples)
    if reason := _too_small(sides):
        return _cross_validate(sides, reason)
    side_of = allocate(parts, list(_SHARES.values()), _LEAST_PARTS, seed)
    for part, number in zip(parts, side_of, strict=True):
        sides.put(part.members, list(_SHARES)[number])
    dealt = [part_counts(part for part, to in zip(parts, side_of, strict=True) if to == side) for side in range(3)]
    if any(dealt[side][label] < 1 for side in range(3) for label in part_counts(parts)):
        return _cross_validate(sides, "parts that span several classes can't be divided so that every side has each")
    sides.notes.append(
        f"Divided 60/20/20 by class, parts kept together (seed {seed}): {len(sides.positions('train'))} train, "
        f"{len(sides.positions('val'))} validation, {len(sides.positions('test'))} test images."
    )
    return sides.finish("holdout")


def _too_small(sides: Sides) -> str:
    """Why the data can't be divided in three; empty when it can."""
    for label, own in sorted(parts_by_class(find_parts(sides.samples)).items()):
        images = sum(part.different[label] for part in own)
        if len(own) < sum(_LEAST_PARTS) or images < _LEAST_IMAGES:
            return (
                f"class {label!r} has {counted(images, 'image')} in {counted(len(own), 'part')}, and dividing "
                f"in three takes {_LEAST_IMAGES} images in {sum(_LEAST_PARTS)} parts"
            )
    return ""


def _cross_validate(sides: Sides, reason: str) -> Split:
    sides.put(range(len(sides.of)), "train")
    sides.notes.append(
        f"{NO_TEST}: {reason}. All {len(sides.of)} images are cross-validated, then the model is refitted on all."
    )
    return sides.finish("cross-validation")


def _split_given(sides: Sides, shots: int | None, seed: int) -> Split:
    sides.keep_parts_together()
    learned, validating, testing = (len(sides.positions(side)) for side in ("train", "val", "test"))
    if not learned:
        raise DataError(f"nothing to learn from: {validating} images validate, {testing} test and none are in train")
    sides.notes.append(
        f"The split came with the data: {learned} train, {validating} validation, {testing} test images."
    )
    if shots:
        _learn_from_shots(sides, shots, seed)
    if not validating:
        sides.notes.append("There is no validation set: choices are made by cross-validation inside train.")
    if not testing:
        sides.notes.append(f"{NO_TEST}: the data has no test part.")
    if shots:
        return sides.finish("shots")
    return sides.finish("given" if validating or testing else "cross-validation")


def _learn_from_shots(sides: Sides, shots: int, seed: int) -> None:
    """Keep K shots of each class in train and use the others nowhere; the test set lies apart already."""
    positions = sides.positions("train")
    draw = draw_shots([sides.samples[p] for p in positions], sides.labels("train"), shots, seed, spare=0)
    sides.put(positions, "")
    sides.put([positions[shot] for shot in draw.shots], "train")
    sides.notes.append(
        f"Learned from: {counted(shots, 'shot')} of each class out of train (seed {seed}). "
        f"Not used: {counted(len(positions) - len(draw.shots), 'image')} of train."
    )


def _split_mvtec(sides: Sides, shots: int | None, seed: int) -> Split:
    """Split MVTec's layout, whose defects lie in test/ only: some of their parts move to train."""
    defects = sorted(set(sides.labels("test")) - set(sides.labels("train")))
    positions = [p for p in sides.positions("test") if sides.samples[p].label in defects]
    if shots:
        _draw_defects(sides, positions, defects, shots, seed)
    else:
        _halve_defects(sides, positions, defects, seed)
    sides.keep_parts_together()
    if shots:
        _learn_from_shots(sides, shots, seed)
    return sides.finish("shots" if shots else "holdout")


def _draw_defects(sides: Sides, positions: list[int], defects: list[str], shots: int, seed: int) -> None:
    draw = draw_shots([sides.samples[p] for p in positions], defects, shots, seed, spare=1)
    sides.put([positions[shot] for shot in draw.shots], "train")
    sides.put([positions[other] for other in draw.beside], "")
    sides.notes.append(
        f"Defects lie in test/ only, so some were moved to train: {counted(shots, 'image')} of each "
        f"defect class (seed {seed}). "
        f"Not used: {counted(len(draw.beside), 'image')} of the same parts. In the test: {len(draw.rest)} others."
    )


def _halve_defects(sides: Sides, positions: list[int], defects: list[str], seed: int) -> None:
    parts = find_parts([sides.samples[p] for p in positions])
    side_of = allocate(parts, [0.5, 0.5], [1, 1], seed)
    moved = [part for part, side in zip(parts, side_of, strict=True) if side == 0]
    stay = [part for part, side in zip(parts, side_of, strict=True) if side == 1]
    halves = (part_counts(moved), part_counts(stay))
    for label in defects:
        if not all(half[label] for half in halves):
            raise DataError(
                f"defect class {label!r} has {counted(part_counts(parts)[label], 'part')}, all in test/; it takes at "
                "least 2 that no other class shares: one to learn from and one to test; --good-only learns from none"
            )
    learned = [positions[member] for part in moved for member in part.members]
    sides.put(learned, "train")
    sides.notes.append(
        f"Defects lie in test/ only, so half of each defect class was moved to train (seed {seed}): "
        f"{counted(len(learned), 'image')}; {len(positions) - len(learned)} stay in the test."
    )
