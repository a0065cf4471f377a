"""What counts in a large gallery: its sums and a sample, brought up to date by what changed; rows stay in the file.

Sums are of whole numbers (`decision.sums`), so that those of a gallery that was changed act by act are those of one
that is read anew, bit by bit.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from typing import cast

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.labels import class_names
from edgefs_runtime.decision.alignment import Alignment
from edgefs_runtime.decision.decision import Disposition
from edgefs_runtime.decision.held import Fit
from edgefs_runtime.decision.snapshot import Snapshot, described
from edgefs_runtime.decision.sums import Sums, peak_of
from edgefs_runtime.gallery.blobs import BlobDamagedError, StoredBlobs
from edgefs_runtime.gallery.fitted_file import Fitted
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import set_damaged_apart
from edgefs_runtime.gallery.records import Event, Key
from edgefs_runtime.gallery.seed import Seed

_BLOCK = 1024  # images

Rows = NDArray[np.float32]
Places = NDArray[np.int64]
Image = tuple[Key, int]  # an event and a position in it
Part = tuple[Key, tuple[int, ...], str, Key | None]  # of the sums


@dataclass(frozen=True)
class Counted:
    """An event that counts.

    Attributes:
        event: the row.
        positions: of its images that nobody removed.
        name: of its class.
        alignment: the row of the one that maps it; that may be lost, and come back by a merge.
    """

    event: Event
    positions: tuple[int, ...]
    name: str
    alignment: Key | None

    @property
    def key(self) -> Part:
        """What its part of the sums depends on."""
        return self.event.key, self.positions, self.name, self.alignment

    @property
    def label(self) -> str:
        """The class, as it was taught."""
        return self.event.label

    @property
    def disposition(self) -> Disposition:
        """What the line does with it."""
        return cast(Disposition, self.event.disposition)

    @cached_property
    def digests(self) -> tuple[str, ...]:
        """Of its images."""
        return _chosen(self.event.digests, self.positions)

    @cached_property
    def groups(self) -> tuple[str, ...]:
        """The parts that its images show."""
        return _chosen(self.event.parts, self.positions)


class Many:
    """The rows of a large gallery, in the file (`decision.held.Held`).

    Args:
        ledger: of the gallery.
        counted: what counts, in its order.
        dim: V·D.
        kept: rows that need not be read.
        peaks: the largest coordinate of what was read before.
    """

    def __init__(
        self,
        ledger: Ledger,
        counted: Sequence[Counted],
        dim: int,
        kept: Mapping[Image, Rows],
        peaks: Mapping[Part, float],
    ) -> None:
        self.counted = counted
        self.kept, self.peaks = dict(kept), dict(peaks)
        self._ledger, self._dim = ledger, dim
        self._wanted: dict[Part, list[int]] = {}  # positions of rows that are kept when they are read
        self._starts = np.cumsum([0, *(len(one.positions) for one in counted)])

    @property
    def shape(self) -> tuple[int, int]:
        """N and W."""
        return int(self._starts[-1]), self._dim

    def load(self) -> Rows:
        """All of them, float32 `[N,W]`."""
        found = np.empty(self.shape, np.float32)
        start = 0
        for rows in self.blocks():
            found[start : start + len(rows)] = rows
            start += len(rows)
        return found

    def take(self, places: Places) -> Rows:
        """Some of them, float32 `[n,W]`; they are kept from then on."""
        found = np.empty((len(places), self._dim), np.float32)
        images = [self.image(place) for place in places.tolist()]
        missing: dict[int, list[int]] = {}
        for number, (place, image) in enumerate(zip(places.tolist(), images, strict=True)):
            if image in self.kept:
                found[number] = self.kept[image]
            else:
                missing.setdefault(self._of(place), []).append(number)
        with self.reading():
            for one, numbers in missing.items():
                rows = self.rows_of(self.counted[one])
                for number in numbers:
                    row = rows[places[number] - self._starts[one]].copy()
                    found[number] = self.kept[images[number]] = row
        return found

    def blocks(self) -> Iterator[Rows]:
        """All of them in their order, some at a time."""
        block: list[Rows] = []
        images = 0
        with self.reading():
            for one in self.counted:
                block.append(self.rows_of(one))
                images += len(one.positions)
                if images >= _BLOCK:
                    yield np.concatenate(block)
                    block, images = [], 0
        if block:
            yield np.concatenate(block)

    def rows_of(self, one: Counted) -> Rows:
        """The rows of an event that count, float32 `[k,W]`."""
        rows = self._ledger.rows_of(one.event, one.positions)
        self.peaks[one.key] = peak_of(rows)
        for position in self._wanted.get(one.key, ()):
            self.kept[one.event.key, position] = rows[one.positions.index(position)].copy()
        return rows

    def want(self, places: Places) -> None:
        """Keep the rows of some images when they are read, and no others of those that are kept now."""
        images = {self.image(place) for place in places.tolist()}
        self.kept = {image: row for image, row in self.kept.items() if image in images}
        missing: dict[Key, list[int]] = {}
        for key, position in sorted(images - self.kept.keys()):
            missing.setdefault(key, []).append(position)
        self._wanted = {one.key: missing[one.event.key] for one in self.counted if one.event.key in missing}

    def still_right(self, counted: Iterable[Counted]) -> dict[Image, Rows]:
        """The rows that are kept of events that are mapped as they were."""
        were = {one.event.key: one.alignment for one in self.counted}
        same = {one.event.key for one in counted if were.get(one.event.key, one.alignment) == one.alignment}
        return {image: row for image, row in self.kept.items() if image[0] in same}

    def recall(self, fitted: Fitted) -> None:
        """Take what was kept of a gallery of the same content."""
        places = zip(fitted.places.tolist(), fitted.rows, strict=True)
        self.kept = {self.image(place): row for place, row in places}
        self.peaks = {one.key: peak for one, peak in zip(self.counted, fitted.peaks.tolist(), strict=True)}

    def to_keep(self, snapshot: Snapshot, fit: Fit | None) -> Fitted:
        """What is kept of a snapshot whose rows these are."""
        of = {one.event.key: number for number, one in enumerate(self.counted)}
        kept = sorted(
            (int(self._starts[of[key]]) + self.counted[of[key]].positions.index(position), (key, position))
            for key, position in self.kept
        )
        rows = np.array([self.kept[image] for _, image in kept], np.float32).reshape(len(kept), self._dim)
        peaks = np.array([self.peaks[one.key] for one in self.counted])
        return Fitted(
            snapshot.content, snapshot.sums, np.array([place for place, _ in kept], np.int64), rows, peaks, fit
        )

    def image(self, place: int) -> Image:
        """Which image stands at a place."""
        one = self._of(place)
        return self.counted[one].event.key, self.counted[one].positions[place - int(self._starts[one])]

    def _of(self, place: int) -> int:
        return int(np.searchsorted(self._starts, place, side="right")) - 1

    def reading(self) -> AbstractContextManager[object]:
        """Keep the file open for all that is read in a `with` block."""
        blobs = self._ledger.blobs
        return blobs.reading() if isinstance(blobs, StoredBlobs) else nullcontext()


def snapshot_of_many(
    ledger: Ledger, seed: Seed, alignments: Sequence[tuple[int, Alignment]], before: Snapshot | Fitted | None
) -> Snapshot:
    """The rows that count, of a large gallery; events whose embeddings turn out to be damaged are set apart.

    Args:
        ledger: of the gallery.
        seed: of the bundle.
        alignments: of this device.
        before: what counted before, or what was kept of it, where that is known: then only what changed is read.
    """
    while True:
        try:
            return _snapshot(ledger, seed, alignments, before)
        except BlobDamagedError as error:
            set_damaged_apart(ledger, error.digest)


def _snapshot(
    ledger: Ledger, seed: Seed, alignments: Sequence[tuple[int, Alignment]], before: Snapshot | Fitted | None
) -> Snapshot:
    own = before.held if isinstance(before, Snapshot) and isinstance(before.held, Many) else None
    counted = counted_of(ledger, seed.device, own.counted if own is not None else ())
    content = content_of(counted, alignments)
    held = Many(
        ledger, counted, seed.dim, {} if own is None else own.still_right(counted), {} if own is None else own.peaks
    )
    snapshot = Snapshot(
        held=held,
        **described(counted),
        sequence=ledger.sequence,
        views=seed.views,
        alignments=tuple(alignments),
        content=content,
    )
    if isinstance(before, Fitted) and before.content == content and len(before.peaks) == len(counted):
        held.recall(before)
        return dataclasses.replace(snapshot, known_sums=before.sums, fit=before.fit)
    wanted = np.flatnonzero(np.isin(snapshot.parts, snapshot.parts[snapshot.judged]))  # what thresholds are read off
    held.want(wanted)
    if isinstance(before, Snapshot) and own is not None:
        if before.content == content:
            return dataclasses.replace(snapshot, known_sums=before.known_sums, fit=before.fit)
        snapshot = dataclasses.replace(snapshot, known_sums=_changed(before, own, snapshot, held))
    if snapshot.known_sums is None:
        snapshot = dataclasses.replace(snapshot, known_sums=snapshot.sums)
    held.take(wanted)
    held.peaks = {one.key: held.peaks[one.key] for one in counted}
    return snapshot


def counted_of(ledger: Ledger, seed_device: str, known: Iterable[Counted] = ()) -> list[Counted]:
    """What counts, in its order.

    Args:
        ledger: of the gallery.
        seed_device: of the bundle.
        known: what was looked at before, and need not be taken apart again.
    """
    events, before = ledger.view(seed_device), {one.key: one for one in known}
    names = class_names({event.label for event in events})
    found = (
        Counted(event, tuple(ledger.kept(event)), names[event.label], ledger.alignment_key(event)) for event in events
    )
    return [before.get(one.key, one) for one in found]


def content_of(counted: Iterable[Counted], alignments: Sequence[tuple[int, Alignment]]) -> str:
    """Digest of what counts: of rows, and of how each is mapped."""
    digest = hashlib.sha256()
    for one in counted:
        positions = "" if len(one.positions) == one.event.n else json.dumps(one.positions)
        digest.update(f"{one.event.hash} {one.alignment} {positions} {one.name!r}\n".encode())
    for number, alignment in alignments:
        digest.update(f"{number} ".encode() + alignment.to_bytes())
    return digest.hexdigest()


def _changed(before: Snapshot, old: Many, snapshot: Snapshot, new: Many) -> Sums | None:
    """The sums of what counts now, from those of before; None where they must be made anew."""
    were, are = {one.key: one for one in old.counted}, {one.key: one for one in new.counted}
    mapped = {one.event.key: one.alignment for one in old.counted}
    if any(mapped.get(one.event.key, one.alignment) != one.alignment for one in new.counted):
        return None  # nobody can tell any more what was added
    gone = [one for key, one in were.items() if key not in are]
    come = [one for key, one in are.items() if key not in were]
    if 2 * sum(len(one.positions) for one in (*gone, *come)) > new.shape[0]:
        return None
    both = sorted({*before.labels, *snapshot.labels})
    index = {name: number for number, name in enumerate(both)}
    sums = before.sums.of_classes(np.array([index[name] for name in before.labels]), len(both))
    dim = new.shape[1] // snapshot.views
    try:
        with old.reading():
            removed = _stacked(old, gone, index, dim)
    except (KeyError, BlobDamagedError):  # what was forgotten was let go meanwhile, or nobody needs to know
        return None
    with new.reading():
        added = _stacked(new, come, index, dim)
    if any(key not in new.peaks for key in are):
        return None
    changed = sums.changed(max(new.peaks[key] for key in are), added, removed)
    of = {name: number for number, name in enumerate(snapshot.labels)}
    return changed and changed.of_classes(np.array([of.get(name, -1) for name in both]), len(of))


def _stacked(held: Many, counted: Sequence[Counted], index: Mapping[str, int], dim: int) -> tuple[Rows, Places]:
    rows = [held.rows_of(one).reshape(-1, dim) for one in counted]
    classes = [np.full(len(own), index[one.name], np.int64) for own, one in zip(rows, counted, strict=True)]
    if not rows:
        return np.empty((0, dim), np.float32), np.empty(0, np.int64)
    return np.concatenate(rows), np.concatenate(classes)


def _chosen(texts: str, positions: Sequence[int]) -> tuple[str, ...]:
    every = json.loads(texts)
    return tuple(every[position] for position in positions)
