"""Realigning a device whose camera or lamp was changed: what an alignment would do, and whether to believe it."""

from __future__ import annotations

import dataclasses
from collections import deque
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.decision.alignment import Choice
from edgefs_runtime.decision.judge import Judge
from edgefs_runtime.decision.snapshot import Snapshot
from edgefs_runtime.gallery.aligned import Aligned
from edgefs_runtime.images.sources import Images, frames_of
from edgefs_runtime.realign.estimate import Estimate, estimate
from edgefs_runtime.teach.enrolment import MOST_UNLABELLED, Seen, Teaching

_WORSE = 0.1  # share of the images that may be refused beyond those that were
_MOST = 0.5  # share of the images that may be unknown still, unless that is clearly better than it was
_BETTER = 0.9
_UNCHANGED = "the images show no change that chance would not explain:"


@dataclass(frozen=True)
class Realigned:
    """What one `realign` did, or would do.

    Attributes:
        kind: of the alignment: `mean`, `moments` or `coral`; `none` where the camera is as it was when the gallery was
            taught, so that an earlier alignment ends.
        images: unlabelled images that were used.
        passed_over: images that could not be read or show nothing.
        shift: how far the camera moved the images, in distances from a class to its nearest.
        refused_before: share of the images that are unknown now.
        refused_after: share that would be; each half of them through an alignment fitted on the other half.
        doubt: why it is not to be believed, in a sentence; empty where it may.
        challenge: for each challenge part that passes now and would fail, a sentence that says so.
        gallery: sequence of the gallery now.
    """

    kind: str
    images: int
    passed_over: int
    shift: float
    refused_before: float
    refused_after: float
    doubt: str
    challenge: tuple[str, ...]
    gallery: int

    def to_json(self) -> dict[str, Any]:
        """The fields as plain JSON values."""
        return {**vars(self), "challenge": list(self.challenge)}


class Batch(NamedTuple):
    """The images that can be judged, and how many of those looked at can't."""

    seen: list[Seen]
    passed_over: int

    @property
    def rows(self) -> NDArray[np.float32]:
        """Raw embeddings `[n,D]`."""
        return np.stack([one.vector for one in self.seen])


@dataclass(frozen=True)
class RealignPlan:
    """An estimate beside what the images get now; see `Realigned`."""

    estimate: Estimate
    batch: Batch
    refused_before: float
    refused_after: float
    doubt: str

    def after(self, snapshot: Snapshot) -> Snapshot:
        """What would count."""
        newest = (snapshot.camera + 1, self.estimate.alignment)
        return dataclasses.replace(snapshot, alignments=(*snapshot.alignments, newest))

    def drafted(self, actor: str, reason: str) -> Aligned:
        """What the gallery would keep."""
        measure = {
            "shift": round(self.estimate.shift, 4),
            "refused_before": round(self.refused_before, 4),
            "refused_after": round(self.refused_after, 4),
        }
        digests = tuple(one.digest for one in self.batch.seen)
        return Aligned(self.estimate.alignment, digests, measure, actor, reason)

    def realigned(self, sequence: int, challenge: tuple[str, ...] = ()) -> Realigned:
        """What is told of it."""
        return Realigned(
            kind=self.estimate.alignment.kind,
            images=len(self.batch.seen),
            passed_over=self.batch.passed_over,
            shift=self.estimate.shift,
            refused_before=self.refused_before,
            refused_after=self.refused_after,
            doubt=self.doubt,
            challenge=challenge,
            gallery=sequence,
        )


def usable(teaching: Teaching, images: Images) -> Batch:
    """The last images, embedded; those that can't be read or show nothing are passed over.

    Raises:
        GalleryError: there is none.
    """
    recent = deque(frames_of(images), MOST_UNLABELLED)
    seen = teaching.unlabelled(frame.given for frame in recent)
    if not seen:
        raise GalleryError(
            f"{counted(len(recent), 'image')} given, and none can be read and shows something; nothing was changed"
            if recent
            else "no image was given; realign by unlabelled images of the changed camera"
        )
    return Batch(seen, len(recent) - len(seen))


def plan_realign(judge: Judge, batch: Batch, kind: Choice) -> RealignPlan:
    """What images of the camera of now say about it.

    Raises:
        GalleryError: there are too few of them for any estimate.
    """
    rows, snapshot = batch.rows, judge.snapshot
    found = estimate(rows, snapshot, kind)
    before, after = _refused(judge, snapshot.seen(rows)), _refused(judge, found.crossed)
    doubt = found.doubt or _is_known(rows, snapshot, found, kind)
    if not doubt and after > min(before + _WORSE, max(_MOST, _BETTER * before)):
        doubt = f"{100 * after:.0f} % of the images would be unknown, {100 * before:.0f} % are now"
    return RealignPlan(found, batch, before, after, doubt)


def refuse_doubtful(doubt: str) -> None:
    """Stop an act that rests on a doubtful estimate.

    Raises:
        GalleryError: `doubt` says something.
    """
    if doubt:
        raise GalleryError(f"{doubt}; nothing was changed: give more or other images, or pass --force")


def _is_known(rows: NDArray[np.float32], snapshot: Snapshot, found: Estimate, kind: Choice) -> str:
    """Why nothing needs to be changed: the camera of now is the one that the gallery knows already."""
    if not snapshot.alignments or snapshot.alignments[-1][1].kind == "none":
        return (
            "" if found.alignment.kind != "none" else f"{_UNCHANGED} the camera as it was when the gallery was taught"
        )
    if estimate(snapshot.seen(rows), snapshot, kind).alignment.kind == "none":
        return f"{_UNCHANGED} the camera as it was aligned last"
    return ""


def _refused(judge: Judge, rows: NDArray[np.float32]) -> float:
    return float(np.mean([decision.label is None for decision in judge.decide(rows)]))
