"""The gallery as the decision sees it: labelled embeddings, frozen.

- `Enrolment`: what one act of teaching adds, k images of one class.
- `Snapshot`: everything that counts at one moment, as arrays. Heads are computed from it and from nothing else. The
  rows of a large gallery may lie on the disk until somebody asks for them: its heads need its sums and a sample.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Literal, Protocol, TypedDict

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.labels import check_label, class_names
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.judged import is_many, judged

if TYPE_CHECKING:
    from edgefs_runtime.decision.alignment import Alignment
    from edgefs_runtime.decision.held import Fit, Held
    from edgefs_runtime.decision.sums import Sums

State = Literal["pending", "approved"]


REFINED = "mean of unlabelled images"  # the part that such an image bears


@dataclass(frozen=True)
class Enrolment:
    """k images of one class, taught together.

    Attributes:
        label: the class; not empty, not `unknown`, no line break, at most 200 characters.
        disposition: what the line does with parts of this class.
        vectors: float32 `[k,V·D]`, finite: of each image the embeddings of its V views, end to end, the image itself
            first (`Preprocess.views`).
        digests: k content digests of the images, hex SHA-256.
        groups: k names of the physical part (patient, lot) an image shows; empty where unknown: an image is then a
            part of its own.
        thumbnails: k kept pictures, PNG files (`images.kept`) or the small JPEG files of before, or empty bytes where
            none is kept.
        state: `approved` rows decide; `pending` ones wait for an approver.
        actor: who taught, as the caller names it.
        approver: who approved; empty when nobody had to.
        reason: why, in the operator's words.
        region: (left, top, width, height), pixels of the frame, that the pictures show; None for all of it.
    """

    label: str
    disposition: Disposition
    vectors: NDArray[np.float32]
    digests: tuple[str, ...]
    groups: tuple[str, ...] = ()
    thumbnails: tuple[bytes, ...] = ()
    state: State = "approved"
    actor: str = ""
    approver: str = ""
    reason: str = ""
    region: tuple[int, int, int, int] | None = None

    def __post_init__(self) -> None:
        check_label(self.label)
        k = len(self.vectors)
        if self.vectors.ndim != 2 or k == 0:
            raise GalleryError(f"an enrolment holds at least one embedding [k,D]; got shape {self.vectors.shape}")
        if not np.isfinite(self.vectors).all():
            raise GalleryError(f"the embeddings of {self.label!r} hold NaN or infinity; nothing was enrolled")
        for name in ("groups", "thumbnails"):
            if not getattr(self, name):
                object.__setattr__(self, name, ("" if name == "groups" else b"",) * k)
        if not len(self.digests) == len(self.groups) == len(self.thumbnails) == k:
            raise GalleryError(f"{k} embeddings of {self.label!r} need as many digests, groups and thumbnails")

    def some(self, positions: Sequence[int]) -> Enrolment:
        """The same act with some of its images alone."""
        if len(positions) == len(self.vectors):
            return self
        return dataclasses.replace(
            self,
            vectors=self.vectors[list(positions)],
            digests=tuple(self.digests[position] for position in positions),
            groups=tuple(self.groups[position] for position in positions),
            thumbnails=tuple(self.thumbnails[position] for position in positions),
        )


@dataclass(frozen=True)
class Snapshot:
    """Labelled embeddings at one moment.

    Attributes:
        held: float32 `[N,V·D]` or where they lie, in (device, seq) order: the order is part of the arithmetic's result.
            Raw, but for rows that a device enrolled after a change of its camera: these are mapped into the space of
            the others.
        labels: C class names, sorted.
        dispositions: C dispositions.
        classes: int64 `[N]`, index into `labels`.
        parts: int64 `[N]`; images with the same number show the same part and leave together in leave-one-out.
        sequence: number of operations behind it; 0 = the seed alone.
        views: V, embeddings of each image.
        alignments: those of this device that stand, each with the number of the act that made it, oldest first.
        means: numbers of the parts that are none, but means of unlabelled images: they say where a class lies, and
            nothing of how its images spread.
        warnings: sentences, where some of the gallery could not be read and does not count.
        content: digest of what the gallery holds, where two that hold the same are to be told without their rows.
        known_sums: sums of its rows, where they are known.
        fit: what decides by it, where that was kept.
    """

    held: NDArray[np.float32] | Held
    labels: tuple[str, ...]
    dispositions: tuple[Disposition, ...]
    classes: NDArray[np.int64]
    parts: NDArray[np.int64]
    sequence: int
    views: int = 1
    alignments: tuple[tuple[int, Alignment], ...] = ()
    means: tuple[int, ...] = ()
    warnings: tuple[str, ...] = ()
    content: str = field(default="", compare=False)
    known_sums: Sums | None = field(default=None, compare=False, repr=False)
    fit: Fit | None = field(default=None, compare=False, repr=False)

    @property
    def vectors(self) -> NDArray[np.float32]:
        """The embeddings, float32 `[N,V·D]`, read where they lie on the disk."""
        return self.held if isinstance(self.held, np.ndarray) else self.held.load()

    def take(self, places: NDArray[np.int64]) -> NDArray[np.float32]:
        """The embeddings of the images at some places `[n]`, float32 `[n,V,D]`."""
        rows = self.held[places] if isinstance(self.held, np.ndarray) else self.held.take(places)
        return rows.reshape(len(places), self.views, -1)

    def with_rows(self, vectors: NDArray[np.float32], classes: NDArray[np.int64], parts: NDArray[np.int64]) -> Snapshot:
        """The same classes with other rows `[n,V·D]` in memory, which are of some classes `[n]` and parts `[n]`."""
        return dataclasses.replace(
            self, held=vectors, classes=classes, parts=parts, content="", known_sums=None, fit=None
        )

    @property
    def is_large(self) -> bool:
        """Whether heads are fitted from its sums and judged by a sample (`judged.is_many`)."""
        return is_many(len(self.classes), int(self.held.shape[1]), self.views)

    @cached_property
    def sums(self) -> Sums:
        """Sums of the rows by class, the same bit by bit however they came about."""
        if self.known_sums is not None:
            return self.known_sums
        from edgefs_runtime.decision.held import sums_of_held  # of large galleries alone

        return sums_of_held(self.held, self.classes, self.views, len(self.labels))

    @cached_property
    def judged(self) -> NDArray[np.int64]:
        """Places of the images that are judged with their part left out."""
        return judged(self.classes, self.parts, len(self.labels), self.means)

    def as_seen(self, enrolment: Enrolment) -> Enrolment:
        """An enrolment of this device as the gallery compares it."""
        return dataclasses.replace(enrolment, vectors=self.seen(enrolment.vectors))

    def seen(self, vectors: NDArray[np.float32], camera: int | None = None) -> NDArray[np.float32]:
        """Embeddings `[N,D]` or `[N,V·D]`, as the embedder gave them, as the gallery compares them.

        Args:
            vectors: of images from this device.
            camera: which camera took them, as a number of this device's acts: the first alignment with at least this
                number is theirs, the newest where there is none yet. 0 is the camera before any alignment; None the
                one of now.
        """
        if camera == 0 or not self.alignments:
            return vectors
        wanted = self.alignments[-1][0] if camera is None else camera
        return next((align for number, align in self.alignments if number >= wanted), self.alignments[-1][1])(vectors)

    def is_same(self, other: Snapshot) -> bool:
        """Whether another one, read or computed apart, holds the same: then the same head comes out of it."""
        if self is other:
            return True
        plain = ("sequence", "labels", "dispositions", "views", "means")
        if not all(getattr(self, name) == getattr(other, name) for name in plain):
            return False
        if _written(self.alignments) != _written(other.alignments):
            return False
        if self.content and other.content:
            return self.content == other.content
        return all(
            np.array_equal(getattr(self, name), getattr(other, name)) for name in ("classes", "parts", "vectors")
        )

    @property
    def camera(self) -> int:
        """The number of the camera of now: of the newest alignment, 0 without any."""
        return self.alignments[-1][0] if self.alignments else 0

    @property
    def rows(self) -> NDArray[np.float32]:
        """The embeddings, `[N,V,D]`; the first of each image is of the image itself."""
        return self.vectors.reshape(len(self.vectors), self.views, -1)

    @property
    def counts(self) -> dict[str, int]:
        """Images of each class."""
        numbers = np.bincount(self.classes, minlength=len(self.labels))
        return dict(zip(self.labels, numbers.tolist(), strict=True))


def build_snapshot(
    enrolments: Sequence[Enrolment], sequence: int, views: int = 1, alignments: Sequence[tuple[int, Alignment]] = ()
) -> Snapshot:
    """Stack enrolments, already in (device, seq) order and approved, into arrays.

    Two images of one class with the same group name, or with the same content digest, are the same part. Where one
    class was taught under both dispositions, `defect` stands: it is the cautious reading.

    Raises:
        GalleryError: there is no enrolment at all, or their dimensions differ.
    """
    if not enrolments:
        raise GalleryError("the gallery holds no class; enroll at least one")
    dimensions = {enrolment.vectors.shape[1] for enrolment in enrolments}
    if len(dimensions) > 1:
        raise GalleryError(f"the gallery mixes embeddings of {sorted(dimensions)} dimensions")
    if dimensions.pop() % views:
        raise GalleryError(f"the gallery does not hold {views} embeddings of each image")
    return Snapshot(
        held=np.concatenate([enrolment.vectors for enrolment in enrolments]).astype(np.float32, copy=False),
        **described(enrolments),
        sequence=sequence,
        views=views,
        alignments=tuple(alignments),
    )


class Taught(Protocol):
    """What is told of images that were taught together."""

    @property
    def label(self) -> str:
        """The class."""
        ...

    @property
    def disposition(self) -> Disposition:
        """What the line does with it."""
        ...

    @property
    def digests(self) -> tuple[str, ...]:
        """Of the images."""
        ...

    @property
    def groups(self) -> tuple[str, ...]:
        """The parts that they show; empty where unknown."""
        ...


class Described(TypedDict):
    """All of a snapshot that does not need the rows."""

    labels: tuple[str, ...]
    dispositions: tuple[Disposition, ...]
    classes: NDArray[np.int64]
    parts: NDArray[np.int64]
    means: tuple[int, ...]


def described(enrolments: Sequence[Taught]) -> Described:
    """Classes and parts of enrolments, in their order, as `build_snapshot` tells them."""
    names = class_names({enrolment.label for enrolment in enrolments})
    labels = tuple(sorted(set(names.values())))
    position = {name: number for number, name in enumerate(labels)}
    index = {label: position[name] for label, name in names.items()}
    defects = {names[enrolment.label] for enrolment in enrolments if enrolment.disposition == "defect"}
    parts = _part_numbers(enrolments, names)
    groups = [group for enrolment in enrolments for group in enrolment.groups]
    return Described(
        labels=labels,
        dispositions=tuple("defect" if label in defects else "ok" for label in labels),
        classes=np.concatenate(
            [np.full(len(enrolment.digests), index[enrolment.label], np.int64) for enrolment in enrolments]
        ),
        parts=parts,
        means=_means(parts.tolist(), groups),
    )


def extended(
    snapshot: Snapshot, enrolment: Enrolment, parts: Sequence[int], taught: NDArray[np.bool_] | None = None
) -> Snapshot:
    """What a snapshot would be with an enrolment, its rows behind the others.

    Args:
        snapshot: what counts now.
        enrolment: what would be taught.
        parts: a number `[k]` for the part each of its images shows.
        taught: `[k]`, the images that are; all without it.
    """
    labels = tuple(sorted({*snapshot.labels, enrolment.label}))
    of = dict(zip(snapshot.labels, snapshot.dispositions, strict=True))
    of[enrolment.label] = "defect" if "defect" in (enrolment.disposition, of.get(enrolment.label)) else "ok"
    moved = np.array([labels.index(label) for label in snapshot.labels], np.int64)
    chosen = np.ones(len(enrolment.vectors), bool) if taught is None else taught
    first = int(snapshot.parts.max(initial=-1)) + 1
    own = np.full(int(chosen.sum()), labels.index(enrolment.label), np.int64)
    numbers = first + np.array(parts, np.int64)
    held, sums = _held_with(snapshot, enrolment.vectors[chosen], moved, own, len(labels))
    return dataclasses.replace(
        snapshot,
        held=held,
        content="",
        known_sums=sums,
        fit=None,
        labels=labels,
        dispositions=tuple(of[label] for label in labels),
        classes=np.concatenate([moved[snapshot.classes], own]),
        parts=np.concatenate([snapshot.parts, numbers[chosen]]),
        means=(*snapshot.means, *_means(numbers.tolist(), enrolment.groups)),
    )


def _held_with(
    snapshot: Snapshot,
    vectors: NDArray[np.float32],
    moved: NDArray[np.int64],
    classes: NDArray[np.int64],
    n_classes: int,
) -> tuple[NDArray[np.float32] | Held, Sums | None]:
    """Where rows lie when some more stand behind them, and the sums of a large gallery with them."""
    if not snapshot.is_large:
        return np.concatenate([snapshot.vectors, vectors]), None
    from edgefs_runtime.decision.held import Extended, sums_with  # of large galleries alone

    sums = sums_with(snapshot.sums.of_classes(moved, n_classes), vectors, classes, snapshot.views)
    return Extended(snapshot.held, vectors), sums


def first_views(enrolment: Enrolment, views: int) -> NDArray[np.float32]:
    """Embeddings `[k,D]` of the images themselves, without their other views."""
    return enrolment.vectors.reshape(len(enrolment.vectors), views, -1)[:, 0]


def _written(alignments: Sequence[tuple[int, Alignment]]) -> list[tuple[int, bytes]]:
    return [(number, alignment.to_bytes()) for number, alignment in alignments]


def _means(parts: Sequence[int], groups: Sequence[str]) -> tuple[int, ...]:
    return tuple(sorted({part for part, group in zip(parts, groups, strict=True) if group == REFINED}))


def _part_numbers(enrolments: Sequence[Taught], names: Mapping[str, str]) -> NDArray[np.int64]:
    numbers: dict[tuple[str, str], int] = {}
    parts = [
        numbers.setdefault((names[enrolment.label], group or digest), len(numbers))
        for enrolment in enrolments
        for group, digest in zip(enrolment.groups, enrolment.digests, strict=True)
    ]
    return np.array(parts, np.int64)
