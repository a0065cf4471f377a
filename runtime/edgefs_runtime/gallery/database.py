"""Opening a gallery file: as its one owner, or for a moment to read it.

Only SQLite, with its write-ahead log, says what a gallery holds.

- The owner holds SQLite's exclusive lock for as long as it is open, in WAL mode with every commit synced to disk.
- A reader of a file at rest takes no lock and writes nothing. That is safe because an owner writes to `<path>-wal`
  first: while that file holds nothing, the database file is the whole truth. Should an owner start in the middle of a
  read, the files have changed at its end, and the reader tries again.
- A `-wal` file with content belongs to a living owner (the lock tells), or was left by one that was killed: then the
  database file alone may be half of two states. Nothing but the mark that it is a gallery's is read of it; the reader
  takes the lock for a moment, and SQLite brings the last commits home.

No file of a gallery is opened with `open()`: closing such a handle would drop this process's own locks on it (POSIX).
"""

from __future__ import annotations

import os
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.wording import plain
from edgefs_runtime.gallery.first_pages import has_its_pages, is_as_made, with_first_pages
from edgefs_runtime.gallery.mark import mark_path
from edgefs_runtime.gallery.owner import owner_of
from edgefs_runtime.gallery.records import Meta, is_intact
from edgefs_runtime.gallery.schema import APPLICATION_ID, check_version, migrate, select, version_of
from edgefs_runtime.gallery.tables import CREATE

_LONGEST_LOG = 16 * 1024 * 1024  # bytes that the write-ahead log keeps once it came home
_COPIES = 20  # tries to copy a gallery while nobody writes to it
_PAUSE = 0.05  # seconds between two tries to become the owner
CURE = "`edgefs gallery repair` keeps what can be read, `edgefs gallery restore` puts a backup in its place"
_TORN = 0.3  # seconds for which a file that is being written may look damaged


class GalleryBusyError(GalleryError):
    """Another process owns the gallery."""


class GalleryDamagedError(GalleryError):
    """The file does not hold what was written into it."""


@contextmanager
def gallery_errors(path: Path) -> Iterator[None]:
    """Turn what SQLite and the file system say into one line about this gallery."""
    try:
        yield
    except sqlite3.ProgrammingError:
        raise  # a fault of ours
    except sqlite3.Error as error:
        raise _explain(path, str(error)) from error
    except UnicodeDecodeError as error:  # a damaged name in SQLite's own message
        raise _explain(path, "unreadable text") from error
    except OSError as error:
        raise GalleryError(f"gallery {path}: {error.strerror or error}; pass --gallery with a usable path") from error


def _explain(path: Path, message: str) -> GalleryError:
    message = plain(message)
    if "locked" in message:
        return GalleryBusyError(f"gallery {path} is owned by {owner_of(path)}; stop it, or let it do this")
    if "not a database" in message:
        return _not_called_a_gallery(path)
    if "readonly" in message or "unable to open" in message:
        return GalleryError(f"gallery {path} can't be written ({message}); check the rights of the file and its folder")
    if "full" in message or "I/O" in message:
        return GalleryError(f"gallery {path} could not be written ({message}); nothing was changed; is the disk full?")
    return GalleryDamagedError(f"gallery {path} is damaged ({message}); {CURE}")


def _not_called_a_gallery(path: Path) -> GalleryError:
    """What to say of a file whose header names no gallery: of one that is damaged there not that it is another's."""
    with suppress(OSError, sqlite3.Error), with_first_pages(path) as copy:
        if copy is not None:
            return GalleryDamagedError(f"gallery {path} is damaged (its first page); {CURE}")
    return GalleryError(f"{path} is not an edgefs gallery; give the path of another file")


def connect_waiting(
    path: Path, wait: float, check: Callable[[Meta], None], unless: Callable[[], bool] | None = None
) -> sqlite3.Connection | None:
    """As `connect_owner`, trying again while another process owns the gallery.

    Args:
        path: the gallery's file.
        wait: seconds, at most.
        check: given what the file says of itself before it is touched; refuses it by raising.
        unless: whether something better can be done than to wait for that process.

    Returns:
        The connection; None where the file went meanwhile, as one does whose first act was refused.

    Raises:
        GalleryBusyError: it is still owned.
        GalleryError: as `connect_owner`.
    """
    until = time.monotonic() + wait
    while True:
        try:
            before = path.stat()
            connection = _checked_owner(path, check)
        except FileNotFoundError:
            return None
        except (GalleryBusyError, GalleryDamagedError) as error:  # or its owner wrote while we looked at what it is
            busy = isinstance(error, GalleryBusyError)
            is_over = time.monotonic() >= (until if busy else min(until, until - wait + _TORN))
            if is_over or (busy and unless is not None and unless()):
                raise type(error)(f"{error}{_waited(wait)}" if busy else str(error)) from error
            time.sleep(_PAUSE)
            continue
        if _is_the_same(path, before):
            return connection
        connection.close()  # its first owner took it away again, and what would be written here would be lost


def _checked_owner(path: Path, check: Callable[[Meta], None]) -> sqlite3.Connection:
    """As `connect_owner`, refused by what the file says of itself: where it is at rest, before anything is touched."""
    if not has_pending_writes(path):
        check(identify(path))
        return connect_owner(path)
    _refuse_others(path)
    connection = connect_owner(path)
    try:
        check(read_meta(connection, path))
    except BaseException:
        connection.close()
        raise
    return connection


def _waited(wait: float) -> str:
    return f" (waited {wait:g} s; --wait SECONDS waits longer)" if wait else ""


def _is_the_same(path: Path, before: os.stat_result) -> bool:
    try:
        return os.path.samestat(path.stat(), before)
    except OSError:
        return False


def connect_owner(path: Path) -> sqlite3.Connection:
    """Take the gallery: locked for every other process, durable commits, an older schema migrated.

    Raises:
        GalleryBusyError: another process owns it; there is no waiting.
        GalleryError: it can't be written, or its schema can't be migrated.
    """
    if not _is_writable(path):  # SQLite would only speak of an I/O error
        raise GalleryError(f"gallery {path} can't be written; check the rights of the file and its folder")
    with gallery_errors(path):
        connection = _connect(path, "mode=rw")
        try:
            # In this order: with the lock mode set first, WAL needs no shared-memory file beside it.
            connection.execute("PRAGMA locking_mode = EXCLUSIVE")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute(f"PRAGMA journal_size_limit = {_LONGEST_LOG}")
            connection.execute("BEGIN IMMEDIATE")  # takes the lock now, and finds out whether the file can be written
            connection.execute("COMMIT")
            migrate(connection, path)
        except BaseException:
            connection.close()
            raise
    return connection


@contextmanager
def connect_reader(path: Path, *, mends: bool = True) -> Iterator[sqlite3.Connection]:
    """Read the gallery for the length of a `with` block.

    Args:
        path: the gallery's file.
        mends: where the list of its tables is damaged, read a copy with one that was put back.

    Raises:
        GalleryBusyError: another process owns it and has written since it started, or while this one read.
        GalleryError: it can't be read.
    """
    with gallery_errors(path):
        _check_file(path)
        if not has_pending_writes(path):
            with _at_rest(path, mends) as connection:
                yield connection
            return
        _refuse_others(path)  # before SQLite brings a log home: this may be no file of ours
        if _is_writable(path):
            with closing(connect_owner(path)) as connection:
                yield connection
        else:
            with copied(path) as copy, closing(connect_owner(copy)) as connection:
                yield connection


@contextmanager
def _at_rest(path: Path, mends: bool) -> Iterator[sqlite3.Connection]:
    before = stamp(path)
    try:
        with closing(_connect(path, "mode=ro&immutable=1")) as connection:
            if not mends or (is_as_made(connection) and has_its_pages(connection, path)):
                yield connection
            else:
                with with_first_pages(path) as copy:
                    yield connection if copy is None else copy
    except (sqlite3.Error, GalleryError):
        _refuse_changed(path, before)
        raise
    _refuse_changed(path, before)


def _refuse_changed(path: Path, before: tuple[int, ...]) -> None:
    if stamp(path) != before:
        raise GalleryBusyError(f"gallery {path} was written to by {owner_of(path)} while it was read; try again")


def stamp(path: Path) -> tuple[int, ...]:
    """Changes when an owner writes or brings its log home."""
    try:
        state = path.stat()
    except FileNotFoundError:
        return ()
    return state.st_dev, state.st_ino, state.st_mtime_ns, state.st_size, has_pending_writes(path)


@contextmanager
def connect_looking(path: Path) -> Iterator[sqlite3.Connection]:
    """As `connect_reader`, of a copy where another process owns the gallery: for who only looks, whatever goes on.

    Raises:
        GalleryError: it can't be read.
    """
    with gallery_errors(path), ExitStack() as stack:
        try:
            connection = stack.enter_context(connect_reader(path))
        except GalleryBusyError:
            copy = stack.enter_context(copied(path))
            connection = stack.enter_context(closing(connect_owner(copy)))
        yield connection


def has_pending_writes(path: Path) -> bool:
    """Whether commits stand in the write-ahead log that the database file does not hold yet."""
    try:
        return wal_of(path).stat().st_size > 0
    except FileNotFoundError:
        return False


def wal_of(path: Path) -> Path:
    """SQLite's write-ahead log of a gallery."""
    return path.with_name(path.name + "-wal")


def identify(path: Path) -> Meta:
    """What the file is; it changes only where a copy is restored.

    A file at rest is read without a lock and without writing; another owner's log is brought home with its lock.

    Raises:
        GalleryError: it is not a gallery, is empty or damaged, or of a schema that this edgefs does not know.
    """
    with gallery_errors(path), connect_reader(path, mends=False) as connection:
        return read_meta(connection, path)


def _refuse_others(path: Path) -> None:
    """Refuse a file that is not a gallery, by its header alone: the rest makes sense only with the log beside it."""
    with closing(_connect(path, "mode=ro&immutable=1")) as connection:
        connection.execute("PRAGMA writable_schema = ON")  # or a header that knows of more pages would be refused
        found = connection.execute("PRAGMA application_id").fetchone()[0]
    if found != APPLICATION_ID:
        raise GalleryError(f"{path} is not an edgefs gallery; give the path of another file")


def read_meta(connection: sqlite3.Connection, path: Path) -> Meta:
    """The checked row of `meta`.

    Raises:
        GalleryError: not a gallery, of another schema, or damaged.
    """
    if connection.execute("PRAGMA application_id").fetchone()[0] != APPLICATION_ID:
        raise _not_called_a_gallery(path)
    check_version(path, connection.execute("PRAGMA user_version").fetchone()[0])
    _refuse_views(connection, path)
    rows = [Meta._make(row) for row in connection.execute(select(Meta, version_of(connection)))]
    if len(rows) != 1 or not is_intact(rows[0]):
        raise GalleryDamagedError(f"gallery {path} is damaged (the row that describes it); {CURE}")
    return rows[0]


def _refuse_views(connection: sqlite3.Connection, path: Path) -> None:
    """Refuse a file whose tables compute what they seem to hold: reading one might never end.

    Raises:
        GalleryDamagedError: names one.
    """
    for name, kind, sql in connection.execute("SELECT name, type, sql FROM sqlite_master"):
        if str(name).lower() in CREATE and (kind != "table" or not str(sql).startswith("CREATE TABLE")):
            raise GalleryDamagedError(f"gallery {path} is damaged ({name!s:.20} is no table); {CURE}")


def check_space(
    path: Path,
    meta: Meta,
    space_id: str,
    dim: int,
    cure: str = "pass --gallery with another path and enroll again",
) -> None:
    """Refuse a gallery whose embeddings can't be compared with this bundle's; `cure` says what to do.

    Raises:
        GalleryError: it is of another embedding space.
    """
    if (meta.space_id, meta.dim) != (space_id, dim):
        raise GalleryError(
            f"gallery {path} holds embeddings of space {meta.space_id[:12]} ({meta.dim} dimensions), this bundle makes "
            f"{space_id[:12]} ({dim}); {cure}"
        )


def _check_file(path: Path) -> None:
    if not path.is_file():
        raise GalleryError(f"there is no gallery file at {path}; expected one that `edgefs enroll` made")
    if path.stat().st_size == 0:  # SQLite would take it for a new database
        raise GalleryError(f"gallery {path} is empty (0 bytes); remove it to start again from the bundle's seed")


def _is_writable(path: Path) -> bool:
    return os.access(path, os.W_OK) and os.access(path.parent, os.W_OK)  # the folder too, for the write-ahead log


def _connect(path: Path, options: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.absolute().as_uri()}?{options}",
        uri=True,
        timeout=0,
        isolation_level=None,  # transactions are ours to begin and end
        check_same_thread=False,  # Gallery holds its own lock
    )
    connection.execute("PRAGMA trusted_schema = OFF")
    return connection


@contextmanager
def copied(path: Path) -> Iterator[Path]:
    """A copy of a gallery with its log and its mark, for the length of a `with` block."""
    import shutil
    import tempfile  # rarely needed, and not free for `edgefs predict`

    with tempfile.TemporaryDirectory(prefix="edgefs-") as folder:
        copy = Path(folder) / path.name
        with suppress(FileNotFoundError):  # the mark first: an owner writes it last
            shutil.copyfile(mark_path(path), mark_path(copy))
        _copy_files(path, copy)
        try:
            yield copy
        except GalleryError as error:  # a person knows the file that was copied
            raise type(error)(str(error).replace(str(copy), str(path))) from error


def copy_gallery(path: Path, copy: Path) -> None:
    """Copy a gallery of another process with what stands in its write-ahead log, without a lock and without a trace.

    Raises:
        GalleryError: there is no such gallery, or it can't be read or copied.
    """
    _check_file(path)
    _refuse_others(path)
    _copy_files(path, copy)


def _copy_files(path: Path, copy: Path) -> None:
    """Copy both files as they were at one moment: what an owner writes meanwhile makes them be copied again."""
    import shutil

    with gallery_errors(path):
        for _ in range(_COPIES):
            before = stamp(path), _log_stamp(path)
            shutil.copyfile(path, copy)
            wal_of(copy).unlink(missing_ok=True)
            with suppress(FileNotFoundError):
                shutil.copyfile(wal_of(path), wal_of(copy))
            if (stamp(path), _log_stamp(path)) == before:
                return
        raise GalleryBusyError(f"gallery {path} is written to by {owner_of(path)} all the time; try again")


def _log_stamp(path: Path) -> tuple[int, int]:
    try:
        state = wal_of(path).stat()
    except FileNotFoundError:
        return 0, 0
    return state.st_mtime_ns, state.st_size
