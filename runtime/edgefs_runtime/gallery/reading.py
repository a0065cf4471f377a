"""What counts at this moment, for a process that decides and does not teach."""

from __future__ import annotations

import dataclasses
import functools
import sqlite3
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.labels import labels_of
from edgefs_runtime.base.state import lies
from edgefs_runtime.decision.snapshot import Snapshot, build_snapshot
from edgefs_runtime.gallery.database import (
    GalleryBusyError,
    GalleryDamagedError,
    check_space,
    connect_looking,
    connect_reader,
    gallery_errors,
    read_meta,
    stamp,
)
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import load_ledger, read_blobs
from edgefs_runtime.gallery.log import LogEntry, log_entries
from edgefs_runtime.gallery.mark import read_mark
from edgefs_runtime.gallery.records import Event, Shot
from edgefs_runtime.gallery.seed import Seed
from edgefs_runtime.gallery.snapshot_file import load_snapshot

if TYPE_CHECKING:
    from edgefs_runtime.gallery.fitted_file import Fitted
    from edgefs_runtime.gallery.many import Many

_ATTEMPTS = 100  # an owner's commit and its snapshot file lie some milliseconds apart
_PAUSE = 0.02  # seconds


def read_snapshot(path: Path, seed: Seed) -> Snapshot:
    """The gallery at `path` as the bundle of `seed` sees it; the seed alone where there is no file yet.

    Nothing is written and nothing stays locked. While another process owns the gallery and has taught it something,
    the answer comes from the snapshot file that the owner keeps.

    Raises:
        GalleryError: no gallery, damaged, of another schema or embedding space, without any class, or owned by a
            process that runs another bundle.
    """
    unchanged = 0  # times in a row that the same file looked damaged
    for _ in range(_ATTEMPTS):
        if not lies(path):
            return seed_snapshot(seed)
        before, mark = stamp(path), read_mark(path)  # the mark first: an owner writes it last
        try:
            with connect_reader(path) as connection, gallery_errors(path):
                meta = read_meta(connection, path)
                check_space(path, meta, seed.space_id, seed.dim)
                ledger = load_ledger(connection, path, mark, functools.partial(connect_looking, path))
            add_seed(ledger, seed)
            return view_of(ledger, seed, meta.device, functools.partial(_before, path, seed))
        except GalleryBusyError as error:
            snapshot = load_snapshot(path, seed) or _of_many(path, seed)
            if snapshot is not None:
                return _with_classes(snapshot)
            failure: GalleryError = error
        except GalleryDamagedError as error:  # or an owner wrote while we read
            unchanged = unchanged + 1 if stamp(path) == before else 0
            if unchanged > 2:
                raise
            failure = error
        time.sleep(_PAUSE)
    raise failure


def read_thumbnails(path: Path | None, seed: Seed, label: str) -> list[bytes]:
    """The pictures kept of a class's images that count, in their order; none where nothing was kept.

    Raises:
        GalleryError: as `read_snapshot`.
    """
    if path is None or not lies(path):
        labels = labels_of(label, {enrolment.label for enrolment in seed.enrolments})
        own = [enrolment for enrolment in seed.enrolments if enrolment.label in labels]
        return [jpeg for enrolment in own for jpeg in enrolment.thumbnails if jpeg]
    with connect_looking(path) as connection, gallery_errors(path):
        check_space(path, read_meta(connection, path), seed.space_id, seed.dim)
        ledger = load_ledger(connection, path)
        shots = seed.shots() if add_seed(ledger, seed) else []  # those of a seed that is not in the file yet
        found = []
        view = ledger.view(seed.device)
        labels = labels_of(label, {event.label for event in view})
        for event in view:
            if event.label in labels:
                found += thumbnails_of(connection, ledger, event, shots)
    return found


def thumbnails_of(
    connection: sqlite3.Connection, ledger: Ledger, event: Event, shots: Sequence[Shot] = ()
) -> list[bytes]:
    """The pictures kept of an event's images that count, in their order.

    Args:
        connection: to the file.
        ledger: of its rows.
        event: whose pictures.
        shots: of a seed that is not in the file yet.
    """
    key = ledger.pictures(event)
    query = "SELECT position, jpeg FROM shot WHERE device = ? AND seq = ?"
    stored = dict(connection.execute(query, key))
    stored |= {shot.position: shot.jpeg for shot in shots if (shot.device, shot.seq) == key}
    return [stored[position] for position in ledger.kept(event) if position in stored]


def known_images(ledger: Ledger, seed: Seed) -> dict[str, str]:
    """The class of every image that was taught and counts or is pending, by the image's digest."""
    return {digest: event.label for event in ledger.live(seed.device) for digest in ledger.digests(event)}


def read_known(path: Path | None, seed: Seed) -> dict[str, str]:
    """As `known_images`, of a gallery or of the seed where there is none.

    Raises:
        GalleryError: as `read_snapshot`.
    """
    ledger = Ledger()
    if path is not None and lies(path):
        with connect_looking(path) as connection:
            check_space(path, read_meta(connection, path), seed.space_id, seed.dim)
            ledger = load_ledger(connection, path)
    add_seed(ledger, seed)
    return known_images(ledger, seed)


def read_log(path: Path) -> list[LogEntry]:
    """The audit log of a gallery, which may lie where nothing can be written.

    Raises:
        GalleryError: no gallery, or damaged.
    """
    with connect_looking(path) as connection:
        return log_entries(load_ledger(connection, path).records)


def seed_snapshot(seed: Seed) -> Snapshot:
    """What counts before anything was taught on the device.

    Raises:
        GalleryError: the seed holds no class, or embeddings of another dimension.
    """
    ledger = Ledger()
    add_seed(ledger, seed)
    return view_of(ledger, seed, "")


def add_seed(ledger: Ledger, seed: Seed) -> list[Event]:
    """Add the bundle's seed to the rows that a file holds, and return what the file lacks of it."""
    if seed.device in ledger.tips:
        if any(device == seed.device for device, _ in ledger.absent):  # the bundle has what the file lost of it
            ledger.add(event for event in seed.events() if event.key not in ledger.events)
        return []
    events = seed.events()
    ledger.add(events)
    return events


def view_of(
    ledger: Ledger, seed: Seed, device: str, before: Callable[[], Snapshot | Fitted | None] = lambda: None
) -> Snapshot:
    """The rows that count for a bundle, as arrays, and how the camera of a device is aligned.

    Args:
        ledger: of the gallery.
        seed: of the bundle.
        device: whose camera it is.
        before: gives what counted before, of a large gallery; rows and sums that are still right are taken from it.

    Raises:
        GalleryError: no class is left.
    """
    alignments = ledger.alignments(device)
    if ledger.counts_many(seed.device, seed.dim, seed.views):
        from edgefs_runtime.gallery.many import snapshot_of_many  # of large galleries alone

        snapshot = snapshot_of_many(ledger, seed, alignments, before())
    else:
        read_blobs(ledger)
        snapshot = build_snapshot(ledger.enrolments(seed.device), ledger.sequence, seed.views, alignments)
    return dataclasses.replace(snapshot, warnings=warnings_of(ledger)) if ledger.problems else snapshot


def warnings_of(ledger: Ledger, most: int = 10) -> tuple[str, ...]:
    """What a person should know of the gallery's damage, with the way to mend it."""
    sentences = [problem.sentence for problem in ledger.problems]
    if not sentences:
        return ()
    more = [f"and {len(sentences) - most} more, which `edgefs gallery check` names"] if len(sentences) > most else []
    cure = "the rest decides and can be taught: `edgefs gallery repair` mends it"
    if ledger.is_torn:
        cure = "the rest decides, and can be taught once `edgefs gallery repair` mends it"
    return (*(f"the gallery is damaged: {sentence}" for sentence in sentences[:most]), *more, cure)


def _of_many(path: Path, seed: Seed) -> Snapshot | None:
    from edgefs_runtime.gallery.fitted_file import load_beside

    found = load_beside(path, seed, functools.partial(_beside, path, seed))
    return found and found[0]


def _before(path: Path, seed: Seed) -> Fitted | None:
    from edgefs_runtime.gallery.fitted_file import load_fitted

    return load_fitted(path, seed)


def _beside(path: Path, seed: Seed, content: str) -> Many:
    """The rows of a large gallery that another process owns, from a copy of it.

    Raises:
        GalleryError: it can't be read, or was taught something since.
    """
    from edgefs_runtime.gallery.many import Many, content_of, counted_of

    with connect_looking(path) as connection:
        meta = read_meta(connection, path)
        ledger = load_ledger(connection, path)
    add_seed(ledger, seed)
    counted = counted_of(ledger, seed.device)
    if content_of(counted, ledger.alignments(meta.device)) != content:
        raise GalleryBusyError(f"gallery {path} was taught something while it was read; try again")
    return Many(ledger, counted, seed.dim, {}, {})


def _with_classes(snapshot: Snapshot) -> Snapshot:
    return snapshot if snapshot.labels else build_snapshot((), snapshot.sequence)
