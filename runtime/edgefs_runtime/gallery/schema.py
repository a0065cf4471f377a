"""The tables of a gallery file, and how an older file becomes a present one.

A file begins at schema 1. With its first row of a merge or of carrying over it becomes one of schema 2, whose tables
are the same: an edgefs that does not know such rows would take them for something else, and is told to update instead.

`event`, `removed` and `shot` are append-only, and triggers hold that against every program that opens the file.
`tip` names each device's last row: without it a lost last row would look like a row that never was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.deeds import is_deed
from edgefs_runtime.gallery.records import TABLES, Record, Row, Shot

APPLICATION_ID = 0x45444746  # "EDGF": tells a gallery from every other SQLite file
FIRST_SCHEMA = 1
SCHEMA_VERSION = 2  # of a file with `deeds`; both are read and written

# Version that a file has -> the statements that bring it one version up, until it is of the first that is in use.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

_CREATE = {
    "meta": """CREATE TABLE meta (
        device TEXT NOT NULL, bundle_name TEXT NOT NULL, space_id TEXT NOT NULL, dim INTEGER NOT NULL,
        created TEXT NOT NULL, hash TEXT NOT NULL, crc INTEGER NOT NULL)""",
    "tip": """CREATE TABLE tip (
        device TEXT NOT NULL PRIMARY KEY, seq INTEGER NOT NULL, hash TEXT NOT NULL)""",
    "event": """CREATE TABLE event (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('enroll', 'settings', 'align')),
        label TEXT NOT NULL,
        disposition TEXT NOT NULL CHECK (disposition IN ('ok', 'defect')),
        state TEXT NOT NULL CHECK (state IN ('pending', 'approved')),
        n INTEGER NOT NULL, dim INTEGER NOT NULL, vectors BLOB NOT NULL CHECK (length(vectors) = 4 * n * dim),
        digests TEXT NOT NULL, parts TEXT NOT NULL, shots TEXT NOT NULL, roi TEXT, payload TEXT,
        space_id TEXT NOT NULL, bundle TEXT NOT NULL, time TEXT NOT NULL,
        actor TEXT NOT NULL, approver TEXT NOT NULL, reason TEXT NOT NULL,
        restores TEXT, undoes INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq))""",
    "removed": """CREATE TABLE removed (
        device TEXT NOT NULL, seq INTEGER NOT NULL CHECK (seq > 0), operation INTEGER NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('forget', 'undo')),
        label TEXT NOT NULL, n INTEGER NOT NULL, targets TEXT NOT NULL,
        bundle TEXT NOT NULL, time TEXT NOT NULL, actor TEXT NOT NULL, reason TEXT NOT NULL,
        undoes INTEGER, hash TEXT NOT NULL, crc INTEGER NOT NULL,
        UNIQUE (device, seq))""",
    "shot": """CREATE TABLE shot (
        device TEXT NOT NULL, seq INTEGER NOT NULL, position INTEGER NOT NULL,
        digest TEXT NOT NULL, part TEXT NOT NULL, roi TEXT, jpeg BLOB NOT NULL,
        UNIQUE (device, seq, position))""",
}


def schema_objects() -> dict[str, str]:
    """Name -> CREATE statement of every table and trigger of the present version."""
    forbidden = {
        f"{table}_no_{verb}": f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END"
        for table in ("event", "removed", "shot")
        for verb in ("UPDATE", "DELETE")
    }
    # One number, one row, in either table. This also stops INSERT OR REPLACE, which deletes without a trigger.
    numbered = {
        f"{table}_number": f"CREATE TRIGGER {table}_number BEFORE INSERT ON {table} "  # noqa: S608 - names of ours
        "WHEN EXISTS (SELECT 1 FROM event WHERE device = NEW.device AND seq = NEW.seq) "
        "OR EXISTS (SELECT 1 FROM removed WHERE device = NEW.device AND seq = NEW.seq) "
        "BEGIN SELECT RAISE(ABORT, 'this device and seq are taken'); END"
        for table in ("event", "removed")
    }
    placed = {
        "shot_number": "CREATE TRIGGER shot_number BEFORE INSERT ON shot WHEN EXISTS "
        "(SELECT 1 FROM shot WHERE device = NEW.device AND seq = NEW.seq AND position = NEW.position) "
        "BEGIN SELECT RAISE(ABORT, 'this thumbnail is taken'); END"
    }
    return {**_CREATE, **forbidden, **numbered, **placed}


def select(kind: type[Row]) -> str:
    """The statement that reads all rows of a record's table, columns in the record's order."""
    return f"SELECT {', '.join(kind._fields)} FROM {TABLES[kind]}"  # noqa: S608 - names of ours


def insert(kind: type[Row]) -> str:
    """The statement that writes one row of a record's table."""
    places = ", ".join("?" * len(kind._fields))
    return f"INSERT INTO {TABLES[kind]} ({', '.join(kind._fields)}) VALUES ({places})"  # noqa: S608 - names of ours


def insert_rows(connection: sqlite3.Connection, records: Sequence[Record], shots: Sequence[Shot]) -> None:
    """Write sealed rows, each device's in rising seq, with their thumbnails, and note each device's last one."""
    for record in records:
        connection.execute(insert(type(record)), record)
    connection.executemany(insert(Shot), shots)
    for last in {record.device: record for record in records}.values():
        connection.execute("INSERT OR REPLACE INTO tip VALUES (?, ?, ?)", (last.device, last.seq, last.hash))
    if any(is_deed(record) for record in records):
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")  # in the same transaction


def check_version(path: Path, version: int) -> None:
    """Refuse a file that this edgefs can neither read nor migrate.

    Raises:
        GalleryError: the file's schema is newer, or older than the oldest that can be migrated.
    """
    if version > SCHEMA_VERSION:
        raise GalleryError(
            f"gallery {path} has schema {version}, this edgefs knows up to {SCHEMA_VERSION}; update edgefs to open it"
        )
    if version < FIRST_SCHEMA and version not in MIGRATIONS:
        raise GalleryError(
            f"gallery {path} has schema {version}, this edgefs knows {FIRST_SCHEMA} to {SCHEMA_VERSION} "
            "and no way from there"
        )


def migrate(connection: sqlite3.Connection, path: Path) -> None:
    """Bring an older file up to the present schema in one transaction, after a copy `<path>.schema<N>.bak`."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    check_version(path, version)
    if version >= FIRST_SCHEMA:
        return
    backup = sqlite3.connect(f"{path}.schema{version}.bak")
    try:
        connection.backup(backup)
    finally:
        backup.close()
    connection.execute("BEGIN IMMEDIATE")
    for step in range(version, FIRST_SCHEMA):
        for statement in MIGRATIONS[step]:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {FIRST_SCHEMA}")
    connection.execute("COMMIT")
