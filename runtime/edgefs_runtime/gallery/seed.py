"""From what is taught to rows, and the rows that a bundle brings with it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import numpy as np

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.records import NO_HASH, SEED_PREFIX, Event, Shot, json_list, seal
from edgefs_runtime.images.kept import media_of


@dataclass(frozen=True)
class Seed:
    """What a bundle says about the gallery that belongs to it.

    Attributes:
        digest: the bundle's digest, lower-case hex SHA-256.
        space_id: the embedding space; only vectors of one space may be compared.
        dim: V·D, numbers that are kept of an image.
        bundle_name: the manifest's name.
        enrolments: the classes the workstation taught.
        views: V, embeddings of each image.
    """

    digest: str
    space_id: str
    dim: int
    bundle_name: str
    enrolments: tuple[Enrolment, ...]
    views: int = 1

    @property
    def device(self) -> str:
        """The device that the seed's rows are numbered under: the same on every device with this bundle."""
        return SEED_PREFIX + self.digest

    def events(self) -> list[Event]:
        """The seed's rows, sealed.

        Raises:
            GalleryError: an enrolment is not of the seed's dimension.
        """
        events: list[Event] = []
        for number, enrolment in enumerate(self.enrolments, start=1):
            event = event_of(enrolment, self, device=self.device, seq=number, time="")
            events.append(seal(event, events[-1].hash if events else NO_HASH))
        return events

    def shots(self) -> list[Shot]:
        """The thumbnails that the bundle brings."""
        return [
            shot
            for number, enrolment in enumerate(self.enrolments, start=1)
            for shot in shots_of(enrolment, self.device, number)
        ]


def event_of(enrolment: Enrolment, seed: Seed, *, device: str, seq: int, time: str) -> Event:
    """The row, not yet sealed, of one act of teaching.

    Raises:
        GalleryError: the embeddings are not of the seed's dimension.
    """
    n, dim = enrolment.vectors.shape
    if dim != seed.dim:
        raise GalleryError(
            f"the embeddings of {enrolment.label!r} have {dim} dimensions, this gallery's have {seed.dim}; "
            "they were made by another embedder, nothing was enrolled"
        )
    return Event(
        device=device,
        seq=seq,
        operation=seq,
        kind="enroll",
        label=enrolment.label,
        disposition=enrolment.disposition,
        state=enrolment.state,
        n=n,
        dim=dim,
        vectors=np.ascontiguousarray(enrolment.vectors, "<f4").tobytes(),
        digests=json_list(enrolment.digests),
        parts=json_list(enrolment.groups),
        shots=json_list([hashlib.sha256(jpeg).hexdigest() if jpeg else "" for jpeg in enrolment.thumbnails]),
        roi=_roi(enrolment),
        payload=None,
        space_id=seed.space_id,
        bundle=seed.digest,
        time=time,
        actor=plain_text("actor", enrolment.actor),
        approver=plain_text("approver", enrolment.approver),
        reason=plain_text("reason", enrolment.reason),
    )


def shots_of(enrolment: Enrolment, device: str, seq: int) -> list[Shot]:
    """The rows of an enrolment's thumbnails."""
    images = zip(enrolment.digests, enrolment.groups, enrolment.thumbnails, strict=True)
    return [
        Shot(device, seq, position, digest, part, _roi(enrolment), jpeg, media_of(jpeg))
        for position, (digest, part, jpeg) in enumerate(images)
        if jpeg
    ]


def _roi(enrolment: Enrolment) -> str | None:
    return None if enrolment.region is None else json_list(enrolment.region)


def plain_text(name: str, value: str) -> str:
    """Refuse text that no column can hold.

    Raises:
        GalleryError: it holds bytes that are no UTF-8 (an argument in another encoding).
    """
    try:
        value.encode("utf-8")
    except UnicodeEncodeError as error:
        raise GalleryError(f"the {name} is not readable text ({value!a:.60}); nothing was written") from error
    return value
