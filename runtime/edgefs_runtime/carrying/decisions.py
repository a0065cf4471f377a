"""Which decisions change by carrying over: each image that came over, judged before and after.

An image is judged as if its part had not been taught: both galleries hold it, and each would know its own images again.
Parts leave in at most `_FOLDS` lots, so that a lot takes few parts of a class and the classes stay. A part that is the
only one of its class can't leave, or there would be no such class: its images are judged with it, on both sides, and
that is said.
"""

from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.labels import spelling_in
from edgefs_runtime.base.wording import counted, plain
from edgefs_runtime.carrying.taught import Decided
from edgefs_runtime.carrying.ways import Planned
from edgefs_runtime.decision.judge import DecisionSettings, Judge
from edgefs_runtime.decision.snapshot import REFINED, Snapshot

_FOLDS = 5
_SHOWN = 20  # changes that are listed for a person

Part = tuple[str, str]  # class and name


@dataclass(frozen=True)
class Image:
    """One image that came over.

    Attributes:
        label: its class.
        name: as the other gallery calls it: `7.2`.
        part: the physical part it shows; empty where unknown.
        digest: SHA-256 of its file.
        before: its embeddings `[V·D]` there.
        after: its embeddings `[V·D]` here.
    """

    label: str
    name: str
    part: str
    digest: str
    before: NDArray[np.float32] = field(compare=False)
    after: NDArray[np.float32] = field(compare=False)

    @property
    def leaves_with(self) -> Part:
        """Images of one part leave together."""
        return self.label, self.part or self.digest


class Answer(NamedTuple):
    """What is decided about an image; the label is None for an unknown."""

    verdict: str
    label: str | None

    def __str__(self) -> str:
        """As `NG (crazing)`."""
        return f"{self.verdict} ({self.label or 'unknown'})"


class Change(NamedTuple):
    """An image that is decided otherwise."""

    image: Image
    before: Answer
    after: Answer

    def __str__(self) -> str:
        """In a clause."""
        part = f"part {self.image.part}, " if self.image.part else ""
        which = f"{self.image.label} {self.image.name} ({part}{self.image.digest[:12]})"
        return plain(f"{which}: {self.before} before, {self.after} now")

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        image = self.image
        return {
            "label": image.label,
            "image": image.name,
            "part": image.part,
            "digest": image.digest,
            "before": self.before._asdict(),
            "after": self.after._asdict(),
        }


@dataclass(frozen=True)
class Decisions:
    """What is decided about the images that came over, before and after.

    Attributes:
        judged: how many.
        alone: how many of them with their own part, which is the only one of its class.
        changed: those that are decided otherwise, in their order.
        is_by_old_settings: whether the other bundle said how it decides; else this one's head and budget stood for it.
    """

    judged: int
    alone: int
    changed: tuple[Change, ...]
    is_by_old_settings: bool

    @property
    def verdicts(self) -> int:
        """How many got another verdict."""
        return sum(change.before.verdict != change.after.verdict for change in self.changed)

    def lines(self) -> list[str]:
        """What a person should know of it."""
        other = len(self.changed) - self.verdicts
        changes = f"{self.verdicts} changed verdict, {other} only the class" if self.changed else "none changed"
        how = "each as if its part had not been taught"
        if self.alone:
            how += f", {self.alone} with it: no other part of the class was"
        if not self.is_by_old_settings:
            how += "; by this bundle's head and budget on both sides: --from OLD.edgefs has the old ones"
        more = len(self.changed) - _SHOWN
        return [
            f"decisions about {counted(self.judged, 'image')}: {changes} ({how})",
            *(f"changed: {change}" for change in self.changed[:_SHOWN]),
            *([f"changed: {more} more, which --json names"] if more > 0 else []),
        ]

    def to_json(self) -> dict[str, Any]:
        """Plain JSON values."""
        return {
            "judged": self.judged,
            "judged_with_own_part": self.alone,
            "verdicts_changed": self.verdicts,
            "changed": [change.to_json() for change in self.changed],
            "settings_before": "old bundle" if self.is_by_old_settings else "this bundle",
        }


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
        self._snapshot, self._settings = snapshot, settings
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
    return dataclasses.replace(
        snapshot, vectors=snapshot.vectors[kept], classes=snapshot.classes[kept], parts=snapshot.parts[kept]
    )
