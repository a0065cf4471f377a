"""The audit log: every act that changed a gallery, as a person reads it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Record


@dataclass(frozen=True)
class LogEntry:
    """One row of the audit log.

    Attributes:
        device: who numbered it.
        seq: its number on that device.
        kind: `enroll`, `forget`, `undo`, `settings` or `align`.
        label: the class it was about.
        images: how many images it added or took away.
        adds: True when images were added, False when they were taken away.
        state: `approved` or `pending`; empty where nothing was taught.
        time: when, ISO 8601 in UTC.
        actor: who did it, as the caller named them.
        approver: who approved it; empty when nobody had to.
        reason: why, in their words.
        bundle: digest of the bundle the device ran.
        hash: the row's link in its device's hash chain.
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


def log_entries(records: Iterable[Record]) -> list[LogEntry]:
    """The rows that are not a seed's, in the order of their times."""
    entries = [_entry(record) for record in records if not record.device.startswith(SEED_PREFIX)]
    return sorted(entries, key=lambda entry: (entry.time, entry.device, entry.seq))


def _entry(record: Record) -> LogEntry:
    taught = isinstance(record, Event)
    return LogEntry(
        device=record.device,
        seq=record.seq,
        kind="undo" if record.undoes is not None else record.kind,
        label=record.label,
        images=record.n,
        adds=taught,
        state=record.state if isinstance(record, Event) else "",
        time=record.time,
        actor=record.actor,
        approver=record.approver if isinstance(record, Event) else "",
        reason=record.reason,
        bundle=record.bundle,
        hash=record.hash,
    )
