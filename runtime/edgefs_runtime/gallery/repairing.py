"""Mending a damaged gallery, and keeping and putting back a copy of one.

A repair writes a new file of all that is whole, keeps the damaged one under another name, and tells in one row of the
log what is lost. A damaged row comes back bit by bit where another copy of the gallery, or a gallery that it was merged
into, still holds it; else its class may be taught again from the pictures that were kept.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime, timezone
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.base.errors import GalleryError, ImageError
from edgefs_runtime.base.labels import readable
from edgefs_runtime.base.state import lies
from edgefs_runtime.decision.snapshot import Enrolment
from edgefs_runtime.gallery.carving import carve
from edgefs_runtime.gallery.check import check_gallery, is_thumbnail
from edgefs_runtime.gallery.contents import named_blobs
from edgefs_runtime.gallery.database import (
    check_space,
    connect_looking,
    connect_owner,
    copied,
    gallery_errors,
    read_meta,
)
from edgefs_runtime.gallery.decrees import Picture
from edgefs_runtime.gallery.first_pages import (
    FirstPagesConnection,
    has_its_pages,
    is_as_made,
    with_first_pages,
)
from edgefs_runtime.gallery.foreign import parse_row, refuse_damaged, refuse_foreign
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import ledger_of, load_ledger
from edgefs_runtime.gallery.mark import Mark, mark_path, read_mark
from edgefs_runtime.gallery.records import NO_HASH, Event, Key, Meta, Record, Shot, follows, is_intact, seal
from edgefs_runtime.gallery.replacing import Contents, replace, settle
from edgefs_runtime.gallery.seed import Seed
from edgefs_runtime.gallery.store import Gallery
from edgefs_runtime.gallery.stored import Stored, read_shots, read_stored

Embed = Callable[[bytes], NDArray[np.float32]]  # a kept picture -> its embeddings [V·D]


@dataclass(frozen=True)
class Repaired:
    """What a repair did.

    Attributes:
        kept: the damaged file's new name; None where nothing was damaged.
        problems: what was damaged or missing, a sentence each.
        brought: rows that came back from another gallery.
        taught: images by class that were taught again from their pictures.
        lost: rows that are missed no more.
    """

    kept: Path | None
    problems: tuple[str, ...] = ()
    brought: int = 0
    taught: dict[str, int] = dataclasses.field(default_factory=dict)
    lost: int = 0


@dataclass
class _Salvaged:
    """What a damaged file still holds."""

    meta: Meta
    stored: Stored
    shots: list[Shot]
    mark: Mark | None

    @property
    def ledger(self) -> Ledger:
        own = (self.meta.device, *json.loads(self.meta.formerly or "[]"))
        return ledger_of(self.stored, self.mark, own)


def repair(
    path: Path, seed: Seed, others: Sequence[Path], embed: Embed | None, *, actor: str = "", reason: str = ""
) -> Repaired:
    """Mend a gallery.

    Args:
        path: its file.
        seed: of the bundle in use.
        others: copies of it, or galleries that it was merged into; what an earlier repair gave up comes back from them.
        embed: sees a kept picture; None where nothing is to be taught again.
        actor: who does it.
        reason: why.

    Raises:
        GalleryError: there is no gallery, another process owns it, it is another bundle's, not even the list of its
            tables can be read, or the folder can't be written; nothing is changed then.
    """
    if not lies(path):
        raise GalleryError(f"there is no gallery at {path}; nothing to repair")
    settle(path)
    salvaged = _salvaged(path, seed)
    check_space(path, salvaged.meta, seed.space_id, seed.dim)
    before = salvaged.ledger
    problems = [problem.sentence for problem in before.problems] or check_gallery(path)
    if not problems and not (others and before.absent):
        return Repaired(None)
    unread = _unread(salvaged, before)
    _bring_seed(salvaged, seed)
    brought = sum(_bring(salvaged, other, seed) for other in others)
    if not problems and not brought:
        return Repaired(None)
    after = salvaged.ledger
    again = list(_taught_again(salvaged, after, unread, embed)) if embed is not None else []
    lost = sorted(after.absent - after.lost)
    contents = _contents(salvaged, after)
    pictures = _missing_pictures(after, contents.shots)
    kept = replace(path, contents, "damaged")
    with Gallery.open(path, seed) as gallery:
        gallery.mend(again, lost, pictures, readable(kept.name) if kept else "", actor=actor, reason=reason)
    taught: dict[str, int] = {}
    for enrolment, _ in again:
        taught[enrolment.label] = taught.get(enrolment.label, 0) + len(enrolment.vectors)
    return Repaired(kept, tuple(problems), brought, taught, len(lost))


def back_up(path: Path, out: Path) -> None:
    """Write a copy of a gallery, whole and checked, also while a process owns it.

    Raises:
        GalleryError: there is no gallery, it is damaged, or the copy can't be written or is there already.
    """
    if lies(out):
        raise GalleryError(f"{out}: there is a file already; nothing was written")
    with gallery_errors(path), connect_looking(path) as connection:
        ledger = load_ledger(connection, path)
        refuse_damaged(ledger, path, "backed up")
        meta, shots = read_meta(connection, path), read_shots(connection)
        contents = Contents(meta, _rows(ledger), ledger.tips, shots, ledger.blobs)
    with gallery_errors(out):
        replace(out, contents, "replaced")


def restore(path: Path, backup: Path, seed: Seed, *, actor: str = "", reason: str = "") -> Path | None:
    """Put a backup in a gallery's place, and return where that is kept; None where there was none.

    The restored file numbers its acts under a new name: what was taught after the backup, and merged into other
    galleries, comes back with the next merge.

    Raises:
        GalleryError: the backup is no whole gallery of this bundle's, another process owns the gallery, or the folder
            can't be written; nothing is changed then.
    """
    if lies(path) and lies(backup) and path.samefile(backup):
        raise GalleryError(f"{backup} is the gallery itself; give the file that `edgefs gallery backup` wrote")
    with gallery_errors(backup), connect_looking(backup) as connection:
        meta = read_meta(connection, backup)
        check_space(backup, meta, seed.space_id, seed.dim)
        ledger, shots = load_ledger(connection, backup), read_shots(connection)
    refuse_damaged(ledger, backup, "restored")
    refuse_foreign(ledger, backup, seed, "restored")
    if lies(path):
        settle(path)
    formerly = json.dumps([meta.device, *json.loads(meta.formerly or "[]")])
    renamed = seal(meta._replace(device=os.urandom(16).hex(), formerly=formerly))
    kept = replace(path, Contents(renamed, _rows(ledger), ledger.tips, shots, ledger.blobs), "replaced")
    mark_path(path).unlink(missing_ok=True)
    with Gallery.open(path, seed) as gallery:
        gallery.note_restored(readable(backup.name), meta.device, actor=actor, reason=reason)
    return kept


def _salvaged(path: Path, seed: Seed) -> _Salvaged:
    mark = read_mark(path)
    with gallery_errors(path), copied(path) as copy, _named(path, copy), _opened(copy) as connection:
        stored, shots = read_stored(connection), read_shots(connection)
        if isinstance(connection, FirstPagesConnection):
            stored = stored._replace(is_torn=True)
        try:
            meta = read_meta(connection, copy)
        except GalleryError:
            name = mark.device if mark else os.urandom(16).hex()
            time = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
            meta = seal(Meta(name, seed.bundle_name, seed.space_id, seed.dim, time))
        salvaged = _Salvaged(meta, stored, shots, mark)
        if salvaged.ledger.problems:
            _carve(salvaged, copy)
    return salvaged


@contextmanager
def _named(path: Path, copy: Path) -> Iterator[None]:
    """Blame the file for what is wrong with its copy."""
    try:
        yield
    except GalleryError as error:
        raise type(error)(str(error).replace(str(copy), str(path))) from error


def _carve(salvaged: _Salvaged, copy: Path) -> None:
    """Take what SQLite does not find from the pages of a copy."""
    carved, stored = carve(copy), salvaged.stored
    whole = {record.key for record in stored.records if is_intact(record)}
    rows = {record.key: record for record in carved.records if record.key not in whole}
    records = [*(record for record in stored.records if record.key not in rows), *rows.values()]
    salvaged.stored = stored._replace(records=records)
    missed = named_blobs(salvaged.ledger.apart.values())  # what was let go stays away
    blobs = {digest: data for digest, data in carved.blobs.items() if digest in missed}
    salvaged.stored = salvaged.stored._replace(blobs={**stored.blobs, **blobs})
    there = {(shot.device, shot.seq, shot.position) for shot in salvaged.shots}
    for shot in carved.shots:
        event, place = rows.get((shot.device, shot.seq)), (shot.device, shot.seq, shot.position)
        if place not in there and isinstance(event, Event):
            salvaged.shots.append(shot)
            there.add(place)


@contextmanager
def _opened(copy: Path) -> Iterator[sqlite3.Connection]:
    """A copy of a damaged gallery, with the list of its tables put back where that is what was damaged."""
    with ExitStack() as stack:
        is_sound = False
        with suppress(GalleryError, sqlite3.Error), closing(connect_owner(copy)) as connection:
            is_sound = is_as_made(connection)
        with suppress(sqlite3.Error), closing(sqlite3.connect(copy)) as connection:  # the log came home
            is_sound = is_sound and has_its_pages(connection, copy)
        mended = None if is_sound else stack.enter_context(with_first_pages(copy))
        yield mended or stack.enter_context(closing(connect_owner(copy)))


def _unread(salvaged: _Salvaged, ledger: Ledger) -> list[Event]:
    """Events of teaching that stand in the file and can't be read whole."""
    keys = {key for problem in ledger.problems if problem.is_stored for key in problem.keys}
    events = [record for record in salvaged.stored.records if isinstance(record, Event) and record.key in keys]
    return [event for event in events if event.kind == "enroll"]


def _bring_seed(salvaged: _Salvaged, seed: Seed) -> None:
    """Take what the file lost of the bundle's seed from the bundle."""
    absent = salvaged.ledger.absent
    events = [event for event in seed.events() if event.key in absent]
    keys = {event.key for event in events}
    there = {(shot.device, shot.seq, shot.position) for shot in salvaged.shots}
    records = [record for record in salvaged.stored.records if record.key not in keys]
    salvaged.stored = salvaged.stored._replace(records=[*records, *events])
    salvaged.shots += [shot for shot in seed.shots() if (shot.device, shot.seq, shot.position) not in there]


def _bring(salvaged: _Salvaged, other: Path, seed: Seed) -> int:
    """Take rows that can't be read here from another gallery, where they are what was written; return their number."""
    with gallery_errors(other), connect_looking(other) as connection:
        check_space(other, read_meta(connection, other), seed.space_id, seed.dim)
        theirs, shots = load_ledger(connection, other), read_shots(connection)
    mine = salvaged.ledger
    found = {record.key: record for record in theirs.records if record.key in mine.absent}
    good = {key for key, record in found.items() if _belongs(key, mine, theirs)}
    for key in good:
        parse_row(found[key], seed, theirs.blobs)
    records = [record for record in salvaged.stored.records if record.key not in good]
    wanted = {found[key].vectors_digest for key in good if isinstance(found[key], Event)}  # type: ignore[union-attr]
    blobs = {digest: theirs.blobs[digest] for digest in wanted if digest in theirs.blobs}
    salvaged.stored = salvaged.stored._replace(
        records=[*records, *(found[key] for key in good)], blobs={**salvaged.stored.blobs, **blobs}
    )
    there = {(shot.device, shot.seq, shot.position) for shot in salvaged.shots}
    salvaged.shots += [
        shot
        for shot in shots
        if (shot.device, shot.seq) in good and (shot.device, shot.seq, shot.position) not in there
    ]
    return len(good)


def _belongs(key: Key, mine: Ledger, theirs: Ledger) -> bool:
    """Whether a row of another gallery stands in the chain of what is here: behind a row that both have."""
    device, seq = key
    rows = {record.key: record for record in theirs.records if record.device == device}
    last = seq
    while last > 1 and (device, last) in rows and (device, last - 1) not in {**mine.events, **mine.removals}:
        last -= 1
    before = NO_HASH
    if last > 1:
        here = mine.events.get((device, last - 1)) or mine.removals.get((device, last - 1))
        before = here.hash if here else ""
    for number in range(last, seq + 1):
        record = rows.get((device, number))
        if record is None or not before or not follows(record, before):
            return False
        before = record.hash
    return True


def _taught_again(
    salvaged: _Salvaged, ledger: Ledger, unread: Iterable[Event], embed: Embed | None
) -> Iterable[tuple[Enrolment, Key]]:
    """Enrolments from the kept pictures of events that are not here any more, with their rows."""
    labels = {event.label for event in ledger.events.values()}
    for event in unread:
        is_told = is_intact(event) or event.label in labels  # of a damaged row the label may be what is wrong
        if event.key in ledger.events or embed is None or not is_told:
            continue
        try:
            yield _seen_again(salvaged.shots, event, embed), event.key
        except (GalleryError, ImageError, ValueError, TypeError, KeyError):
            continue  # it stays lost, and the report says so


def _seen_again(shots: Iterable[Shot], event: Event, embed: Embed) -> Enrolment:
    """An event's images, embedded anew; every one of them must have its picture."""
    own = {shot.position: shot for shot in shots if (shot.device, shot.seq) == event.key}
    digests, parts = json.loads(event.digests), json.loads(event.parts)
    pictures = [own[position] for position in range(event.n)]
    for shot in pictures:
        if not is_thumbnail(shot, event, shot.position, digests[shot.position], parts[shot.position]):
            raise GalleryError("a picture is damaged")
    return Enrolment(
        label=event.label,
        disposition="defect" if event.disposition == "defect" else "ok",
        vectors=np.stack([embed(shot.jpeg) for shot in pictures]).astype(np.float32),
        digests=tuple(digests),
        groups=tuple(parts),
        thumbnails=tuple(shot.jpeg for shot in pictures),
        state="pending" if event.state == "pending" else "approved",
        actor=event.actor,
        reason=event.reason,
        region=tuple(json.loads(event.roi)) if event.roi else None,
    )


def _contents(salvaged: _Salvaged, ledger: Ledger) -> Contents:
    """What the mended file holds: every row that is what was written, and what belongs to such rows."""
    events = {**ledger.apart, **ledger.events}
    shots: dict[tuple[str, int, int], Shot] = {}
    for shot in salvaged.shots:
        key = (shot.device, shot.seq)
        if key in events and _is_of(shot, events[key]):
            shots[shot.device, shot.seq, shot.position] = shot
    return Contents(salvaged.meta, _rows(ledger), ledger.tips, list(shots.values()), _sound(ledger.blobs))


def _rows(ledger: Ledger) -> list[Record]:
    """Every row that is what was written, whether or not it counts, in (device, seq) order."""
    rows: list[Record] = [*ledger.events.values(), *ledger.apart.values(), *filter(is_intact, ledger.removals.values())]
    return sorted(rows, key=lambda record: record.key)


def _sound(blobs: Mapping[str, bytes]) -> dict[str, bytes]:
    return {digest: data for digest, data in blobs.items() if hashlib.sha256(data).hexdigest() == digest}


def _missing_pictures(ledger: Ledger, shots: Iterable[Shot]) -> list[Picture]:
    """Pictures of images that count and that the mended file lacks."""
    there = {(shot.device, shot.seq, shot.position) for shot in shots}
    return [
        (*event.key, position)
        for event in ledger.standing()
        for position, digest in enumerate(json.loads(event.shots))
        if digest and (*event.key, position) not in there
    ]


def _is_of(shot: Shot, event: Event) -> bool:
    try:
        digest, part = json.loads(event.digests)[shot.position], json.loads(event.parts)[shot.position]
        return is_thumbnail(shot, event, shot.position, digest, part)
    except (IndexError, TypeError, ValueError):
        return False
