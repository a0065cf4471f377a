"""A gallery whose list of tables was damaged, as it can still be read.

SQLite begins with that list: one flipped bit in it, or in the file's header, and nothing can be found any more. But
what stands there is the same in every gallery that was made by one edgefs, on the same pages. So they are taken from a
new, empty one, and held against the file: its row `meta` must be what was written, or the pages are not used. Nothing
is written to the file itself.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import lru_cache
from pathlib import Path

from edgefs_runtime.gallery.records import Meta, is_intact
from edgefs_runtime.gallery.schema import (
    APPLICATION_ID,
    FIRST_SCHEMA,
    SCHEMA_VERSION,
    WITH_DEEDS,
    is_plausible,
    schema_objects,
    select,
    version_of,
)

_HEADER = 100  # bytes before the first page's own tree
_INTERIOR, _LEAF = 0x05, 0x0D


class FirstPagesConnection(sqlite3.Connection):
    """A connection to a copy whose first pages were put back."""


def is_as_made(connection: sqlite3.Connection) -> bool:
    """Whether a file says of itself what edgefs made, and has the tables that it made."""
    try:
        if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
            return False
        version = version_of(connection)
        if not is_plausible(version):
            return False
        if not FIRST_SCHEMA <= version <= SCHEMA_VERSION:  # what a newer edgefs wrote is no damage
            return True
        rows = connection.execute("SELECT type, name, sql FROM sqlite_master").fetchall()  # triggers can be unreadable
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    tables = {name: sql for name, sql in schema_objects(version).items() if sql.startswith("CREATE TABLE")}
    return tables.items() <= {name: sql for kind, name, sql in rows if kind == "table"}.items()


def has_its_pages(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether a file at rest has as many pages as its header says.

    SQLite believes the header: with fewer, rows behind them are not found, and what is written goes over them.
    """
    (pages,), (size,) = (connection.execute(f"PRAGMA page_{name}").fetchone() for name in ("count", "size"))
    return bool(pages * size == path.stat().st_size)


@contextmanager
def with_first_pages(path: Path) -> Iterator[sqlite3.Connection | None]:
    """A connection to a copy of a gallery at rest with other first pages; None where they don't fit it."""
    import tempfile  # rarely needed, and not free for `edgefs predict`

    with tempfile.TemporaryDirectory(prefix="edgefs-") as folder:
        for version in (SCHEMA_VERSION, WITH_DEEDS) if _is_ours(path) else ():
            copy = Path(folder) / f"{path.name}-{version}"
            if not _put_back(path, copy, _new_file(version)):
                continue
            with closing(sqlite3.connect(copy, isolation_level=None, factory=FirstPagesConnection)) as connection:
                connection.execute("PRAGMA trusted_schema = OFF")
                if _fits(connection, version):
                    yield connection
                    return
        yield None


@lru_cache
def _new_file(version: int) -> bytes:
    """An empty gallery of a version, as `creation` and its ancestors made it."""
    import tempfile

    with tempfile.TemporaryDirectory(prefix="edgefs-") as folder:
        return _made(Path(folder) / "new", version)


def _made(path: Path, version: int) -> bytes:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        if version >= SCHEMA_VERSION:
            connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        connection.execute(f"PRAGMA application_id = {APPLICATION_ID}")
        connection.execute(f"PRAGMA user_version = {version}")
        connection.execute("BEGIN")
        for statement in schema_objects(version).values():
            connection.execute(statement)
        connection.execute("COMMIT")
    return path.read_bytes()


def _is_ours(path: Path) -> bool:
    """Whether the number of the schema is one that this edgefs knows, or the kind of file where that is none at all."""
    with path.open("rb") as file:
        file.seek(60)
        head = file.read(12)
    version, kind = (int.from_bytes(head[at : at + 4], "big") for at in (0, 8))
    return FIRST_SCHEMA <= version <= SCHEMA_VERSION or (kind == APPLICATION_ID and not is_plausible(version))


def _put_back(path: Path, copy: Path, new: bytes) -> bool:
    """Copy a file with the first page of a new one and those that it leads to; False where it has fewer pages."""
    size = int.from_bytes(new[16:18], "big")
    pages = _pages_of_list(new, size)
    length = path.stat().st_size // size * size  # a copy that was broken off ends in the middle of a page
    if length < max(pages) * size:
        return False
    import shutil  # rarely needed, and not free for `edgefs predict`

    shutil.copyfile(path, copy)
    with copy.open("r+b") as file:
        file.truncate(length)
        for page in pages:
            file.seek((page - 1) * size)
            file.write(new[(page - 1) * size : page * size])
        file.seek(28)
        file.write((length // size).to_bytes(4, "big") + bytes(8))  # no free pages
    return True


def _pages_of_list(new: bytes, size: int) -> list[int]:
    """The pages of the tree that lists the tables."""
    pages, found = [1], []
    while pages:
        page = pages.pop()
        found.append(page)
        start = (page - 1) * size
        head = start + (_HEADER if page == 1 else 0)
        if new[head] != _INTERIOR:
            continue
        cells = int.from_bytes(new[head + 3 : head + 5], "big")
        for number in range(cells):
            at = head + 12 + 2 * number
            cell = start + int.from_bytes(new[at : at + 2], "big")
            pages.append(int.from_bytes(new[cell : cell + 4], "big"))
        pages.append(int.from_bytes(new[head + 8 : head + 12], "big"))
    return found


def _fits(connection: sqlite3.Connection, version: int) -> bool:
    try:
        rows = [Meta._make(row) for row in connection.execute(select(Meta, version))]
    except (sqlite3.Error, UnicodeDecodeError):
        return False
    return len(rows) == 1 and is_intact(rows[0])
