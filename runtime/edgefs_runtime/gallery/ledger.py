"""What the rows of a gallery mean: which events count, which act an undo takes back. No file is touched here.

- An event is *live* when no row removes it. Events are only ever added and only ever removed, so the union of two
  galleries' rows has one meaning, whichever was read first.
- What a merge brought stops to count on this device when the merge is undone, its removals too (see `deeds`).
- An undone forget brings events back under new numbers. Two devices may each bring back the same one; the view counts
  an origin once.
- A device's camera may change. An `align` event maps what its new camera sees; each row is mapped as its device saw
  when it was taught, whichever gallery it is merged into, and whatever was aligned or undone afterwards.
- Seed rows count for the bundle that brought them. Another bundle has its own seed, and what an operator forgot of the
  old seed says nothing about the new one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Sequence

from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.deeds import DEED, deed_of
from edgefs_runtime.gallery.records import NO_HASH, SEED_PREFIX, Event, Key, Record, Removed

Tip = tuple[int, str]  # seq and hash of a device's last row


class Ledger:
    """All rows of one gallery, in memory.

    Attributes:
        events: the rows of `event` by (device, seq).
        removals: the rows of `removed` by (device, seq).
        tips: last seq and hash of every device.
        device: whose gallery it is; its undone merges hide what they brought. Empty for none.
    """

    def __init__(self, records: Iterable[Record] = (), device: str = "") -> None:
        self.device = device
        self.events: dict[Key, Event] = {}
        self.removals: dict[Key, Removed] = {}
        self.tips: dict[str, Tip] = {}
        self._state: tuple[set[Key], set[Key], set[Key]] | None = None  # hidden, gone, taught: when asked for
        self._enrolments: dict[Key, Enrolment] = {}
        self._alignments: dict[Key, Alignment] = {}
        self.add(records)

    def add(self, records: Iterable[Record]) -> None:
        """Take in rows that stand in the file."""
        self._state = None
        for record in records:
            if isinstance(record, Event):
                self.events[record.key] = record
            else:
                self.removals[record.key] = record
            if record.seq > self.tip(record.device)[0]:
                self.tips[record.device] = (record.seq, record.hash)

    def with_rows(self, records: Iterable[Record]) -> Ledger:
        """What the ledger would be with further rows; rows decoded here need not be decoded there."""
        further = Ledger(self.records, self.device)
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
    def shown(self) -> list[Record]:
        """The rows that no undone merge hides, in (device, seq) order."""
        return [record for record in self.records if record.key not in self.hidden]

    @property
    def hidden(self) -> set[Key]:
        """The rows that only undone merges of this device brought."""
        return self._derived[0]

    @property
    def _gone(self) -> set[Key]:
        """The events that a row removes."""
        return self._derived[1]

    @property
    def _taught(self) -> set[Key]:
        """The origins of which a row is here and shown that did not only bring it back."""
        return self._derived[2]

    @property
    def _derived(self) -> tuple[set[Key], set[Key], set[Key]]:
        if self._state is None:
            hidden = self._brought_in_vain()
            shown = (row for key, row in self.removals.items() if key not in hidden)
            gone = {target for row in shown for target in row.target_keys}
            rows = (event for key, event in self.events.items() if key not in hidden)
            self._state = hidden, gone, {event.origin for event in rows if event.undoes is None}
        return self._state

    def _brought_in_vain(self) -> set[Key]:
        own = [event for event in self.events.values() if event.kind == DEED and event.device == self.device]
        if not own:
            return set()
        removed = {target for row in self.removals.values() if row.device == self.device for target in row.target_keys}
        present = [*self.events, *self.removals]
        kept, undone = (
            {key for event in own if (event.key in removed) is away for key in deed_of(event).brought(present)}
            for away in (False, True)
        )
        hidden = undone - kept
        first: dict[str, int] = {}  # of every other device the first row that is hidden
        for device, seq in sorted(hidden, reverse=True):
            if device != self.device:
                first[device] = seq
        # What came later only tells of other merges, and no merge brought it: it goes too, or numbers had a gap.
        later = {(device, seq) for device, seq in present if seq > first.get(device, seq)}
        return hidden | (later - kept)

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
            if event.kind == "enroll" and self._stands(event) and _is_of(event.origin[0], seed_device)
        ]
        return sorted(live, key=lambda event: event.key)

    def taught(self) -> list[Event]:
        """Taught events that are no bundle's seed and that nothing removes, each origin once, in their order."""
        return list(once_per_origin(self.live("")))

    def view(self, seed_device: str) -> list[Event]:
        """The events that decide: live, approved, each origin once; in (device, seq) order."""
        return list(once_per_origin(event for event in self.live(seed_device) if event.state == "approved"))

    def enrolments(self, seed_device: str) -> list[Enrolment]:
        """What the view teaches, as its devices' cameras saw it; a row is decoded once."""
        return [self.enrolment(event) for event in self.view(seed_device)]

    def enrolment(self, event: Event) -> Enrolment:
        """What an event teaches, as its device's camera saw it."""
        if event.key not in self._enrolments:
            self._enrolments[event.key] = self._aligned(event)
        return self._enrolments[event.key]

    def pictures(self, event: Event) -> Key:
        """The key of the row whose thumbnails show what an event teaches: its origin, or a copy that has them."""
        if event.origin in self.events:
            return event.origin
        copies = sorted(other.key for other in self.events.values() if other.origin == event.origin)
        return next((key for key in copies if any(json.loads(self.events[key].shots))), event.key)

    def _stands(self, event: Event) -> bool:
        """Whether no row removes it, no undone merge hides it, and what it brings back, if it does, is not hidden."""
        is_there = event.undoes is None or event.origin in self._taught
        return is_there and event.key not in self._gone and event.key not in self.hidden

    def alignments(self, device: str) -> list[tuple[int, Alignment]]:
        """The alignments of one device that nothing removes, with their numbers, oldest first."""
        events = [event for event in self.events.values() if event.kind == "align" and event.device == device]
        return [(event.seq, self._alignment(event)) for event in _by_seq(events) if self._stands(event)]

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
        rows = [record for record in self.shown if record.device == device]
        undone = {record.undoes for record in rows}
        acts = {record.operation for record in rows if record.undoes is None}
        return max(acts - undone, default=None)

    def copies(self, origins: set[Key]) -> list[Event]:
        """The events of these origins that nothing removes, wherever they were brought back."""
        return [event for event in self.events.values() if event.origin in origins and self._stands(event)]

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
