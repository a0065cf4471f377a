"""Which rows take an act back.

An undo writes rows like any other act, so it is in the audit log and merges like any other. It is not itself undone: a
second undo goes one act further back, as in an editor. A merge is one act: undone, nothing that it brought counts here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import counted
from edgefs_runtime.gallery.decrees import APPROVE
from edgefs_runtime.gallery.deeds import deed_of, is_deed, said
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.records import Act, Event, Key, Record, Removed, json_list


def removal(act: Act, kind: str, events: list[Event], images: int, undoes: int | None = None) -> Removed:
    """The row, not yet sealed, that takes events away."""
    return Removed(
        device=act.device,
        seq=act.seq,
        operation=act.seq,
        kind=kind,
        label=events[0].label,
        n=images,
        targets=json_list(sorted(event.key for event in events)),
        bundle=act.bundle,
        time=act.time,
        actor=act.actor,
        reason=act.reason,
        undoes=undoes,
    )


def removal_of_images(act: Act, label: str, images: Mapping[Key, Sequence[int]]) -> Removed:
    """The row, not yet sealed, that takes single images away, given as positions by the origin of their event."""
    targets = [[device, seq, sorted(positions)] for (device, seq), positions in sorted(images.items())]
    return Removed(
        device=act.device,
        seq=act.seq,
        operation=act.seq,
        kind="remove",
        label=label,
        n=sum(map(len, images.values())),
        targets=json_list(targets),
        bundle=act.bundle,
        time=act.time,
        actor=act.actor,
        reason=act.reason,
    )


def undo_rows(ledger: Ledger, act: Act) -> tuple[list[Record], str]:
    """The rows, not yet sealed, that take back the device's latest act, and a sentence that says what they do.

    Raises:
        GalleryError: this device has done nothing that is not undone.
    """
    number = ledger.last_undoable(act.device)
    if number is None:
        raise GalleryError("nothing to undo: this device has taught or forgotten nothing that is not undone already")
    rows = ledger.operation(act.device, number)
    first = rows[0]
    if isinstance(first, Removed):
        return _bring_back(ledger, act, first)
    events = [row for row in rows if isinstance(row, Event)]
    if is_deed(first):
        return _withdraw(ledger, act, events)
    if events[0].kind == APPROVE:
        sentence = f"took back the approval of {events[0].label!r} ({_when(events[0])})"
        return [removal(act, "undo", events, events[0].n, undoes=events[0].operation)], sentence
    return _take_away(ledger, act, events)


def _withdraw(ledger: Ledger, act: Act, rows: list[Event]) -> tuple[list[Record], str]:
    """Of a merge or a carrying over, whose rows count with the row that tells of it or not at all."""
    deed, images = deed_of(rows[0]), rows[0].n
    events = _with_copies(rows, [copy for copy in ledger.copies(_origins(rows)) if copy.device == act.device])
    what = "the merge of" if deed.kind == "merge" else "what was carried over from"
    sentence = f"took back {what} {deed.source}: {said(deed.added, deed.removed)} ({_when(rows[0])})"
    return [removal(act, "undo", events, images, undoes=rows[0].operation)], sentence


def _take_away(ledger: Ledger, act: Act, taught: list[Event]) -> tuple[list[Record], str]:
    if taught[0].kind == "align":
        sentence = (
            f"took back the alignment to a changed camera by {counted(taught[0].n, 'image')} ({_when(taught[0])})"
        )
        return [removal(act, "undo", taught, taught[0].n, undoes=taught[0].operation)], sentence
    events = _with_copies(taught, ledger.copies(_origins(taught)))
    images = sum(event.n for event in taught)
    labels = ", ".join(repr(event.label) for event in taught)
    sentence = f"took back the enrollment of {counted(images, 'image')} of {labels} ({_when(taught[0])})"
    return [removal(act, "undo", events, images, undoes=taught[0].operation)], sentence


def _with_copies(taught: list[Event], copies: list[Event]) -> list[Event]:
    """What was taught may by now stand under other numbers, brought back after it was forgotten."""
    return list({event.key: event for event in (*taught, *copies)}.values())


def _origins(events: list[Event]) -> set[Key]:
    return {event.origin for event in events}


def _bring_back(ledger: Ledger, act: Act, forgotten: Removed) -> tuple[list[Record], str]:
    if forgotten.kind == "remove":
        sentence = f"brought back {counted(forgotten.n, 'image')} of {forgotten.label!r} (removed {_when(forgotten)})"
        return [_voided(act, forgotten)], sentence
    events = ledger.origins(forgotten.target_keys)
    if any(not ledger.has_vectors(event) for event in events):
        raise GalleryError(
            f"{forgotten.label!r} can't be brought back: its embeddings were let go long after it was forgotten "
            f"({_when(forgotten)}); enroll it again"
        )
    rows: list[Record] = [
        event._replace(
            device=act.device,
            seq=act.seq + number,
            operation=act.seq,
            shots=json_list([""] * len(json.loads(event.shots))),  # thumbnails stay with the origin
            bundle=act.bundle,
            time=act.time,
            actor=act.actor,
            reason=act.reason,
            restores=json_list(event.origin),
            undoes=forgotten.operation,
        )
        for number, event in enumerate(events)
    ]
    return rows, f"brought back {counted(forgotten.n, 'image')} of {forgotten.label!r} (forgotten {_when(forgotten)})"


def _voided(act: Act, row: Removed) -> Removed:
    return row._replace(
        device=act.device,
        seq=act.seq,
        operation=act.seq,
        kind="undo",
        targets=json_list([row.key]),
        bundle=act.bundle,
        time=act.time,
        actor=act.actor,
        reason=act.reason,
        undoes=row.operation,
    )


def _when(record: Record) -> str:
    return f"{record.time}, by {record.actor}" if record.actor else record.time
