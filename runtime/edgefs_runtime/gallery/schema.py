"""The tables of a gallery file, and how an older file becomes a present one.

A new file has schema 3. One of schema 1 or 2 is read and written as it is, with the rows that it can hold, so that an
older edgefs still opens it; the first row that it can't hold makes its tables those of schema 3 (`upgrade`). Schema 2
is 1 with rows of `deeds`, which an edgefs that does not know them would take for something else.

All but `tip` and `meta` are append-only, and triggers hold that against every program that opens the file; what is
stored of forgotten images (`shot`, `blob`) may be let go by whoever takes those triggers away for it. `tip` names each
device's last row: without it a lost last row would look like a row that never was.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.deeds import is_deed
from edgefs_runtime.gallery.records import TABLES, Event, Key, Meta, Record, Removed, Row, Shot
from edgefs_runtime.gallery.tables import CREATE, CREATE_BEFORE, NEW_COLUMNS

APPLICATION_ID = 0x45444746  # "EDGF": tells a gallery from every other SQLite file
FIRST_SCHEMA = 1
WITH_DEEDS = 2
SCHEMA_VERSION = 3  # of new files; all of them are read and written
_SCHEMAS = 256  # a number as high is damage: no edgefs will have had so many

# Version that a file has -> the statements that bring it one version up, until it is of the first that is in use.
MIGRATIONS: dict[int, tuple[str, ...]] = {}

_KINDS_BEFORE = ("enroll", "settings", "align", "forget", "undo")


def schema_objects(version: int = SCHEMA_VERSION) -> dict[str, str]:
    """Name -> CREATE statement of every table and trigger of a version."""
    is_new = version >= SCHEMA_VERSION
    tables = ("event", "removed", "shot", "blob") if is_new else ("event", "removed", "shot")
    forbidden = {
        f"{table}_no_{verb}": f"CREATE TRIGGER {table}_no_{verb} BEFORE {verb} ON {table} "
        f"BEGIN SELECT RAISE(ABORT, 'a gallery is append-only'); END"
        for table in tables
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
    return {**(CREATE if is_new else CREATE_BEFORE), **forbidden, **numbered, **placed}


def columns(kind: type[Row], version: int) -> list[str]:
    """The columns of a record's table in a version, in the record's order."""
    missing = () if version >= SCHEMA_VERSION else NEW_COLUMNS.get(TABLES[kind], ())
    return [field for field in kind._fields if field not in missing]


def select(kind: type[Row], version: int) -> str:
    """The statement that reads all rows of a record's table, columns in the record's order."""
    there = columns(kind, version)
    fields = ", ".join(field if field in there else f"NULL AS {field}" for field in kind._fields)
    return f"SELECT {fields} FROM {TABLES[kind]}"  # noqa: S608 - names of ours


def insert(connection: sqlite3.Connection, row: Row, version: int) -> None:
    """Write one row."""
    there = columns(type(row), version)
    values = [getattr(row, field) for field in there]
    places = ", ".join("?" * len(there))
    connection.execute(
        f"INSERT INTO {TABLES[type(row)]} ({', '.join(there)}) VALUES ({places})",  # noqa: S608 - names of ours
        values,
    )


def version_of(connection: sqlite3.Connection) -> int:
    """The schema of a file."""
    version: int = connection.execute("PRAGMA user_version").fetchone()[0]
    return version


def is_plausible(version: int) -> bool:
    """Whether a file can have this schema, by this edgefs or a newer one; else the number itself was damaged."""
    return 0 <= version < _SCHEMAS


def needed(records: Iterable[Record], shots: Iterable[Shot]) -> int:
    """The first schema that can hold these rows."""
    if any(shot.media is not None for shot in shots):
        return SCHEMA_VERSION
    found = FIRST_SCHEMA
    for record in records:
        if record.kind not in _KINDS_BEFORE or (isinstance(record, Event) and record.content is not None):
            return SCHEMA_VERSION
        if is_deed(record):
            found = WITH_DEEDS
    return found


def insert_rows(
    connection: sqlite3.Connection, records: Sequence[Record], shots: Sequence[Shot], blobs: Mapping[str, bytes]
) -> None:
    """Write sealed rows, each device's in rising seq, with what belongs to them, and note each device's last one.

    In the same transaction the file gets the schema that they need.
    """
    version = version_of(connection)
    wanted = needed(records, shots)
    if version < wanted == SCHEMA_VERSION:
        upgrade(connection)
    elif version < wanted:
        connection.execute(f"PRAGMA user_version = {wanted}")
    version = max(version, wanted)
    for row in (*records, *shots):
        insert(connection, row, version)
    for digest, data in blobs.items():
        connection.execute("INSERT OR IGNORE INTO blob VALUES (?, ?)", (digest, data))
    for device, seq, digest in {record.device: (record.device, record.seq, record.hash) for record in records}.values():
        there = connection.execute("SELECT seq FROM tip WHERE device = ?", (device,)).fetchone()
        if (
            there is None or not isinstance(there[0], int) or there[0] < seq
        ):  # a lost row that came back is not the last
            connection.execute("INSERT OR REPLACE INTO tip VALUES (?, ?, ?)", (device, seq, digest))


def upgrade(connection: sqlite3.Connection) -> None:
    """Give an older file the tables of schema 3, within the transaction that needs them; no row changes."""
    version = version_of(connection)
    if version >= SCHEMA_VERSION:
        return
    for name in schema_objects(version):
        if name not in CREATE_BEFORE:
            connection.execute(f"DROP TRIGGER IF EXISTS {name}")
    for kind in (Meta, Event, Removed, Shot):
        connection.execute(f"ALTER TABLE {TABLES[kind]} RENAME TO {TABLES[kind]}_before")
    for name, statement in CREATE.items():
        if name != "tip":
            connection.execute(statement)
    for kind in (Meta, Event, Removed, Shot):
        names = ", ".join(columns(kind, version))
        table = TABLES[kind]
        connection.execute(f"INSERT INTO {table} ({names}) SELECT {names} FROM {table}_before")  # noqa: S608
        connection.execute(f"DROP TABLE {table}_before")
    for name, statement in schema_objects().items():
        if name not in CREATE:
            connection.execute(statement)
    connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")


def delete_stored(connection: sqlite3.Connection, blobs: Iterable[str], shots: Iterable[Key]) -> None:
    """Delete blobs by digest and thumbnails by event, within a transaction; no other program may."""
    for table in ("blob", "shot"):
        connection.execute(f"DROP TRIGGER {table}_no_DELETE")
    connection.executemany("DELETE FROM blob WHERE sha256 = ?", ((digest,) for digest in blobs))
    connection.executemany("DELETE FROM shot WHERE device = ? AND seq = ?", shots)
    for table in ("blob", "shot"):
        connection.execute(schema_objects()[f"{table}_no_DELETE"])


def replace_meta(connection: sqlite3.Connection, meta: Meta) -> None:
    """Change what a file of schema 3 says of itself."""
    connection.execute("DELETE FROM meta")
    insert(connection, meta, SCHEMA_VERSION)


def check_version(path: Path, version: int) -> None:
    """Refuse a file that this edgefs can neither read nor migrate.

    Raises:
        GalleryError: the file's schema is newer, or older than the oldest that can be migrated.
    """
    if not is_plausible(version):
        raise GalleryError(f"gallery {path} is damaged (the number of its schema); `edgefs gallery repair` mends it")
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
    """Bring an older file up to the first schema in use in one transaction, after a copy `<path>.schema<N>.bak`."""
    version = version_of(connection)
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
