"""How each image of an earlier gallery may come over.

By the first of these ways that is open to it:

- it is known to the new gallery already, and nothing is to be done;
- its embedding as it is, where both bundles embed alike to the bit (one embedding space);
- its kept picture, embedded anew;
- its embedding as it is, where both bundles are one model at two precisions and measurably agree, and see an image that
  teaches in as many symmetries.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.base.labels import spelling_in
from edgefs_runtime.carrying.earlier import Agreement, Earlier, Taught
from edgefs_runtime.decision.snapshot import REFINED, Enrolment
from edgefs_runtime.gallery.records import Key
from edgefs_runtime.teach.enrolment import Teaching

Way = Literal["known", "as it is", "picture", "relabelled", "mean", "missing", "region"]
CARRIED: tuple[Way, ...] = ("as it is", "picture")


@dataclass(frozen=True)
class Planned:
    """One act of teaching, as far as it can be carried over, and which way each of its images takes."""

    enrolment: Enrolment | None
    origin: Key
    label: str
    ways: tuple[Way, ...]


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
    enrolment, pictures, origin = taught
    if enrolment.vectors.shape[1] != teaching.embedder.dim * teaching.preprocess.views:
        agreement = None  # it was seen in other symmetries
    label = spelling_in(set(known.values()), enrolment.label)
    enrolment = dataclasses.replace(enrolment, label=label)  # an old file may spell a class as no entrance does now
    ways: list[Way] = []
    rows: list[NDArray[np.float32]] = []
    images = zip(enrolment.vectors, enrolment.digests, enrolment.groups, pictures, strict=True)
    for vector, digest, group, jpeg in images:
        way, row = _known(digest, enrolment.label, known), vector
        if way is None:
            way, row = _way(vector, jpeg, enrolment.region, teaching, agreement)
        if way in ("missing", "region") and group == REFINED:
            way = "mean"
        ways.append(way)
        if way in CARRIED:
            rows.append(row)
    chosen = [number for number, way in enumerate(ways) if way in CARRIED]
    moved = None if not chosen else _moved(enrolment, chosen, np.stack(rows), pictures)
    return Planned(moved, origin, enrolment.label, tuple(ways))


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
    jpeg: bytes,
    region: tuple[int, int, int, int] | None,
    teaching: Teaching,
    agreement: Agreement | None,
) -> tuple[Way, NDArray[np.float32]]:
    """Which way an image takes, and its embedding there."""
    if agreement is not None and agreement.is_exact:
        return "as it is", vector
    anew = _embedded_anew(jpeg, teaching) if jpeg and region == teaching.preprocess.roi else None
    if agreement is not None and agreement.is_close:
        # A small copy of a fine texture may be a worse witness than the other precision's embedding.
        return ("picture", anew) if anew is not None and agreement.is_near(anew, vector) else ("as it is", vector)
    if anew is not None:
        return "picture", anew
    return ("region" if jpeg and region != teaching.preprocess.roi else "missing"), vector


def _embedded_anew(jpeg: bytes, teaching: Teaching) -> NDArray[np.float32] | None:
    try:
        return teaching.embed_picture(jpeg)
    except ImageError:
        return None
