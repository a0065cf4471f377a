"""Acts that say something about other rows: an approval, a repair, the putting back of a backup.

Each is an `event` without vectors of a kind of its own, which schema 3 brought. Its payload:

    approve   {"approves": [[device, seq], ...]}         pending events by origin, that count from now on
    repair    {"lost": [[device, seq], ...], "kept": F}  rows that could not be read and are missed no more; and
              "pictures": [[device, seq, position], ...] thumbnails
    restore   {"source": F, "device": D}                 the backup's file, and who numbered its acts before
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.records import Act, Event, Key, Record, json_list
from edgefs_runtime.gallery.seed import Seed

Picture = tuple[str, int, int]  # device, seq and position of an image

APPROVE, REPAIR, RESTORE = "approve", "repair", "restore"
LASTING = (REPAIR, RESTORE)  # what no undo takes back


def approve_event(events: Sequence[Event], images: int, seed: Seed, act: Act) -> Event:
    """The row, not yet sealed, that lets pending events count.

    Raises:
        GalleryError: nobody is named, no reason is given, or who taught one of them would approve it.
    """
    label = ", ".join(sorted({event.label for event in events}))
    if not act.actor or not act.reason:
        raise GalleryError(f"approving {label!r} needs who does it and why; pass --actor and --reason")
    for event in events:
        if event.actor == act.actor:
            raise GalleryError(f"{act.actor!r} taught {event.label!r} and can't approve it; somebody else must")
    origins = json_list(sorted({event.origin for event in events}))
    return _event(APPROVE, label, images, f'{{"approves":{origins}}}', seed, act)


def repair_event(lost: Iterable[Key], pictures: Iterable[Picture], kept: str, seed: Seed, act: Act) -> Event:
    """The row, not yet sealed, by which rows and thumbnails are missed no more."""
    payload = {"kept": kept, "lost": sorted(lost), "pictures": sorted(pictures)}
    return _event(REPAIR, "", 0, json.dumps(payload), seed, act)


def restore_event(source: str, device: str, seed: Seed, act: Act) -> Event:
    """The row, not yet sealed, that tells of a backup that was put back."""
    return _event(RESTORE, "", 0, json.dumps({"device": device, "source": source}), seed, act)


def approved_by(event: Event) -> list[Key]:
    """The origins that an `approve` event approves."""
    return [(device, seq) for device, seq in json.loads(event.payload or "{}").get("approves", ())]


def lost_of(records: Iterable[Record]) -> set[Key]:
    """The rows that a repair says are lost."""
    return {(device, seq) for device, seq in _said_by_repairs(records, "lost")}


def lost_pictures(records: Iterable[Record]) -> set[Picture]:
    """The thumbnails that a repair says are lost."""
    return {(device, seq, position) for device, seq, position in _said_by_repairs(records, "pictures")}


def _said_by_repairs(records: Iterable[Record], name: str) -> Iterator[Any]:
    for record in records:
        if isinstance(record, Event) and record.kind == REPAIR:
            yield from json.loads(record.payload or "{}").get(name, ())


def _event(kind: str, label: str, n: int, payload: str, seed: Seed, act: Act) -> Event:
    return Event(
        device=act.device,
        seq=act.seq,
        operation=act.seq,
        kind=kind,
        label=label,
        disposition="ok",
        state="approved",
        n=n,
        dim=0,
        vectors=b"",
        digests=json_list([]),
        parts=json_list([]),
        shots=json_list([]),
        roi=None,
        payload=payload,
        space_id=seed.space_id,
        bundle=act.bundle,
        time=act.time,
        actor=act.actor,
        approver="",
        reason=act.reason,
    )
