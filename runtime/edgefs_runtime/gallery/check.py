"""Telling a whole gallery from a damaged one.

Opening looks at every row's CRC, at gaps in the numbers and at the tips; `check_connection` looks at everything else
too: SQLite's own structure, the hash chains, thumbnails, and whether the tables are still the ones that were made.
"""

from __future__ import annotations

import hashlib
import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.database import GalleryDamagedError, connect_reader, gallery_errors, identify, read_meta
from edgefs_runtime.gallery.deeds import deed_of, is_deed
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.records import NO_HASH, Event, Meta, Record, Removed, Shot, follows, is_intact
from edgefs_runtime.gallery.schema import schema_objects, select

Tips = dict[str, tuple[int, str]]
Step = Callable[[sqlite3.Connection, Path], Iterator[str]]


def load_ledger(connection: sqlite3.Connection, path: Path) -> Ledger:
    """Read all rows, refusing the file when one of them is damaged or missing.

    Raises:
        GalleryDamagedError: names the row and how to learn more.
    """
    with gallery_errors(path):
        records = _read_records(connection)
        for problem in _row_problems(records, _read_tips(connection)):
            raise GalleryDamagedError(
                f"gallery {path} is damaged: {problem}; see `edgefs gallery check`, or restore a copy"
            )
        return Ledger(records, read_meta(connection, path).device)


def check_gallery(path: Path) -> list[str]:
    """Problems of a gallery file that may be too damaged to open; empty when it is whole.

    Raises:
        GalleryError: the file is no gallery at all, or another process owns it.
    """
    try:
        identify(path)
        with connect_reader(path) as connection:
            return check_connection(connection, path)
    except GalleryDamagedError as error:
        return [str(error)]


def check_connection(connection: sqlite3.Connection, path: Path) -> list[str]:
    """Problems of an open gallery, one line each; empty when it is whole."""
    return [
        problem
        for step in (_structure_problems, _content_problems, _shot_problems)
        for problem in _until_unreadable(step, connection, path)
    ]


def broken_links(records: Iterable[Record]) -> Iterator[str]:
    """Rows, given in (device, seq) order, that do not follow the row before in their device's hash chain."""
    previous: dict[str, str] = {}
    for record in records:
        if not follows(record, previous.get(record.device, NO_HASH)):
            yield f"{_name(record)} does not follow the row before it: the audit log was changed"
        previous[record.device] = record.hash


def _until_unreadable(step: Step, connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    try:
        with gallery_errors(path):
            yield from step(connection, path)
    except GalleryError as error:
        yield str(error)


def _structure_problems(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    for (line,) in connection.execute("PRAGMA quick_check(20)"):
        if line != "ok":
            yield f"structure: {line}"
    found = dict(connection.execute("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL"))
    for name, sql in schema_objects().items():
        if found.get(name) != sql:
            yield f"schema: {name} is not what edgefs made"


def _content_problems(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    meta = read_meta(connection, path)
    records = _read_records(connection)
    problems = list(_row_problems(records, _read_tips(connection)))
    yield from problems
    if problems:
        return  # what is built on the rows would only repeat it
    ledger = Ledger(records)
    yield from broken_links(ledger.records)
    for event in ledger.events.values():
        yield from _alignment_problems(event, meta) if event.kind == "align" else _shape_problems(event, meta)
        yield from _deed_problems(event)


def _row_problems(records: list[Record], tips: Tips) -> Iterator[str]:
    for record in records:
        if not is_intact(record):
            yield f"the checksum of {_name(record)} is wrong"
    numbers: dict[str, list[int]] = {}
    for record in records:
        numbers.setdefault(record.device, []).append(record.seq)
    for device in sorted(tips.keys() | numbers.keys(), key=str):
        seqs = numbers.get(device, [])
        last = tips.get(device, (0, ""))[0]
        # A damaged tree can also show a row twice, and a damaged tip can be huge.
        if len(seqs) != last or set(seqs) != set(range(1, last + 1)):
            yield f"device {device!s:.50} should have rows 1 to {last} once each and has {len(seqs)}"
    hashes = {(record.device, record.seq): record.hash for record in records}
    for device, (seq, digest) in tips.items():
        if hashes.get((device, seq), digest) != digest:
            yield f"the last row of device {device!s:.50} is not the one that was noted"


def _shape_problems(event: Event, meta: Meta) -> Iterator[str]:
    lengths = {len(json.loads(column)) for column in (event.digests, event.parts, event.shots)}
    if event.kind == "enroll" and (len(event.vectors) != 4 * event.n * event.dim or lengths != {event.n}):
        yield f"{_name(event)} does not hold {event.n} embeddings with their digests, parts and thumbnails"
    if event.kind == "enroll" and (event.space_id, event.dim) != (meta.space_id, meta.dim):
        yield f"{_name(event)} is of embedding space {event.space_id[:12]}, the gallery of {meta.space_id[:12]}"


def _alignment_problems(event: Event, meta: Meta) -> Iterator[str]:
    try:
        if meta.dim % event.alignment().dim:
            yield f"{_name(event)} aligns embeddings of {event.alignment().dim} dimensions, the gallery has {meta.dim}"
    except GalleryError as error:
        yield str(error)


def _deed_problems(event: Event) -> Iterator[str]:
    try:
        if is_deed(event):
            deed_of(event)
    except GalleryError as error:
        yield str(error)


def _shot_problems(connection: sqlite3.Connection, path: Path) -> Iterator[str]:
    shots = [Shot._make(row) for row in connection.execute(select(Shot))]
    found = {(shot.device, shot.seq, shot.position): shot for shot in shots}
    for event in filter(is_intact, map(Event._make, connection.execute(select(Event)))):
        rows = zip(json.loads(event.shots), json.loads(event.digests), json.loads(event.parts), strict=False)
        for position, (sha, digest, part) in enumerate(rows):
            shot = found.pop((event.device, event.seq, position), None)
            if bool(sha) != (shot is not None):
                yield f"{_name(event)}: thumbnail {position} is {'missing' if sha else 'not one that was taught'}"
            elif shot is not None and (
                (shot.digest, shot.part, shot.roi) != (digest, part, event.roi)
                or not isinstance(shot.jpeg, bytes)
                or hashlib.sha256(shot.jpeg).hexdigest() != sha
            ):
                yield f"{_name(event)}: thumbnail {position} is damaged"
    if found:
        yield f"{len(found)} thumbnails belong to no event"


def _read_records(connection: sqlite3.Connection) -> list[Record]:
    # Sorted here and not in SQL: a damaged index must not be able to hide or repeat a row.
    return [
        *map(Event._make, connection.execute(select(Event))),
        *map(Removed._make, connection.execute(select(Removed))),
    ]


def _read_tips(connection: sqlite3.Connection) -> Tips:
    rows = connection.execute("SELECT device, seq, hash FROM tip").fetchall()
    if any([type(column) for column in row] != [str, int, str] for row in rows):
        raise sqlite3.DatabaseError("the table of last rows")
    return {device: (seq, digest) for device, seq, digest in rows}


def _name(record: Record) -> str:
    table = "event" if isinstance(record, Event) else "removal"
    return f"{table} {record.seq} of device {record.device!s:.50}"
