"""What is taught, as the fields and blobs of a message."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from edgefs_runtime.asking.messages import listing, mapping, number, position, text
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.aligned import Aligned
from edgefs_runtime.gallery.records import Key

MOST_PICTURE = 16 << 20  # bytes
_MOST_IMAGES = 1_000_000
_MOST_WIDTH = 1 << 24  # numbers of one image

Blobs = Iterator[memoryview]  # taken in the order in which the fields speak of them


def enrolment_fields(enrolment: Enrolment) -> dict[str, Any]:
    """Everything but the bytes."""
    return {
        "label": enrolment.label,
        "disposition": enrolment.disposition,
        "shape": list(enrolment.vectors.shape),
        "digests": list(enrolment.digests),
        "groups": list(enrolment.groups),
        "state": enrolment.state,
        "actor": enrolment.actor,
        "approver": enrolment.approver,
        "reason": enrolment.reason,
        "region": None if enrolment.region is None else list(enrolment.region),
    }


def enrolment_blobs(enrolment: Enrolment) -> list[bytes]:
    """The embeddings, then each image's picture."""
    return [np.ascontiguousarray(enrolment.vectors, "<f4").tobytes(), *enrolment.thumbnails]


def enrolment_of(fields: Any, blobs: Blobs) -> Enrolment:
    """Read what the two functions above wrote; whether the gallery takes it, is looked at there.

    Raises:
        ValueError, KeyError, TypeError: it is something else.
        GalleryError: no enrolment.
    """
    fields = mapping(fields)
    k, width = (number(one, least=1) for one in listing(fields["shape"]))
    if k > _MOST_IMAGES or width > _MOST_WIDTH:
        raise ValueError("a shape that no edgefs sends")
    vectors = np.frombuffer(_taken(blobs), "<f4").reshape(k, width).astype(np.float32)
    pictures = [bytes(_taken(blobs)) for _ in range(k)]
    if any(len(picture) > MOST_PICTURE for picture in pictures):
        raise GalleryError(f"a kept picture has more than {MOST_PICTURE:,} bytes; nothing was enrolled")
    if fields["disposition"] not in ("ok", "defect") or fields["state"] not in ("pending", "approved"):
        raise ValueError("another disposition or state")
    return Enrolment(
        label=text(fields["label"]),
        disposition=fields["disposition"],
        vectors=vectors,
        digests=_texts(fields["digests"]),
        groups=_texts(fields["groups"]),
        thumbnails=tuple(pictures),
        state=fields["state"],
        actor=text(fields["actor"]),
        approver=text(fields["approver"]),
        reason=text(fields["reason"]),
        region=_region(fields["region"]),
    )


def enrolments_of(fields: Any, blobs: Blobs) -> list[Enrolment]:
    """Read several; raises as `enrolment_of`."""
    return [enrolment_of(one, blobs) for one in listing(fields)]


def aligned_fields(drafted: Aligned | None) -> dict[str, Any] | None:
    """Everything but the alignment itself, which is a blob."""
    if drafted is None:
        return None
    digests, measure = list(drafted.digests), dict(drafted.measure)
    return {"digests": digests, "measure": measure, "actor": drafted.actor, "reason": drafted.reason}


def aligned_blobs(drafted: Aligned | None) -> list[bytes]:
    """The alignment."""
    return [] if drafted is None else [drafted.alignment.to_bytes()]


def aligned_of(fields: Any, blobs: Blobs) -> Aligned | None:
    """Read what the two functions above wrote; raises as `enrolment_of`."""
    if fields is None:
        return None
    fields = mapping(fields)
    alignment = Alignment.from_bytes(bytes(_taken(blobs)))
    digests, measure = _texts(fields["digests"]), mapping(fields["measure"])
    return Aligned(alignment, digests, measure, text(fields["actor"]), text(fields["reason"]))


def keys_of(fields: Any) -> list[Key]:
    """Names of rows; raises as `enrolment_of`."""
    return [position(one) for one in listing(fields)]


def _taken(blobs: Blobs) -> memoryview:
    found = next(blobs, None)
    if found is None:
        raise ValueError("fewer blobs than the fields speak of")
    return found


def _texts(value: Any) -> tuple[str, ...]:
    return tuple(text(one) for one in listing(value))


def _region(value: Any) -> tuple[int, int, int, int] | None:
    if value is None:
        return None
    left, top, width, height = (number(one) for one in listing(value))
    return left, top, width, height
