"""The rows of carrying over what was taught to another gallery."""

from __future__ import annotations

from collections.abc import Sequence

from edgefs_runtime.base.labels import readable
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.aligned import Aligned, align_event
from edgefs_runtime.gallery.deeds import Deed, deed_event
from edgefs_runtime.gallery.records import Act, Event, Key, Shot, json_list
from edgefs_runtime.gallery.seed import Seed, event_of, shots_of


def carried_rows(
    taught: Sequence[tuple[Enrolment, Key]], alignment: Aligned | None, source: str, seed: Seed, act: Act
) -> tuple[list[Event], list[Shot]]:
    """The rows, not yet sealed, of one act, and their thumbnails; see `Gallery.carry`.

    Raises:
        GalleryError: the embeddings are not of the seed's dimension.
    """
    added: dict[str, int] = {}
    events, shots = [], []
    for seq, (enrolment, origin) in enumerate(taught, start=act.seq + 1):
        added[enrolment.label] = added.get(enrolment.label, 0) + len(enrolment.vectors)
        event = event_of(enrolment, seed, device=act.device, seq=seq, time=act.time)
        events.append(event._replace(restores=json_list(origin)))
        shots += shots_of(enrolment, act.device, seq)
    if alignment is not None:
        events.append(align_event(alignment, seed, act)._replace(seq=act.seq + len(events) + 1))
    deed = deed_event(Deed("carry", readable(source), added, {}), seed, act)
    return [event._replace(operation=act.seq) for event in (deed, *events)], shots
