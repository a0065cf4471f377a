"""Judging the images that come over, before and after.

An image is judged as if its part had not been taught: both galleries hold it, and each would know its own images again.
Parts leave in at most `_FOLDS` lots, so that a lot takes few parts of a class and the classes stay. A part that is the
only one of its class can't leave, or there would be no such class: its images are judged with it, on both sides, and
that is said.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.labels import spelling_in
from edgefs_runtime.carrying.decisions import Answer, Change, Decisions, Image, Part
from edgefs_runtime.carrying.taught import Decided
from edgefs_runtime.carrying.ways import Planned
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.settings import DecisionSettings
from edgefs_runtime.decision.snapshot import REFINED, Snapshot

_FOLDS = 5


def images_of(planned: Planned) -> list[Image]:
    """The images of one act of teaching that come over; a mean of unlabelled ones is none."""
    taught, enrolment = planned.taught, planned.enrolment
    if enrolment is None:
        return []
    rows = zip(planned.chosen, enrolment.digests, enrolment.groups, enrolment.vectors, strict=True)
    return [
        Image(planned.label, taught.names[number], group, digest, taught.enrolment.vectors[number], after)
        for number, digest, group, after in rows
        if group != REFINED
    ]


def compared(images: Sequence[Image], there: Decided, here: Snapshot, settings: DecisionSettings) -> Decisions:
    """Judge every image by what decided there and by what decides here.

    Args:
        images: those that came over.
        there: what decided before.
        here: what counts with them.
        settings: of the bundle in use.
    """
    before = _Side(there.snapshot, there.settings or settings, images, [image.before for image in images])
    after = _Side(here, settings, images, [image.after for image in images])
    leaving = [image for image in images if before.has_others(image) and after.has_others(image)]
    left = set(leaving)
    staying = [image for image in images if image not in left]
    old, new = ({**side.answers(staying), **side.left_out(leaving)} for side in (before, after))
    changed = [Change(image, old[image], new[image]) for image in images if old[image] != new[image]]
    return Decisions(len(images), len(staying), tuple(changed), there.settings is not None)


class _Side:
    """One gallery, and the images in it with their embeddings there."""

    def __init__(
        self,
        snapshot: Snapshot,
        settings: DecisionSettings,
        images: Sequence[Image],
        vectors: Sequence[NDArray[np.float32]],
    ) -> None:
        self._snapshot, self._settings = (
            snapshot.with_rows(snapshot.vectors, snapshot.classes, snapshot.parts),
            settings,
        )
        self._vectors = dict(zip(images, vectors, strict=True))
        self._sizes = np.bincount(snapshot.classes, minlength=len(snapshot.labels))
        self._rows: dict[Part, set[int]] = {}
        for image, vector in self._vectors.items():
            self._rows.setdefault(image.leaves_with, set()).update(self._rows_of(image.label, vector).tolist())

    def _rows_of(self, label: str, vector: NDArray[np.float32]) -> NDArray[np.int64]:
        """The rows of the part that an image with these embeddings shows; none of one that is pending."""
        snapshot, label = self._snapshot, spelling_in(set(self._snapshot.labels), label)
        if label not in snapshot.labels:
            return np.empty(0, np.int64)
        own = np.flatnonzero(snapshot.classes == snapshot.labels.index(label))
        own = own[snapshot.vectors[own, 0] == vector[0]]
        own = own[(snapshot.vectors[own] == vector).all(axis=1)]
        return np.flatnonzero(np.isin(snapshot.parts, snapshot.parts[own]))

    def has_others(self, image: Image) -> bool:
        """Whether a class is left when an image's part leaves; of one that is pending nothing leaves."""
        rows = list(self._rows[image.leaves_with])
        return not rows or len(rows) < self._sizes[self._snapshot.classes[rows[0]]]

    def left_out(self, images: Sequence[Image]) -> dict[Image, Answer]:
        """What is decided about images as if their parts had not been taught."""
        answers: dict[Image, Answer] = {}
        for lot in _lots(images):
            gone = set().union(*(self._rows[image.leaves_with] for image in lot))
            answers |= self.answers(lot, gone)
        return answers

    def answers(self, images: Sequence[Image], without: Set[int] = frozenset()) -> dict[Image, Answer]:
        """What is decided about images, some rows left out."""
        if not images:
            return {}
        judge = Judge(_without(self._snapshot, without), self._settings)
        rows = np.stack([self._vectors[image] for image in images])
        decisions = judge.decide(rows.reshape(len(rows), self._snapshot.views, -1)[:, 0])
        return {
            image: Answer(decision.verdict, decision.label) for image, decision in zip(images, decisions, strict=True)
        }


def _lots(images: Sequence[Image]) -> list[list[Image]]:
    """Images that leave together: all of a part, and of each class about one part in `_FOLDS`."""
    numbers: dict[Part, int] = {}
    parts: Counter[str] = Counter()
    for image in images:
        if image.leaves_with not in numbers:
            numbers[image.leaves_with] = parts[image.label]
            parts[image.label] += 1
    lots: list[list[Image]] = [[] for _ in range(_FOLDS)]
    for image in images:
        lots[numbers[image.leaves_with] % _FOLDS].append(image)
    return [lot for lot in lots if lot]


def _without(snapshot: Snapshot, rows: Set[int]) -> Snapshot:
    if not rows:
        return snapshot
    kept = np.array([row not in rows for row in range(len(snapshot.classes))])
    return snapshot.with_rows(snapshot.vectors[kept], snapshot.classes[kept], snapshot.parts[kept])
