"""The audit log: every act that changed a gallery, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgefs_runtime.gallery.decrees import APPROVE, approved_by
from edgefs_runtime.gallery.deeds import deed_of, is_deed
from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Key, Record, Removed


@dataclass(frozen=True)
class LogEntry:
    """One act of the audit log, of one row or of several.

    Attributes:
        device: who numbered it.
        seq: the number of its first row on that device.
        kind: `enroll`, `forget`, `remove`, `undo`, `align`, `merge`, `carry`, `approve`, `repair` or `restore`.
        label: the class it was about; of several classes their names, `a, b, c`.
        images: how many images it added or took away, together.
        adds: True when images were added, False when they were only taken away.
        state: `approved` or `pending`; empty where nothing was taught.
        time: when, ISO 8601 in UTC.
        actor: who did it, as the caller named them.
        approver: who approved it; empty when nobody had to, or nobody's word for it stands.
        reason: why, in their words.
        bundle: digest of the bundle the device ran.
        hash: of its last row, the link in its device's hash chain.
        classes: how many classes it touched.
        removed: how many of its images it took away: a merge may add some and take away others.
    """

    device: str
    seq: int
    kind: str
    label: str
    images: int
    adds: bool
    state: str
    time: str
    actor: str
    approver: str
    reason: str
    bundle: str
    hash: str
    classes: int = 0
    removed: int = 0


def log_entries(records: Iterable[Record]) -> list[LogEntry]:
    """The acts that are not a seed's, in the order of their times.

    Args:
        records: every row, each device's in rising seq.
    """
    records = list(records)
    gone = {key for row in records if isinstance(row, Removed) and row.kind != "remove" for key in row.target_keys}
    acts: dict[Key, list[Record]] = {}
    approvers: dict[Key, str] = {}
    events: dict[Key, Event] = {}
    for record in records:
        if isinstance(record, Event):
            events[record.key] = record
            if record.kind == APPROVE and record.key not in gone:
                approvers.update(dict.fromkeys(approved_by(record), record.actor))
        if not record.device.startswith(SEED_PREFIX):
            acts.setdefault((record.device, record.operation), []).append(record)
    entries = [_entry(rows, events, approvers) for rows in acts.values()]
    return sorted(entries, key=lambda entry: (entry.time, entry.device, entry.seq))


def _entry(rows: list[Record], events: dict[Key, Event], approvers: dict[Key, str]) -> LogEntry:
    first = rows[0]
    labels = sorted({label for row in rows for label in _labels(row, events)})
    added, removed = _moved(rows, events)
    return LogEntry(
        device=first.device,
        seq=first.seq,
        kind=_kind(first),
        label=", ".join(labels),
        images=added + removed,
        adds=added > 0 or not removed,
        state=first.state if isinstance(first, Event) and first.kind == "enroll" else "",
        time=first.time,
        actor=first.actor,
        approver=(first.approver or approvers.get(first.key, "")) if isinstance(first, Event) else "",
        reason=first.reason,
        bundle=first.bundle,
        hash=rows[-1].hash,
        classes=len(labels),
        removed=removed,
    )


def _moved(rows: list[Record], events: dict[Key, Event]) -> tuple[int, int]:
    """How many images an act added, and how many it took away."""
    first = rows[0]
    if isinstance(first, Event) and is_deed(first):
        deed = deed_of(first)
        return sum(deed.added.values()), sum(deed.removed.values())
    if isinstance(first, Event):
        return sum(row.n for row in rows if isinstance(row, Event) and row.kind != APPROVE), 0
    undone = [events[key] for key in first.target_keys if key in events and is_deed(events[key])]
    if undone:
        added, removed = _moved([undone[0]], events)
        return removed, added
    if any(key not in events for key in first.target_keys) and first.undoes is not None:  # of a removal of images
        return first.n, 0
    return 0, sum(row.n for row in rows)


def _kind(record: Record) -> str:
    if record.undoes is not None:
        return "undo"
    return deed_of(record).kind if isinstance(record, Event) and is_deed(record) else record.kind


def _labels(record: Record, events: dict[Key, Event]) -> set[str]:
    """The classes that a row touches."""
    if isinstance(record, Removed):
        targets = [events[key] for key in record.target_keys if key in events]
        found = {label for target in targets for label in _labels(target, events)}
        return found or ({record.label} if record.label else set())
    if is_deed(record):
        return set(deed_of(record).labels)
    return {record.label} if record.label else set()
