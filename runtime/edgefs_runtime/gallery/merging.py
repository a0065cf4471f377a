"""What another gallery holds that this one lacks, and the one act that a merge is."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.bundle.bundle import is_bundle
from edgefs_runtime.gallery.contents import named_blobs
from edgefs_runtime.gallery.database import check_space, connect_reader, gallery_errors, read_meta
from edgefs_runtime.gallery.decrees import LASTING
from edgefs_runtime.gallery.deeds import Deed, changes, deed_event, is_deed, runs_of, said
from edgefs_runtime.gallery.foreign import (
    refuse_damaged,
    refuse_foreign,
    refuse_strange_file,
    refuse_thumbnails,
)
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import load_ledger
from edgefs_runtime.gallery.records import SEED_PREFIX, Act, Event, Key, Record, Removed, Shot, seal
from edgefs_runtime.gallery.schema import select, version_of
from edgefs_runtime.gallery.seed import Seed

_CARRY = "`edgefs gallery carry` with --from brings over what was taught under another bundle"


@dataclass(frozen=True)
class Merged:
    """What a merge did.

    Attributes:
        rows: how many rows came that are no bundle's seed.
        added: images by class that count since.
        removed: images by class that don't count any more.
    """

    rows: int = 0
    added: Mapping[str, int] = field(default_factory=dict)
    removed: Mapping[str, int] = field(default_factory=dict)

    def __str__(self) -> str:
        """In words, such as `5 images of 1 class added (extra)`."""
        return said(self.added, self.removed)


@dataclass(frozen=True)
class Difference:
    """What a merge would bring.

    Attributes:
        new: rows that are not in this file, in (device, seq) order.
        hidden: rows that are, and that an undone merge hides.
        again: events that are, and whose embeddings a repair gave up and the other gallery has.
    """

    new: list[Record]
    hidden: list[Record]
    again: list[Event] = field(default_factory=list)

    @property
    def all(self) -> list[Record]:
        """Every row of it."""
        return [*self.new, *self.hidden, *self.again]

    @property
    def counts(self) -> bool:
        """Whether any of it teaches or removes something; what only tells of other devices' merges does not."""
        rows = self.all
        deeds = {row.key for row in rows if is_deed(row)}
        return any(_counts(row, deeds) for row in rows)

    @property
    def rows(self) -> int:
        """How many there are that are no bundle's seed."""
        return sum(not row.device.startswith(SEED_PREFIX) for row in self.all)


def read_other(path: Path, seed: Seed) -> tuple[Ledger, list[Shot]]:
    """Read a gallery that will be merged; nothing is written to it.

    Raises:
        GalleryError: no gallery, damaged, of another schema or embedding space, or owned by another process.
    """
    _refuse_other_kinds(path)
    with gallery_errors(path), connect_reader(path, mends=False) as connection:
        check_space(path, read_meta(connection, path), seed.space_id, seed.dim, _CARRY)
        refuse_strange_file(connection, path)
        ledger = load_ledger(connection, path)
        shots = [Shot._make(row) for row in connection.execute(select(Shot, version_of(connection)))]
    refuse_damaged(ledger, path)
    refuse_foreign(ledger, path, seed)
    refuse_thumbnails(ledger, shots, path)
    return ledger, shots


def _refuse_other_kinds(path: Path) -> None:
    """What is most often given in the place of the other device's gallery: its folder, its bundle, nothing."""
    hint = "expected the gallery's file of the other device, which `edgefs gallery classes` names there"
    if path.is_dir():
        raise GalleryError(f"{path}: a folder; {hint}")
    if not path.exists():
        raise GalleryError(f"there is no gallery file at {path}; {hint}")
    if not path.is_file():
        raise GalleryError(f"{path}: a pipe or a device; {hint}")
    if is_bundle(path):
        raise GalleryError(f"{path}: a bundle; {hint}")


def difference(mine: Ledger, theirs: Ledger) -> Difference:
    """What counts or is told there and not here; what their device took back of its merges stays away.

    Raises:
        GalleryError: a file was copied and both copies went on under one device's name; their numbers now mean
            different things.
    """
    hashes = {record.key: record.hash for record in (*mine.records, *mine.apart.values())}
    given_up = mine.lost & mine.apart.keys()
    stored = {key for problem in mine.problems if problem.is_stored for key in problem.keys}
    shown = _without_gaps(theirs)
    for record in shown:
        if hashes.get(record.key, record.hash) != record.hash:
            raise GalleryError(
                f"both galleries went on from a copy of one file (device {record.device:.12}, row {record.seq} "
                "differs); keep one, and enroll in it what the other was taught"
            )
    return Difference(
        [record for record in shown if record.key not in hashes and record.key not in stored],
        [record for record in shown if record.key in mine.hidden],
        [event for key, event in theirs.events.items() if key in given_up and theirs.has_vectors(event)],
    )


def _without_gaps(ledger: Ledger) -> list[Record]:
    """What a gallery shows, and what it hides before that under the same device's numbers, which may have no gap.

    A device hides rows of its own where a copy from before was put back in the place of its gallery, the others gave
    it back what it had lost, and that merge was undone.
    """
    last: dict[str, int] = {}
    for record in ledger.shown:
        last[record.device] = max(record.seq, last.get(record.device, 0))
    return [record for record in ledger.records if record.seq <= last.get(record.device, 0)]


def merge_rows(mine: Ledger, found: Difference, source: str, seed: Seed, act: Act) -> tuple[list[Record], Deed]:
    """The rows that a merge writes, and what it does: told by what counts before and after it.

    Where nothing that it brings counts, no row tells of it: two galleries that merge each other come to rest.

    Args:
        mine: what is here.
        found: what would come.
        source: name of the other gallery's file.
        seed: of the bundle in use.
        act: whose the merge is; the other gallery may know more of this device, from a lost file, so that it gets the
            next number behind that.
    """
    after = mine.with_rows([*found.new, *found.again])
    deed = Deed("merge", source, {}, {}, runs_of(found.all))
    if not found.counts:
        return found.new, deed
    last, previous = after.tip(act.device)
    act = act._replace(seq=last + 1)
    after.add([deed_event(deed, seed, act)])
    added, removed = changes(_images(mine, seed), _images(after, seed))
    deed = dataclasses.replace(deed, added=added, removed=removed)
    return [*found.new, seal(deed_event(deed, seed, act), previous)], deed


def _images(ledger: Ledger, seed: Seed) -> dict[str, int]:
    """By class, what counts."""
    counts: dict[str, int] = {}
    for event in ledger.view(seed.device):
        counts[event.label] = counts.get(event.label, 0) + len(ledger.kept(event))
    return counts


def shots_of_rows(shots: list[Shot], rows: Sequence[Record]) -> list[Shot]:
    """The thumbnails that belong to these rows."""
    keys = {row.key for row in rows if isinstance(row, Event)}
    return [shot for shot in shots if (shot.device, shot.seq) in keys]


def blobs_of(mine: Ledger, theirs: Ledger, rows: Sequence[Record]) -> dict[str, bytes]:
    """The blobs that this gallery lacks of what counts with the new rows, and of what it can't read."""
    after = mine.with_rows(rows)
    unread = {key for problem in mine.problems for key in problem.keys}
    events = [*after.standing(), *(event for key, event in theirs.events.items() if key in unread)]
    wanted = named_blobs(events) & theirs.blobs.keys()
    sound = mine.blobs.keys() - named_blobs(event for key, event in theirs.events.items() if key in unread)
    return {digest: theirs.blobs[digest] for digest in wanted - sound}


def _counts(row: Record, deeds: set[Key]) -> bool:
    if row.device.startswith(SEED_PREFIX) or is_deed(row) or row.kind in LASTING:
        return False
    return not (isinstance(row, Removed) and set(row.target_keys) <= deeds)
