"""Every row that a file holds, as far as it can be read: whatever checksums say, and although pages are damaged."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from edgefs_runtime.gallery.database import has_pending_writes
from edgefs_runtime.gallery.ledger import Tip
from edgefs_runtime.gallery.records import TABLES, Blob, Event, Record, Removed, Row, Shot
from edgefs_runtime.gallery.schema import SCHEMA_VERSION, select, version_of

_SHORTEST_ROW = 100  # bytes: of digests alone every row has more
_SPARE = 1000  # numbers that are tried beyond those that are known


class Stored(NamedTuple):
    """What a file holds.

    Attributes:
        records: the rows of `event` and `removed`, in no order.
        tips: the last row of every device; None where that table is damaged.
        blobs: by digest.
        is_torn: whether some pages can't be read.
        sizes: bytes of each blob by digest, where they stay in the file.
    """

    records: list[Record]
    tips: dict[str, Tip] | None
    blobs: dict[str, bytes]
    is_torn: bool
    sizes: dict[str, int] | None = None


def read_stored(connection: sqlite3.Connection, most: int | None = None) -> Stored:
    """Read everything but thumbnails.

    Args:
        connection: to the file.
        most: leave the embeddings of more images than this in the file, where that is whole.

    Raises:
        sqlite3.Error: not even the list of tables can be read.
    """
    version = version_of(connection)
    connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
    reader = _Reader(connection, version)
    # Sorted by nobody, and not by SQL: a damaged index must not be able to hide or repeat a row.
    records: list[Record] = [Event._make(row) for row in reader.rows(Event)]
    records += [Removed._make(row) for row in reader.rows(Removed)]
    named = [record for record in records if isinstance(record.device, str) and isinstance(record.seq, int)]
    if version >= SCHEMA_VERSION and most is not None and not reader.is_torn and _images(records) > most:
        sizes = _sizes(connection)
        if sizes is not None:
            return Stored(named, _tips(connection), {}, len(named) < len(records), sizes)
    blobs = dict(reader.rows(Blob)) if version >= SCHEMA_VERSION else {}
    is_torn = reader.is_torn or len(named) < len(records)
    sound = {digest: data for digest, data in blobs.items() if isinstance(data, bytes)}
    return Stored(named, _tips(connection), sound, is_torn)


def _images(records: list[Record]) -> int:
    return sum(row.n for row in records if isinstance(row, Event) and row.kind == "enroll" and isinstance(row.n, int))


def _sizes(connection: sqlite3.Connection) -> dict[str, int] | None:
    """Bytes of each blob; None where that can't be read. SQLite knows the length of a blob without reading it."""
    try:
        rows = connection.execute("SELECT sha256, length(data) FROM blob WHERE typeof(data) = 'blob'").fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    return dict(rows)


def read_shots(connection: sqlite3.Connection) -> list[Shot]:
    """Every thumbnail that can be read."""
    return [Shot._make(row) for row in _Reader(connection, version_of(connection)).rows(Shot)]


def refuse_cut(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file at rest that ends before its last page: SQLite would read zeros there.

    Raises:
        sqlite3.DatabaseError: it does.
    """
    pages, size = (connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
    if not has_pending_writes(path) and path.stat().st_size < pages * size:
        raise sqlite3.DatabaseError(f"it ends after {path.stat().st_size:,} of {pages * size:,} bytes")


class _Reader:
    """Reads tables whole, or row by row where that fails."""

    def __init__(self, connection: sqlite3.Connection, version: int) -> None:
        self.is_torn = False
        self._connection, self._version = connection, version

    def rows(self, kind: type[Row]) -> list[Any]:
        query = select(kind, self._version)
        try:
            return self._connection.execute(query).fetchall()
        except sqlite3.OperationalError as error:
            if "decode" not in str(error).lower():
                raise
        except (sqlite3.DatabaseError, UnicodeDecodeError):
            self.is_torn = True
        self._connection.text_factory = _lenient  # text that is none is read too: its checksum will tell
        try:
            return list(self._one_by_one(kind, query)) if self.is_torn else self._at_once(kind, query)
        finally:
            self._connection.text_factory = str

    def _at_once(self, kind: type[Row], query: str) -> list[Any]:
        try:
            return self._connection.execute(query).fetchall()
        except sqlite3.DatabaseError:
            self.is_torn = True
            return list(self._one_by_one(kind, query))

    def _one_by_one(self, kind: type[Row], query: str) -> Iterator[Any]:
        for number in range(1, self._last(TABLES[kind]) + 1):
            try:
                yield from self._connection.execute(f"{query} WHERE rowid = ?", (number,)).fetchall()
            except sqlite3.DatabaseError:
                continue

    def _last(self, table: str) -> int:
        """The highest rowid, or a number beyond it: no file holds more rows than fit into its pages."""
        pages, size = (self._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("page_count", "page_size"))
        most: int = pages * size // _SHORTEST_ROW
        for query in (f"SELECT max(rowid) FROM {table}", "SELECT sum(seq) FROM tip"):  # noqa: S608 - names of ours
            try:
                found: int | None = self._connection.execute(query).fetchone()[0]
            except sqlite3.DatabaseError:
                continue
            return min(found or 0, most) + _SPARE
        return most


def _tips(connection: sqlite3.Connection) -> dict[str, Tip] | None:
    try:
        rows = connection.execute("SELECT device, seq, hash FROM tip").fetchall()
    except (sqlite3.DatabaseError, UnicodeDecodeError):
        return None
    if any([type(column) for column in row] != [str, int, str] for row in rows):
        return None
    return {device: (seq, digest) for device, seq, digest in rows}


def _lenient(data: bytes) -> str:
    return data.decode("utf-8", "surrogateescape")
