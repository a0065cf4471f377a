"""How each image of an earlier gallery may come over.

By the first of these ways that is open to it:

- it is known to the new gallery already, and nothing is to be done;
- its embedding as it is, where both bundles embed alike to the bit (one embedding space);
- its kept picture, embedded anew: of what the new bundle looks at it must hold all (`images.transfer`);
- its embedding as it is, where both bundles are one model at two precisions and measurably agree, and see an image that
  teaches in as many symmetries. It goes before a picture that shows only about what the new bundle would see, where
  the two differ.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.labels import spelling_in
from edgefs_runtime.carrying.earlier import Agreement, Earlier
from edgefs_runtime.carrying.taught import Taught
from edgefs_runtime.decision.snapshot import REFINED, Enrolment
from edgefs_runtime.images.transfer import Transferred
from edgefs_runtime.teach.enrolment import Teaching

Way = Literal["known", "as it is", "picture", "relabelled", "mean", "missing", "region", "window", "colour", "page"]
CARRIED: tuple[Way, ...] = ("as it is", "picture")
LACKING: tuple[Way, ...] = ("missing", "region", "window", "colour", "page")


@dataclass(frozen=True)
class Planned:
    """One act of teaching, as far as it can be carried over.

    Attributes:
        taught: the act.
        enrolment: its images that come over, with their embeddings there; None where none does.
        label: their class.
        ways: which way each of its images takes.
        abouts: of each picture that shows only about what the new bundle would see, how it was kept and how it is
            looked at; else empty.
    """

    taught: Taught
    enrolment: Enrolment | None
    label: str
    ways: tuple[Way, ...]
    abouts: tuple[str, ...]

    @property
    def chosen(self) -> list[int]:
        """The images that come over, in the order of `enrolment`."""
        return [number for number, way in enumerate(self.ways) if way in CARRIED]


def plan_carrying(
    earlier: Earlier, known: Mapping[str, str], teaching: Teaching, agreement: Agreement | None
) -> list[Planned]:
    """What is to become of every image that was taught there.

    Args:
        earlier: what was taught.
        known: the class of each image that the new gallery has, by digest.
        teaching: of the new bundle.
        agreement: of both bundles.
    """
    return [_planned(taught, known, teaching, agreement) for taught in earlier.taught]


def by_class(planned: Sequence[Planned], way: Way) -> dict[str, int]:
    """Images by class that take a way."""
    found: dict[str, int] = {}
    for one in planned:
        if count := one.ways.count(way):
            found[one.label] = found.get(one.label, 0) + count
    return found


def _planned(taught: Taught, known: Mapping[str, str], teaching: Teaching, agreement: Agreement | None) -> Planned:
    enrolment = taught.enrolment
    if enrolment.vectors.shape[1] != teaching.embedder.dim * teaching.preprocess.views:
        agreement = None  # it was seen in other symmetries
    label = spelling_in(set(known.values()), enrolment.label)
    enrolment = dataclasses.replace(enrolment, label=label)  # an old file may spell a class as no entrance does now
    went: list[_Went] = []
    images = zip(enrolment.vectors, enrolment.digests, enrolment.groups, taught.pictures, strict=True)
    for vector, digest, group, picture in images:
        way = _known(digest, enrolment.label, known)
        taken = _way(vector, picture, enrolment.region, teaching, agreement) if way is None else _Went(way, vector)
        went.append(taken._replace(way="mean") if taken.way in LACKING and group == REFINED else taken)
    ways = tuple(taken.way for taken in went)
    planned = Planned(taught, None, label, ways, tuple(taken.about for taken in went))
    if not planned.chosen:
        return planned
    rows = np.stack([went[number].row for number in planned.chosen])
    return dataclasses.replace(planned, enrolment=_moved(enrolment, planned.chosen, rows, taught.pictures))


class _Went(NamedTuple):
    """The way that an image takes, its embedding there, and how far its picture shows only about what is seen now."""

    way: Way
    row: NDArray[np.float32]
    about: str = ""


def _moved(
    enrolment: Enrolment, chosen: Sequence[int], vectors: NDArray[np.float32], pictures: Sequence[bytes]
) -> Enrolment:
    """The images of an enrolment that come over, with their embeddings there."""
    return dataclasses.replace(
        enrolment,
        vectors=vectors,
        digests=tuple(enrolment.digests[number] for number in chosen),
        groups=tuple(enrolment.groups[number] for number in chosen),
        thumbnails=tuple(pictures[number] for number in chosen),
    )


def _known(digest: str, label: str, known: Mapping[str, str]) -> Way | None:
    if digest not in known:
        return None
    return "known" if known[digest] == label else "relabelled"


def _way(
    vector: NDArray[np.float32],
    picture: bytes,
    region: tuple[int, int, int, int] | None,
    teaching: Teaching,
    agreement: Agreement | None,
) -> _Went:
    if agreement is not None and agreement.is_exact:
        return _Went("as it is", vector)
    seen = _seen_again(picture, region, teaching)
    is_close = agreement is not None and agreement.is_close
    if not isinstance(seen, _Went):
        return _Went("as it is" if is_close else seen, vector)
    # A small copy of a fine texture may be a worse witness than the other precision's embedding.
    is_better = not seen.about or agreement is None or not is_close or agreement.is_near(seen.row, vector)
    return seen if is_better else _Went("as it is", vector)


def _seen_again(picture: bytes, region: tuple[int, int, int, int] | None, teaching: Teaching) -> _Went | Way:
    """The way by a kept picture, or what is missing for it."""
    if not picture:
        return "missing"
    try:
        seen = teaching.seen_again(picture, region)
        return _Went("picture", teaching.embed_seen(seen), seen.about) if isinstance(seen, Transferred) else seen
    except ImageError:
        return "missing"
