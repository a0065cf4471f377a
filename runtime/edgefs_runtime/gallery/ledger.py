"""What the rows of a gallery mean: which events count, which act an undo takes back. No file is touched here.

- An event is *live* when no row removes it. Events are only ever added and only ever removed, so the union of two
  galleries' rows has one meaning, whichever was read first.
- An undone forget brings events back under new numbers. Two devices may each bring back the same one; the view counts
  an origin once.
- A device's camera may change. An `align` event maps what its new camera sees; each row is mapped as its device saw
  when it was taught, whichever gallery it is merged into, and whatever was aligned or undone afterwards.
- Seed rows count for the bundle that brought them. Another bundle has its own seed, and what an operator forgot of the
  old seed says nothing about the new one.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Sequence

from edgefs_runtime.alignment import Alignment
from edgefs_runtime.gallery.records import NO_HASH, SEED_PREFIX, Event, Key, Record, Removed
from edgefs_runtime.snapshot import Enrolment

Tip = tuple[int, str]  # seq and hash of a device's last row


class Ledger:
    """All rows of one gallery, in memory.

    Attributes:
        events: the rows of `event` by (device, seq).
        removals: the rows of `removed` by (device, seq).
        tips: last seq and hash of every device.
    """

    def __init__(self, records: Iterable[Record] = ()) -> None:
        self.events: dict[Key, Event] = {}
        self.removals: dict[Key, Removed] = {}
        self.tips: dict[str, Tip] = {}
        self._gone: set[Key] = set()
        self._enrolments: dict[Key, Enrolment] = {}
        self._alignments: dict[Key, Alignment] = {}
        self.add(records)

    def add(self, records: Iterable[Record]) -> None:
        """Take in rows that stand in the file."""
        for record in records:
            if isinstance(record, Event):
                self.events[record.key] = record
            else:
                self.removals[record.key] = record
                self._gone.update(record.target_keys)
            if record.seq > self.tip(record.device)[0]:
                self.tips[record.device] = (record.seq, record.hash)

    def with_rows(self, records: Iterable[Record]) -> Ledger:
        """What the ledger would be with further rows; rows decoded here need not be decoded there."""
        further = Ledger(self.records)
        further._enrolments = dict(self._enrolments)
        further._alignments = dict(self._alignments)
        further.add(records)
        return further

    def tip(self, device: str) -> Tip:
        """The device's last row; (0, zeros) before its first."""
        return self.tips.get(device, (0, NO_HASH))

    @property
    def records(self) -> list[Record]:
        """Every row, in (device, seq) order."""
        return sorted([*self.events.values(), *self.removals.values()], key=lambda record: record.key)

    @property
    def sequence(self) -> int:
        """Number of rows that are not a seed's."""
        seeded = sum(tip[0] for device, tip in self.tips.items() if device.startswith(SEED_PREFIX))
        return len(self.events) + len(self.removals) - seeded

    def live(self, seed_device: str) -> list[Event]:
        """Taught events that nothing removes, pending ones too, in (device, seq) order.

        Args:
            seed_device: `seed:<digest>` of the bundle in use; other bundles' seed rows are left out.
        """
        live = [
            event
            for key, event in self.events.items()
            if key not in self._gone and event.kind == "enroll" and _is_of(event.origin[0], seed_device)
        ]
        return sorted(live, key=lambda event: event.key)

    def view(self, seed_device: str) -> list[Event]:
        """The events that decide: live, approved, each origin once; in (device, seq) order."""
        return list(once_per_origin(event for event in self.live(seed_device) if event.state == "approved"))

    def enrolments(self, seed_device: str) -> list[Enrolment]:
        """What the view teaches, as its devices' cameras saw it; a row is decoded once."""
        view = self.view(seed_device)
        for event in view:
            if event.key not in self._enrolments:
                self._enrolments[event.key] = self._aligned(event)
        return [self._enrolments[event.key] for event in view]

    def alignments(self, device: str) -> list[tuple[int, Alignment]]:
        """The alignments of one device that nothing removes, with their numbers, oldest first."""
        events = [event for key, event in self.events.items() if event.kind == "align" and key not in self._gone]
        return [(event.seq, self._alignment(event)) for event in _by_seq(events) if event.device == device]

    def _aligned(self, event: Event) -> Enrolment:
        """An enrolment through the alignment that stood on its device when it was taught.

        Only that device's earlier rows are looked at, which no merge can come between: so every gallery maps the row
        the same way.
        """
        device, seq = event.origin
        before = {key for key in self.events if key[0] == device and key[1] < seq and self.events[key].kind == "align"}
        if before:
            removals = (row for key, row in self.removals.items() if key[0] == device and key[1] < seq)
            before -= {target for row in removals for target in row.target_keys}
        enrolment = event.enrolment()
        if not before:
            return enrolment
        through = self._alignment(self.events[max(before)])
        return dataclasses.replace(enrolment, vectors=through(enrolment.vectors))

    def _alignment(self, event: Event) -> Alignment:
        if event.key not in self._alignments:
            self._alignments[event.key] = event.alignment()
        return self._alignments[event.key]

    def operation(self, device: str, number: int) -> list[Record]:
        """The rows of one act of a device."""
        seqs = range(number, self.tip(device)[0] + 1)
        rows = [self.events.get((device, seq)) or self.removals.get((device, seq)) for seq in seqs]
        return [row for row in rows if row is not None and row.operation == number]

    def last_undoable(self, device: str) -> int | None:
        """The device's latest act that is neither an undo nor undone; None when there is none."""
        rows = [record for record in self.records if record.device == device]
        undone = {record.undoes for record in rows}
        acts = {record.operation for record in rows if record.undoes is None}
        return max(acts - undone, default=None)

    def copies(self, origins: set[Key]) -> list[Event]:
        """The events of these origins that nothing removes, wherever they were brought back."""
        return [event for event in self.events.values() if event.origin in origins and event.key not in self._gone]

    def origins(self, keys: Sequence[Key]) -> list[Event]:
        """The events with these keys that are present, each origin once."""
        return list(once_per_origin(self.events[key] for key in sorted(keys) if key in self.events))


def once_per_origin(events: Iterable[Event]) -> Iterable[Event]:
    """The first event of every origin."""
    first: dict[Key, Event] = {}
    for event in events:
        first.setdefault(event.origin, event)
    return first.values()


def _by_seq(events: Iterable[Event]) -> list[Event]:
    return sorted(events, key=lambda event: event.seq)


def _is_of(device: str, seed_device: str) -> bool:
    return device == seed_device or not device.startswith(SEED_PREFIX)
