"""What the rows of a gallery mean: which events count, which act an undo takes back. No file is touched here.

- An event is *live* when no row removes it. Events are only ever added and only ever removed, so the union of two
  galleries' rows has one meaning, whichever was read first.
- What a merge brought stops to count on this device when the merge is undone, its removals too (see `deeds`).
- An undone forget brings events back under new numbers. Two devices may each bring back the same one; the view counts
  an origin once.
- A device's camera may change. An `align` event maps what its new camera sees; each row is mapped as its device saw
  when it was taught, whichever gallery it is merged into, and whatever was aligned or undone afterwards.
- Single images may be removed: from every event of their origin. An undo makes that removal void.
- A pending event counts once an `approve` event that stands names its origin, of somebody else than who taught it.
- Seed rows count for the bundle that brought them. Another bundle has its own seed, and what an operator forgot of the
  old seed says nothing about the new one.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable, Mapping, MutableMapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.judged import is_many
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.blobs import StoredBlobs
from edgefs_runtime.gallery.decrees import APPROVE, LASTING, approved_by
from edgefs_runtime.gallery.deeds import DEED, deed_of
from edgefs_runtime.gallery.records import NO_HASH, SEED_PREFIX, Event, Key, Record, Removed

Tip = tuple[int, str]  # seq and hash of a device's last row


class Problem(NamedTuple):
    """What is not as it was written.

    Attributes:
        keys: the rows that it is about; none where it is about no row.
        sentence: what a person should know of it, on one line.
        is_stored: whether the row stands in the file all the same.
    """

    keys: tuple[Key, ...]
    sentence: str
    is_stored: bool = False


class Ledger:
    """All rows of one gallery, in memory.

    Attributes:
        events: the rows of `event` by (device, seq).
        removals: the rows of `removed` by (device, seq).
        tips: last seq and hash of every device.
        device: whose gallery it is; its undone merges hide what they brought. Empty for none.
        formerly: under which names earlier owners of a restored file numbered their acts.
        blobs: embeddings by digest, of the events that name theirs.
        lost: rows that a repair says are lost.
        apart: events of which the row is what was written, and the embeddings are lost.
        problems: what is damaged or missing; rows that it is about are not among the events and removals.
        is_torn: whether SQLite can't read some of the file: then nothing may be written to it.
        is_noted: whether the file notes last rows at all.
    """

    def __init__(self, records: Iterable[Record] = (), device: str = "", formerly: Sequence[str] = ()) -> None:
        self.device = device
        self.formerly = tuple(formerly)
        self.blobs: MutableMapping[str, bytes] = {}
        self.lost: set[Key] = set()
        self.apart: dict[Key, Event] = {}
        self.problems: list[Problem] = []
        self.is_torn = False
        self.is_noted = True
        self.events: dict[Key, Event] = {}
        self.removals: dict[Key, Removed] = {}
        self.tips: dict[str, Tip] = {}
        self._state: _Derived | None = None  # when asked for
        self._enrolments: dict[tuple[Key, tuple[int, ...]], Enrolment] = {}
        self._alignments: dict[Key, Alignment] = {}
        self._aligns: dict[str, set[Key]] = {}  # keys of `align` events by device
        self.add(records)

    def add(self, records: Iterable[Record]) -> None:
        """Take in rows that stand in the file."""
        self._state = None
        for record in records:
            if isinstance(record, Event):
                self.events[record.key] = record
                if record.kind == "align":
                    self._aligns.setdefault(record.device, set()).add(record.key)
            else:
                self.removals[record.key] = record
            if record.seq > self.tip(record.device)[0]:
                self.tips[record.device] = (record.seq, record.hash)

    def with_rows(self, records: Iterable[Record], blobs: Mapping[str, bytes] | None = None) -> Ledger:
        """What the ledger would be with further rows; rows decoded here need not be decoded there."""
        further = Ledger(self.records, self.device, self.formerly)
        further.blobs = _with(self.blobs, blobs or {})
        further.tips = dict(self.tips)
        further.lost, further.problems, further.apart = set(self.lost), list(self.problems), dict(self.apart)
        further._enrolments = dict(self._enrolments)
        further._alignments = dict(self._alignments)
        further.add(records)
        return further

    def let_go(self, blobs: Iterable[str]) -> None:
        """Forget blobs that the file holds no longer, and what was decoded of them."""
        gone = set(blobs)
        for digest in gone:
            del self.blobs[digest]
        away = {key for key, event in self.events.items() if event.vectors_digest in gone}
        self._enrolments = {key: row for key, row in self._enrolments.items() if key[0] not in away}

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
        return self._derived.hidden

    @property
    def _derived(self) -> _Derived:
        if self._state is None:
            hidden = self._brought_in_vain()
            shown = [row for key, row in self.removals.items() if key not in hidden]
            gone = {target for row in shown if row.kind != "remove" for target in row.target_keys}
            rows = [event for key, event in self.events.items() if key not in hidden]
            self._state = _Derived(
                hidden,
                gone,
                {event.origin for event in rows if event.undoes is None and event.kind == "enroll"},
                self._approvals(event for event in rows if event.kind == APPROVE and event.key not in gone),
                _removed_images(row for row in shown if row.key not in gone),
            )
        return self._state

    def _approvals(self, approvals: Iterable[Event]) -> dict[Key, set[str]]:
        """Who approved what, by origin."""
        found: dict[Key, set[str]] = {}
        for event in approvals:
            for origin in approved_by(event):
                found.setdefault(origin, set()).add(event.actor)
        return found

    @property
    def absent(self) -> set[Key]:
        """The rows that are lost, or can't be read."""
        lost = {key for key in self.lost if key not in self.events and key not in self.removals}
        return lost.union(*(problem.keys for problem in self.problems))

    def set_apart(self, keys: Iterable[Key]) -> None:
        """Let events count no more, since what they taught can't be read."""
        self.apart |= {key: self.events.pop(key) for key in list(keys) if key in self.events}
        self._state = None

    def _brought_in_vain(self) -> set[Key]:
        names = {self.device, *self.formerly}
        own = [event for event in self.events.values() if event.kind == DEED and event.device in names]
        if not own:
            return set()
        removed = {target for row in self.removals.values() if row.device in names for target in row.target_keys}
        present = [*self.events, *self.removals]
        kept, undone = (
            {key for event in own if (event.key in removed) is away for key in deed_of(event).brought(present)}
            for away in (False, True)
        )
        hidden = undone - kept
        first: dict[str, int] = {}  # of every other device the first row that is hidden
        for device, seq in sorted(hidden, reverse=True):
            if device not in names:
                first[device] = seq
        # What came later only tells of other merges, and no merge brought it: it goes too, or numbers had a gap.
        later = {(device, seq) for device, seq in present if seq > first.get(device, seq)}
        return hidden | (later - kept)

    @property
    def sequence(self) -> int:
        """Number of rows that are not a seed's."""
        rows = len(self.events) + len(self.removals)
        if self.lost or self.problems:  # then a seed's may be among those that are not here
            return rows - sum(device.startswith(SEED_PREFIX) for device, _ in self.events)
        return rows - sum(tip[0] for device, tip in self.tips.items() if device.startswith(SEED_PREFIX))

    def standing(self) -> list[Event]:
        """Taught events that nothing removes, pending ones and those of every seed too."""
        return [event for event in self.events.values() if event.kind == "enroll" and self._stands(event)]

    def live(self, seed_device: str) -> list[Event]:
        """Taught events that nothing removes, pending ones too, in (device, seq) order.

        Args:
            seed_device: `seed:<digest>` of the bundle in use; other bundles' seed rows are left out.
        """
        live = [event for event in self.standing() if _is_of(event.origin[0], seed_device)]
        return sorted(live, key=lambda event: event.key)

    def taught(self) -> list[Event]:
        """Taught events that are no bundle's seed and that nothing removes, each origin once, in their order."""
        return list(once_per_origin(self.live("")))

    def view(self, seed_device: str) -> list[Event]:
        """The events that decide: live, approved, each origin once; in (device, seq) order."""
        return list(once_per_origin(event for event in self.live(seed_device) if self.is_approved(event)))

    def is_approved(self, event: Event) -> bool:
        """Whether an event may decide: somebody else than who taught it must have said so where it was pending."""
        return event.state == "approved" or bool(self.approvers(event))

    def approvers(self, event: Event) -> set[str]:
        """Who approved a pending event."""
        return self._derived.approvals.get(event.origin, set()) - {event.actor, ""}

    def kept(self, event: Event) -> list[int]:
        """Positions of an event's images that nobody removed."""
        removed = self._derived.images.get(event.origin, ())
        return [position for position in range(event.n) if position not in removed]

    def images(self, events: Iterable[Event]) -> int:
        """How many images of some events nobody removed."""
        return sum(len(self.kept(event)) for event in events)

    def counts_many(self, seed_device: str, width: int, views: int) -> bool:
        """Whether so many images decide that they stay in the file; see `judged.is_many`."""
        if not is_many(sum(event.n for event in self.events.values()), width, views):
            return False
        return is_many(self.images(self.view(seed_device)), width, views)

    def digests(self, event: Event) -> list[str]:
        """The images of an event that nobody removed."""
        digests = json.loads(event.digests)
        return [digests[position] for position in self.kept(event)]

    def enrolments(self, seed_device: str) -> list[Enrolment]:
        """What the view teaches, as its devices' cameras saw it; a row is decoded once."""
        return [self.enrolment(event) for event in self.view(seed_device)]

    def enrolment(self, event: Event) -> Enrolment:
        """What an event teaches of its images that nobody removed, as its device's camera saw it."""
        key = event.key, tuple(self.kept(event))
        if isinstance(self.blobs, StoredBlobs):  # a large gallery's stay in the file
            return self.enrolment_of(event, key[1])
        if key not in self._enrolments:
            self._enrolments[key] = self.enrolment_of(event, key[1])
        return self._enrolments[key]

    def enrolment_of(self, event: Event, positions: Sequence[int]) -> Enrolment:
        """What an event teaches of some of its images, as its device's camera saw it; kept nowhere."""
        return self._aligned(event).some(positions)

    def rows_of(self, event: Event, positions: Sequence[int]) -> NDArray[np.float32]:
        """Embeddings `[k,V·D]` of some of an event's images, as `enrolment_of` has them.

        Raises:
            GalleryError: they hold NaN or infinity.
        """
        rows = event.rows(self.blobs[event.vectors_digest] if event.vectors_digest else None)
        if not np.isfinite(rows).all():
            raise GalleryError(f"the embeddings of {event.label!r} hold NaN or infinity; they can't count")
        key = self.alignment_key(event)
        rows = rows if key is None else self._alignment(self.events[key])(rows)
        return rows if len(positions) == event.n else rows[list(positions)]

    def has_vectors(self, event: Event) -> bool:
        """Whether the event's embeddings are here: what was forgotten long ago was let go."""
        return not event.vectors_digest or event.vectors_digest in self.blobs

    def size_of(self, digest: str) -> int:
        """Bytes of a blob, which is not read for it: it may be damaged."""
        return self.blobs.size(digest) or 0 if isinstance(self.blobs, StoredBlobs) else len(self.blobs[digest])

    def pictures(self, event: Event) -> Key:
        """The key of the row whose thumbnails show what an event teaches: its origin, or a copy that has them."""
        if event.origin in self.events:
            return event.origin
        copies = sorted(other.key for other in self.events.values() if other.origin == event.origin)
        return next((key for key in copies if any(json.loads(self.events[key].shots))), event.key)

    def _stands(self, event: Event) -> bool:
        """Whether no row removes it, no undone merge hides it, and what it brings back, if it does, is not hidden."""
        state = self._derived
        if event.key in state.gone or event.key in state.hidden:
            return False
        if event.undoes is not None and event.origin not in state.taught and event.origin not in self.absent:
            return False
        return event.origin not in state.images or event.kind != "enroll" or bool(self.kept(event))

    def alignments(self, device: str) -> list[tuple[int, Alignment]]:
        """The alignments of one device that nothing removes, with their numbers, oldest first."""
        events = [event for event in self.events.values() if event.kind == "align" and event.device == device]
        return [(event.seq, self._alignment(event)) for event in _by_seq(events) if self._stands(event)]

    def _aligned(self, event: Event) -> Enrolment:
        """An enrolment through the alignment that stood on its device when it was taught.

        Only that device's earlier rows are looked at, which no merge can come between: so every gallery maps the row
        the same way.
        """
        enrolment = event.enrolment(self.blobs[event.vectors_digest] if event.vectors_digest else None)
        key = self.alignment_key(event)
        if key is None:
            return enrolment
        return dataclasses.replace(enrolment, vectors=self._alignment(self.events[key])(enrolment.vectors))

    def alignment_key(self, event: Event) -> Key | None:
        """The row of the alignment that stood on an event's device when it was taught."""
        device, seq = event.origin
        before = {key for key in self._aligns.get(device, ()) if key[1] < seq}
        if before:
            removals = (row for key, row in self.removals.items() if key[0] == device and key[1] < seq)
            before -= {target for row in removals for target in row.target_keys}
        return max(before, default=None)

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
        lasting = {record.operation for record in rows if record.kind in LASTING}
        acts = {record.operation for record in rows if record.undoes is None} - lasting
        return max(acts - undone, default=None)

    def copies(self, origins: set[Key]) -> list[Event]:
        """The events of these origins that nothing removes, wherever they were brought back."""
        return [event for event in self.events.values() if event.origin in origins and self._stands(event)]

    def origins(self, keys: Sequence[Key]) -> list[Event]:
        """The events with these keys that are present, each origin once."""
        return list(once_per_origin(self.events[key] for key in sorted(keys) if key in self.events))


class _Derived(NamedTuple):
    """What follows from all rows: see `Ledger`."""

    hidden: set[Key]  # rows that only undone merges brought
    gone: set[Key]  # rows that a row removes
    taught: set[Key]  # origins of which a row is here and shown that did not only bring it back
    approvals: dict[Key, set[str]]  # who approved, by origin
    images: dict[Key, set[int]]  # positions that were removed, by origin


def _removed_images(rows: Iterable[Removed]) -> dict[Key, set[int]]:
    found: dict[Key, set[int]] = {}
    for row in rows:
        for origin, positions in row.positions.items():
            found.setdefault(origin, set()).update(positions)
    return found


def _with(blobs: MutableMapping[str, bytes], further: Mapping[str, bytes]) -> MutableMapping[str, bytes]:
    return blobs.beside(further) if isinstance(blobs, StoredBlobs) else {**blobs, **further}


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
