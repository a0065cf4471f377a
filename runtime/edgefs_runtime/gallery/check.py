"""Telling a whole gallery from a damaged one, for a person who asks.

Opening looks at less (`loading`); this looks at everything: SQLite's own structure, the hash chains, blobs, thumbnails,
and whether the tables are still the ones that were made.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Set
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import plain
from edgefs_runtime.gallery.database import GalleryDamagedError, connect_looking, gallery_errors, read_meta
from edgefs_runtime.gallery.decrees import approved_by, lost_pictures
from edgefs_runtime.gallery.deeds import deed_of, is_deed
from edgefs_runtime.gallery.loading import load_ledger, name_of
from edgefs_runtime.gallery.records import NO_HASH, Blob, Event, Key, Meta, Record, Shot, follows, is_intact
from edgefs_runtime.gallery.schema import SCHEMA_VERSION, schema_objects, select, version_of
from edgefs_runtime.images.kept import media_of

Step = Callable[[sqlite3.Connection, Path], Iterator[str]]


def check_gallery(path: Path) -> list[str]:
    """Problems of a gallery file that may be too damaged to open; empty when it is whole.

    Raises:
        GalleryError: the file is no gallery at all.
    """
    try:
        with connect_looking(path) as connection:
            read_meta(connection, path)
            return check_connection(connection, path)
    except GalleryDamagedError as error:
        return [str(error)]


def check_connection(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Problems of an open gallery, one line each; empty when it is whole."""
    return [
        problem
        for step in (_structure_problems, _content_problems, _stored_problems)
        for problem in _until_unreadable(step, connection, path)
    ]


def broken_links(records: Iterable[Record], absent: Set[Key] = frozenset()) -> Iterator[str]:
    """Rows, given in (device, seq) order, that do not follow the row before in their device's hash chain.

    Args:
        records: the rows.
        absent: rows that are known to be missing; nothing is said of those behind them.
    """
    previous: dict[str, str] = {}
    for record in records:
        is_known = (record.device, record.seq - 1) not in absent
        if is_known and not follows(record, previous.get(record.device, NO_HASH)):
            yield f"{name_of(record)} does not follow the row before it: the audit log was changed"
        previous[record.device] = record.hash


def _until_unreadable(step: Step, connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    try:
        with gallery_errors(path):
            yield from step(connection, path)
    except GalleryError as error:
        yield str(error)


def _structure_problems(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check(20)"):
        for part in line.splitlines():
            if part != "ok" and not part.startswith("***"):
                yield plain(f"structure: {part}")
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    made = schema_objects(version_of(connection))
    for name in sorted({*made, *map(str, found)}):
        if found.get(name) != made.get(name):
            yield plain(f"schema: {name:.80} is not what edgefs made")


def _content_problems(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    meta = read_meta(connection, path)
    ledger = load_ledger(connection, path)
    yield from (problem.sentence for problem in ledger.problems)
    yield from broken_links(ledger.records, ledger.absent)
    for event in ledger.events.values():
        yield from _alignment_problems(event, meta) if event.kind == "align" else _shape_problems(event, meta)
        yield from _payload_problems(event)


def _shape_problems(event: Event, meta: Meta) -> Iterator[str]:
    lengths = {len(json.loads(column)) for column in (event.digests, event.parts, event.shots)}
    is_short = event.content is None and len(event.vectors) != 4 * event.n * event.dim
    if event.kind == "enroll" and (is_short or lengths != {event.n}):
        yield f"{name_of(event)} does not hold {event.n} embeddings with their digests, parts and thumbnails"
    if event.kind == "enroll" and (event.space_id, event.dim) != (meta.space_id, meta.dim):
        yield f"{name_of(event)} is of embedding space {event.space_id[:12]}, the gallery of {meta.space_id[:12]}"


def _alignment_problems(event: Event, meta: Meta) -> Iterator[str]:
    try:
        dim = event.alignment().dim
        if meta.dim % dim:
            yield f"{name_of(event)} aligns embeddings of {dim} dimensions, the gallery has {meta.dim}"
    except GalleryError as error:
        yield str(error)


def _payload_problems(event: Event) -> Iterator[str]:
    try:
        if is_deed(event):
            deed_of(event)
        if event.kind == "approve" and not approved_by(event):
            yield f"{name_of(event)} approves nothing"
    except GalleryError as error:
        yield str(error)


def _stored_problems(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    """Thumbnails and blobs; those of what was forgotten may have been let go, and then none of them is there."""
    version = version_of(connection)
    ledger = load_ledger(connection, path)
    counting = {event.key for event in ledger.standing()}
    missed = lost_pictures(ledger.records)
    shots = [Shot._make(row) for row in connection.execute(select(Shot, version))]
    found = {(shot.device, shot.seq, shot.position): shot for shot in shots}
    for event in filter(is_intact, map(Event._make, connection.execute(select(Event, version)))):
        is_needed = event.key in counting or version < SCHEMA_VERSION
        rows = zip(json.loads(event.shots), json.loads(event.digests), json.loads(event.parts), strict=False)
        for position, (sha, digest, part) in enumerate(rows):
            shot = found.pop((event.device, event.seq, position), None)
            if shot is None and sha and is_needed and (*event.key, position) not in missed:
                yield f"{name_of(event)}: thumbnail {position} is missing"
            elif shot is not None and not sha:
                yield f"{name_of(event)}: thumbnail {position} is not one that was taught"
            elif shot is not None and not is_thumbnail(shot, event, position, digest, part):
                yield f"{name_of(event)}: thumbnail {position} is damaged"
    if found:
        yield f"{len(found)} thumbnails belong to no event"
    if version >= SCHEMA_VERSION:
        for blob in map(Blob._make, connection.execute(select(Blob, version))):
            if not isinstance(blob.data, bytes) or hashlib.sha256(blob.data).hexdigest() != blob.sha256:
                yield f"blob {blob.sha256!s:.12} is damaged"


def is_thumbnail(shot: Shot, event: Event, position: int, digest: str, part: str) -> bool:
    """Whether a thumbnail is the one that the event names."""
    if (shot.digest, shot.part, shot.roi) != (digest, part, event.roi) or not isinstance(shot.jpeg, bytes):
        return False
    if shot.media not in (None, media_of(shot.jpeg)):  # an older edgefs that was given a PNG said nothing of it
        return False
    return hashlib.sha256(shot.jpeg).hexdigest() == str(json.loads(event.shots)[position])
