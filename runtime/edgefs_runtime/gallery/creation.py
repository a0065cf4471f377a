"""Making a gallery file so that it is either absent or whole, however the making ends."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from pathlib import Path
from types import MappingProxyType

from edgefs_runtime.base.durable import beside, make_folder, sync_file, sync_folder
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.database import gallery_errors, wal_of
from edgefs_runtime.gallery.records import Meta, Record, Shot
from edgefs_runtime.gallery.schema import APPLICATION_ID, SCHEMA_VERSION, insert, insert_rows, schema_objects


def create(
    path: Path,
    meta: Meta,
    events: Sequence[Record],
    shots: Sequence[Shot],
    blobs: Mapping[str, bytes] = MappingProxyType({}),
) -> None:
    """Write a new gallery beside `path` and give it its name at the end; one made meanwhile by another stands.

    Raises:
        GalleryError: the folder can't be written, the disk is full, or a write-ahead log lies where the file should.
    """
    with gallery_errors(path):
        make_folder(path.parent)
        if wal_of(path).exists() and not path.exists():  # SQLite would replay it into the new file
            raise GalleryError(f"{wal_of(path)} belongs to a gallery that is gone; put {path.name} back or remove both")
        temporary = beside(path)
        try:
            fill(temporary, meta, events, shots, blobs)
            sync_file(temporary)
            _name(temporary, path)
        except (FileNotFoundError, sqlite3.Error):  # the owner of one that was made meanwhile swept this away
            if not path.exists():
                raise
        finally:
            for leftover in (temporary, wal_of(temporary)):
                leftover.unlink(missing_ok=True)
        sync_folder(path.parent)


def fill(path: Path, meta: Meta, events: Sequence[Record], shots: Sequence[Shot], blobs: Mapping[str, bytes]) -> None:
    """Write a whole gallery into a new file, which is not synced."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # what is let go makes the file shorter
        connection.execute("PRAGMA journal_mode = OFF")  # a half-written file is thrown away, not rolled back
        connection.execute("PRAGMA synchronous = OFF")  # synced once, at the end
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {SCHEMA_VERSION}")
        connection.execute("BEGIN")
        for statement in schema_objects().values():
            connection.execute(statement)
        insert(connection, meta, SCHEMA_VERSION)
        insert_rows(connection, events, shots, blobs)
        connection.execute("COMMIT")
        connection.execute("PRAGMA journal_mode = WAL")  # so that two first owners meet at one lock


def _name(temporary: Path, path: Path) -> None:
    """Give the finished file its name, never over another: that one may already hold what somebody taught."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    except OSError:  # no hard links here (FAT cards, some network folders)
        if not path.exists():
            temporary.replace(path)
