"""What another gallery holds that this one lacks."""

from __future__ import annotations

from pathlib import Path

from edgefs_runtime.errors import GalleryError
from edgefs_runtime.gallery.database import GalleryDamagedError, check_space, connect_reader, gallery_errors, read_meta
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.records import Event, Record, Shot
from edgefs_runtime.gallery.schema import select
from edgefs_runtime.gallery.seed import Seed
from edgefs_runtime.gallery.verify import broken_links, load


def read_other(path: Path, seed: Seed) -> tuple[Ledger, list[Shot]]:
    """Read a gallery that will be merged; nothing is written to it.

    Raises:
        GalleryError: no gallery, damaged, of another schema or embedding space, or owned by another process.
    """
    with gallery_errors(path), connect_reader(path) as connection:
        check_space(path, read_meta(connection, path), seed.space_id, seed.dim)
        ledger = load(connection, path)
        shots = [Shot._make(row) for row in connection.execute(select(Shot))]
    for problem in broken_links(ledger.records):
        raise GalleryDamagedError(f"gallery {path} was not merged: {problem}")
    for event in ledger.events.values():
        if event.space_id != seed.space_id:
            raise GalleryError(f"gallery {path} was not merged: row {event.key} is of another embedding space")
        if event.kind == "align" and event.alignment().dim * seed.views != seed.dim:
            raise GalleryError(f"gallery {path} was not merged: row {event.key} aligns another embedding space")
    return ledger, shots


def missing_rows(mine: Ledger, theirs: Ledger) -> list[Record]:
    """Rows of `theirs` that `mine` lacks, in (device, seq) order.

    Raises:
        GalleryError: a file was copied and both copies went on under one device's name; their numbers now mean
            different things.
    """
    hashes = {record.key: record.hash for record in mine.records}
    for record in theirs.records:
        if hashes.get(record.key, record.hash) != record.hash:
            raise GalleryError(
                f"both galleries went on from a copy of one file (device {record.device:.12}, row {record.seq} "
                "differs); keep one, and enroll in it what the other was taught"
            )
    return [record for record in theirs.records if record.key not in hashes]


def shots_of_rows(shots: list[Shot], rows: list[Record]) -> list[Shot]:
    """The thumbnails that belong to these rows."""
    keys = {row.key for row in rows if isinstance(row, Event)}
    return [shot for shot in shots if (shot.device, shot.seq) in keys]
