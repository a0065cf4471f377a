"""How rows get into a file: on the disk before they are acknowledged, and with some space kept for a full one."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from edgefs_runtime.base.durable import sweep, swept_folder
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.base.state import challenge_folder
from edgefs_runtime.gallery.compacting import Freed, let_go
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.mark import RESERVE, Mark, MarkFile, room_warning
from edgefs_runtime.gallery.owner import owner_path
from edgefs_runtime.gallery.records import Meta, Record, Shot, seal
from edgefs_runtime.gallery.schema import SCHEMA_VERSION, insert_rows, replace_meta, upgrade, version_of
from edgefs_runtime.gallery.snapshot_file import snapshot_path

_logger = logger_of(__name__)

_ACTS_AHEAD = 20  # acts like the latest one that the disk should have room for
_EVERY = 64  # acts after which an owner that never closes lets go of what was forgotten long ago


class Writer:
    """The one connection that writes to a gallery.

    Attributes:
        connection: to the file, with its lock.
        version: the file's schema.
        has_written: whether anything was.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self.connection = connection
        self.version = version_of(connection)
        self.has_written = False
        self._path = path
        self._mark = MarkFile(path)
        self._latest = 0  # bytes of the latest act, roughly
        self._acts = 0
        sweep(path, snapshot_path(path), owner_path(path))
        with suppress(OSError), swept_folder(challenge_folder(path)):
            pass  # what a process that was killed left among the parts that guard it

    def settle(self) -> None:
        """Bring the log of an owner that was killed home, so that readers see what it wrote last."""
        if not self._brought_home():
            with suppress(OSError):
                snapshot_path(self._path).unlink()

    def write(
        self, rows: Sequence[Record], shots: Sequence[Shot], blobs: Mapping[str, bytes], *, takes_away: bool
    ) -> None:
        """Bring rows to the disk, all or none.

        Args:
            rows: sealed.
            shots: their thumbnails.
            blobs: their embeddings, by digest.
            takes_away: an act that makes room some day may use the space that is kept for a full disk.

        Raises:
            sqlite3.Error: they can't be written; nothing is then.
        """
        try:
            self._commit(rows, shots, blobs)
        except sqlite3.Error as error:
            if not (takes_away and _is_full(error) and self._mark.free_reserve()):
                raise
            self._commit(rows, shots, blobs)
        self.has_written = True
        self.version = version_of(self.connection)
        self._latest = sum(map(len, blobs.values())) + sum(len(shot.jpeg) for shot in shots) + 4096 * len(rows)

    def note(self, mark: Mark) -> None:
        """Note beside the file what was written, so that its loss would be seen; where that fails, it would not be."""
        try:
            self._mark.write(mark)
        except OSError as error:
            _logger.warning("%s: the mark of what was taught can't be written (%s)", self._path, error)
        if not self._mark.has_reserve() and not room_warning(self._path):
            self._mark.keep_reserve()

    def forget_long_ago(self, ledger: Ledger, keep_days: int | None, *, at_once: bool = False) -> Freed:
        """Let go of what was forgotten long ago; every so many acts, and when it is asked for.

        Raises:
            sqlite3.Error: it can't be written; nothing is let go then.
        """
        self._acts += 1
        is_due = at_once or self._acts % _EVERY == 0
        if self.version < SCHEMA_VERSION or ledger.problems or not is_due:
            return Freed(0, 0)
        freed = let_go(self.connection, ledger, keep_days)
        if freed.bytes:
            self._brought_home()  # only then the file gets shorter, and the log too
        return freed

    def compact(self, ledger: Ledger, meta: Meta) -> Freed:
        """Set how long what was forgotten is kept, let go of the rest, and make the file as short as it can be.

        Raises:
            sqlite3.Error: it can't be written.
        """
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            upgrade(self.connection)
            replace_meta(self.connection, seal(meta))
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                self.connection.execute("ROLLBACK")
            raise
        self.version, self.has_written = version_of(self.connection), True
        freed = let_go(self.connection, ledger, meta.keep_days)
        self.connection.execute("PRAGMA auto_vacuum = INCREMENTAL")
        self.connection.execute("VACUUM")
        return freed

    def warning(self) -> str:
        """A sentence, where the disk will soon have no room for acts like the latest one; else empty."""
        return room_warning(self._path, max(_ACTS_AHEAD * self._latest, 4 * RESERVE))

    def close(self) -> None:
        """Bring the log home and let the file go. On a full disk the log stays beside it, whole and synced."""
        if self.has_written and not self._brought_home() and self._mark.free_reserve():
            self._brought_home()
        self.connection.close()
        self._mark.close()

    def _commit(self, rows: Sequence[Record], shots: Sequence[Shot], blobs: Mapping[str, bytes]) -> None:
        self.connection.execute("BEGIN IMMEDIATE")
        try:
            insert_rows(self.connection, rows, shots, blobs)
            self.connection.execute("COMMIT")
        except BaseException:
            if self.connection.in_transaction:
                with suppress(sqlite3.Error):
                    self.connection.execute("ROLLBACK")
            raise

    def _brought_home(self) -> bool:
        try:
            busy: int = self.connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()[0]
        except sqlite3.Error as error:
            _logger.warning("%s: its log can't be brought home now and stays beside it (%s)", self._path, error)
            return False
        return not busy


def _is_full(error: sqlite3.Error) -> bool:
    return "full" in str(error) or "I/O" in str(error)
