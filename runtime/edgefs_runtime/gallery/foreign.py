"""What another device's gallery must be before anything of it is written here.

A checksum tells that a row is what its writer wrote, and nothing of whether the writer meant well. Everything that a
file says is looked at here once, before the merge: what is read later need not expect anything else.

- `refuse_strange_file`: only the tables and triggers that edgefs makes, of bounded size, whole, read within a time.
- `refuse_foreign`: rows whose columns hold what they may (`rows`), of this embedding space, with finite embeddings and
  the thumbnails that they name.
"""

from __future__ import annotations

import hashlib
import json
import re
import sqlite3
import time
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from edgefs_runtime.base.errors import GalleryError, ImageError
from edgefs_runtime.base.wording import plain
from edgefs_runtime.gallery.check import broken_links, is_thumbnail
from edgefs_runtime.gallery.database import GalleryDamagedError
from edgefs_runtime.gallery.decrees import approved_by, lost_pictures
from edgefs_runtime.gallery.deeds import deed_of, is_deed
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import name_of
from edgefs_runtime.gallery.records import SEED_PREFIX, Event, Key, Record, Removed, Shot
from edgefs_runtime.gallery.schema import SCHEMA_VERSION, schema_objects, version_of
from edgefs_runtime.gallery.seed import Seed
from edgefs_runtime.images.kept import MOST_BYTES, refuse_strange_picture

_MOST_SECONDS = 120.0  # that reading a file may take; 160,000 embeddings take a few
_MOST_ROWS = 5_000_000  # of one table
_MOST_BLOB = 256 << 20  # bytes; the embeddings of one act
_LARGEST = 1e6  # number of an embedding
_STEPS = 1_000_000  # of SQLite between two looks at the clock
_DIGEST = re.compile(r"[0-9a-f]{64}")
_TIME = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[.\d]*(Z|[+-]\d\d:\d\d)?)?")
_KINDS = {  # 'patches' and 'results' are reserved
    Event: ("enroll", "settings", "align", "approve", "repair", "restore", "patches", "results"),
    Removed: ("forget", "undo", "remove"),
}
_INTERNAL = ("sqlite_stat1", "sqlite_stat4")  # what SQLite itself makes of ANALYZE


def refuse_strange_file(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file that holds more than a gallery does, before a row of it is read.

    Raises:
        GalleryDamagedError: names what it holds.
        sqlite3.Error: SQLite can't read it, or not within the time.
    """
    until = time.monotonic() + _MOST_SECONDS
    connection.set_progress_handler(lambda: int(time.monotonic() > until), _STEPS)
    connection.execute("PRAGMA mmap_size = 0")
    connection.execute("PRAGMA cell_size_check = ON")
    version = version_of(connection)
    made = schema_objects(version)
    for name, sql in connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"):
        if made.get(name) != sql and name not in _INTERNAL:
            raise _refused(path, f"it holds {name!s:.60}, which is not what edgefs made")
    missing = made.keys() - {name for (name,) in connection.execute("SELECT name FROM sqlite_master")}
    if missing:
        raise _refused(path, f"{min(missing)} is missing")
    _refuse_large(connection, path, version)
    for (line,) in connection.execute("PRAGMA quick_check(1)"):
        if line != "ok":
            raise _refused(path, f"structure: {' '.join(line.split())}")


def _refuse_large(connection: sqlite3.Connection, path: Path, version: int) -> None:
    limits = {
        "shot": ("jpeg", MOST_BYTES),
        **({"blob": ("data", _MOST_BLOB)} if version >= SCHEMA_VERSION else {}),
    }
    for table in ("event", "removed", "tip", *limits):
        (rows,) = connection.execute(f"SELECT count(*) FROM {table}").fetchone()  # noqa: S608 - names of ours
        if rows > _MOST_ROWS:
            raise _refused(path, f"{table} has {rows:,} rows, at most {_MOST_ROWS:,} are read")
    for table, (column, most) in limits.items():
        strange = f"typeof({column}) <> 'blob' OR length({column}) > {most}"
        if connection.execute(f"SELECT 1 FROM {table} WHERE {strange} LIMIT 1").fetchone():  # noqa: S608 - names of ours
            raise _refused(path, f"{table} holds more than {most:,} bytes in one row, or something else")


def refuse_damaged(ledger: Ledger, path: Path, done: str = "merged") -> None:
    """Refuse a gallery of which a row is damaged or missing, or that does not stand in its chain.

    Raises:
        GalleryDamagedError: names the first.
    """
    for problem in ledger.problems:
        raise GalleryDamagedError(
            f"gallery {path} was not {done}: {problem.sentence}; mend it there with `edgefs gallery repair` first"
        )
    for sentence in broken_links(ledger.records, ledger.lost):
        raise GalleryDamagedError(f"gallery {path} was not {done}: {sentence}")


def parse_row(record: Record, seed: Seed, blobs: Mapping[str, bytes]) -> None:
    """Refuse a row that says what no row may say.

    Args:
        record: the row.
        seed: of the bundle in use.
        blobs: of the row's file; one that is not there was let go.

    Raises:
        GalleryError: in one line what is wrong; the caller says whose row it is.
    """
    if record.kind not in _KINDS[type(record)]:
        raise GalleryError(f"is of a kind that this edgefs does not know ({record.kind[:20]!r}); update edgefs")
    if not _TIME.fullmatch(record.time):
        raise GalleryError("has no time as edgefs writes it")
    if not isinstance(record, Event):
        _ = record.target_keys, record.positions
        return
    if record.space_id != seed.space_id:
        raise GalleryError("is of another embedding space")
    if record.kind == "enroll" and record.dim != seed.dim:
        raise GalleryError(f"holds embeddings of {record.dim} numbers, expected {seed.dim}")
    if record.kind == "align" and record.alignment().dim * seed.views != seed.dim:
        raise GalleryError("aligns another embedding space")
    if record.kind == "enroll":
        if not all(map(_DIGEST.fullmatch, json.loads(record.digests))):
            raise GalleryError("holds a digest that is no hex SHA-256")
        _refuse_vectors(record, blobs)
    if is_deed(record):
        deed_of(record)
    approved_by(record)


def refuse_foreign(ledger: Ledger, path: Path, seed: Seed, done: str = "merged") -> None:
    """Parse every row of another gallery, with its embeddings.

    Raises:
        GalleryError: names the row that is not one of a gallery like this.
    """
    for record in ledger.records:
        try:
            parse_row(record, seed, ledger.blobs)
        except GalleryError as error:
            raise _refused(path, f"{name_of(record)} {error}", done) from error
    for digest, data in ledger.blobs.items():
        if hashlib.sha256(data).hexdigest() != digest:
            raise _refused(path, f"blob {digest:.12} is damaged", done)
    if any(not record.device.startswith(SEED_PREFIX) for record in ledger.records) and not ledger.is_noted:
        raise _refused(path, "the table of last rows is empty", done)


def _refuse_vectors(event: Event, blobs: Mapping[str, bytes]) -> None:
    data = blobs.get(event.vectors_digest) if event.content is not None else event.vectors
    if data is None:  # of what was forgotten it may have been let go; what counts was looked for before
        return
    if len(data) != 4 * event.n * event.dim:
        raise GalleryError(f"holds {len(data):,} bytes of embeddings, expected {4 * event.n * event.dim:,}")
    if not (np.abs(np.frombuffer(data, "<f4")) <= _LARGEST).all():
        raise GalleryError("holds embeddings of NaN, infinity or numbers that no network makes")


def refuse_thumbnails(ledger: Ledger, shots: Iterable[Shot], path: Path) -> None:
    """Refuse thumbnails that are not the ones that their events name; of what counts none may be missing.

    Raises:
        GalleryDamagedError: names the first.
    """
    found: dict[Key, dict[int, Shot]] = {}
    for shot in shots:
        found.setdefault((shot.device, shot.seq), {})[shot.position] = shot
    standing, missed = {event.key for event in ledger.standing()}, lost_pictures(ledger.records)
    for event in ledger.events.values():
        there = found.get(event.key, {})
        wanted = json.loads(event.shots) if event.kind == "enroll" else []
        if any(not isinstance(position, int) or not 0 <= position < len(wanted) for position in there):
            raise _refused(path, f"{name_of(event)} has a thumbnail of no image")
        for position, (sha, digest, part) in enumerate(
            zip(wanted, json.loads(event.digests), json.loads(event.parts), strict=False)
        ):
            kept = there.get(position)
            is_missing = kept is None and sha and event.key in standing and (*event.key, position) not in missed
            if is_missing or (kept is not None and not is_thumbnail(kept, event, position, digest, part)):
                raise _refused(path, f"{name_of(event)}: thumbnail {position} is missing or not the one it names")
            try:
                refuse_strange_picture(b"" if kept is None else kept.jpeg)
            except ImageError as error:
                raise _refused(path, f"{name_of(event)}: thumbnail {position} is {error}") from error


def _refused(path: Path, sentence: str, done: str = "merged") -> GalleryDamagedError:
    return GalleryDamagedError(f"gallery {path} was not {done}: {plain(sentence)}")
