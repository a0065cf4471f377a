"""A gallery file that this process owns: opened, looked at, closed, and written to, one whole act at a time."""

from __future__ import annotations

import functools
import json
import os
import sqlite3
import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from datetime import datetime, timezone
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.labels import labels_of
from edgefs_runtime.base.logs import logger_of
from edgefs_runtime.base.state import lies
from edgefs_runtime.decision.snapshot import REFINED, Snapshot
from edgefs_runtime.gallery.blobs import BlobDamagedError, StoredBlobs
from edgefs_runtime.gallery.check import check_connection
from edgefs_runtime.gallery.choosing import unknown_class
from edgefs_runtime.gallery.contents import apart
from edgefs_runtime.gallery.creation import create
from edgefs_runtime.gallery.database import (
    CURE,
    GalleryDamagedError,
    check_space,
    connect_looking,
    connect_waiting,
    gallery_errors,
    has_pending_writes,
    read_meta,
    wal_of,
)
from edgefs_runtime.gallery.forked import never_close, watch
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.loading import load_ledger, set_damaged_apart
from edgefs_runtime.gallery.log import LogEntry, log_entries
from edgefs_runtime.gallery.mark import Mark, mark_path
from edgefs_runtime.gallery.owner import forget_owner, note_owner
from edgefs_runtime.gallery.reading import add_seed, known_images, thumbnails_of, view_of, warnings_of
from edgefs_runtime.gallery.records import Act, Meta, Record, Shot, seal
from edgefs_runtime.gallery.schema import SCHEMA_VERSION
from edgefs_runtime.gallery.seed import Seed, plain_text
from edgefs_runtime.gallery.snapshot_file import snapshot_path, write_snapshot
from edgefs_runtime.gallery.writing import Writer

if TYPE_CHECKING:
    from edgefs_runtime.decision.held import Fit
    from edgefs_runtime.gallery.fitted_file import Fitted

_logger = logger_of(__name__)

Guard = Callable[[Snapshot, Snapshot], None]  # is shown what counts and what would, and raises where that must not be

Held = TypeVar("Held", bound="Owned")


class Owned:
    """A gallery file, its rows in memory, and the one connection that writes. What is written, `store.Gallery` says.

    Attributes:
        path: the gallery's file.
        device: the random name under which this file numbers its acts.
    """

    def __init__(self, connection: sqlite3.Connection, path: Path, seed: Seed, device: str) -> None:
        self.path = path
        self.device = device
        self._seed = seed
        self._connection = connection
        self._lock = threading.RLock()
        self._ledger = self._loaded()
        if self._ledger.is_torn:
            raise GalleryDamagedError(f"gallery {path} is damaged (pages that can't be read); {CURE}")
        self._unwritten = add_seed(self._ledger, seed)  # a bundle's seed enters the file with the first act
        self._snapshot: Snapshot | None = None
        self._latest: Snapshot | None = None  # also when something was written since
        self._remembered: tuple[str, str | None] | None = None
        self._writer = Writer(connection, path)
        self._keep_days = read_meta(connection, path).keep_days
        self._is_closed = False
        note_owner(path)
        if has_pending_writes(path):  # of an owner that was killed: its snapshot file may be of before its last act
            self._writer.settle()
        watch(self)

    @classmethod
    def open(
        cls: type[Held], path: Path, seed: Seed, *, wait: float = 0, unless: Callable[[], bool] | None = None
    ) -> Held:
        """Take the gallery at `path`, made from the seed when there is none.

        Args:
            path: the gallery's file.
            seed: of the bundle in use.
            wait: seconds to wait, at most, while another process owns it.
            unless: whether something better can be done than to wait for that process.

        Raises:
            GalleryError: another process owns it; it is damaged, no gallery, of a newer schema or of another embedding
                space; or the folder can't be written. Nothing is written then.
        """
        connection = None
        while connection is None:
            if not lies(path):
                meta = Meta(os.urandom(16).hex(), seed.bundle_name, seed.space_id, seed.dim, now())
                create(path, seal(meta), seed.events(), seed.shots())
            check = functools.partial(check_space, path, space_id=seed.space_id, dim=seed.dim)
            connection = connect_waiting(path, wait, check, unless)
        try:
            return cls(connection, path, seed, read_meta(connection, path).device)
        except BaseException:
            connection.close()
            raise

    def __enter__(self: Held) -> Held:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let the gallery go; a second call does nothing."""
        with self._lock:
            if not self._is_closed:
                if self._writer.has_written:
                    self._let_go(at_once=True)
                self._is_closed = True
                forget_owner(self.path)
                self._writer.close()

    def after_fork(self) -> None:
        """Leave the file to the process that this one was forked from."""
        self._lock = threading.RLock()
        self._is_closed = True
        never_close(self._connection)

    def discard(self) -> None:
        """Close a gallery that holds nothing but a seed and remove its file, while nobody else can have written to it.

        One that was taught stays.
        """
        with self._lock:
            if self.sequence or self._is_closed:
                self.close()
                return
            with suppress(OSError):  # Windows removes no open file
                self.path.unlink()
            self.close()
            for leftover in (wal_of(self.path), snapshot_path(self.path), mark_path(self.path)):
                leftover.unlink(missing_ok=True)

    @property
    def sequence(self) -> int:
        """Number of rows beyond the seed's; 0 = the seed alone. It never falls, and a merge raises it."""
        return self._ledger.sequence

    @property
    def is_aligned(self) -> bool:
        """Whether this device's camera was realigned, and that stands."""
        return bool(self._ledger.alignments(self.device))

    @property
    def health(self) -> tuple[str, ...]:
        """Sentences, one for each thing that should be mended: what is damaged or lost, a disk that is nearly full."""
        with self._lock:
            full = self._writer.warning()
            return (*warnings_of(self._ledger), *([full] if full else ()))

    def snapshot(self) -> Snapshot:
        """What counts now, immutable; the same object until the next write.

        Raises:
            GalleryError: every class was forgotten.
        """
        with self._lock:
            if self._snapshot is None:
                self._snapshot = self._latest = view_of(self._ledger, self._seed, self.device, self._before)
            return self._snapshot

    def remember(self, fit: Fit | None, of: Snapshot | None = None) -> None:
        """Keep what decides by a large gallery as it is now, for its readers and for whoever opens it next.

        Args:
            fit: what decides.
            of: by which snapshot; damage that was found since takes something away from it.
        """
        with self._lock:
            snapshot = self.snapshot()
            fit = None if of is not None and of.content != snapshot.content else fit
            key = snapshot.content, fit and fit.key
            if not snapshot.is_large or isinstance(snapshot.held, np.ndarray) or key == self._remembered:
                return
            from edgefs_runtime.gallery.keeping import keep

            try:
                keep(self.path, snapshot, self._seed, fit)
                self._remembered = key
            except OSError as error:
                _logger.warning("%s: other processes can't read it until it is closed (%s)", self.path, error)

    def unread(self) -> list[str]:
        """Digests of the embeddings that were left in the file."""
        with self._lock:
            return list(self._ledger.blobs) if isinstance(self._ledger.blobs, StoredBlobs) else []

    def look_at(self, digest: str) -> bool:
        """Read some embeddings; where they are damaged, what they taught counts no more and `health` tells so.

        Returns:
            Whether they are damaged, and were not known to be.
        """
        with self._lock:
            if self._is_closed:
                return False
            try:
                self._ledger.blobs.get(digest)
            except BlobDamagedError:
                set_damaged_apart(self._ledger, digest)
                self._snapshot = None
                return True
            return False

    def _loaded(self) -> Ledger:
        return load_ledger(self._connection, self.path, later=self._reading)

    def _reading(self) -> AbstractContextManager[sqlite3.Connection]:
        """The file, to read what was left in it; snapshots outlive the ownership."""
        return connect_looking(self.path) if self._is_closed else nullcontext(self._connection)

    def _refuse_closed(self) -> None:
        if self._is_closed:
            raise GalleryError(f"gallery {self.path} was let go, or is the parent process's; open it again")

    def _before(self) -> Snapshot | Fitted | None:
        """What counted before, or what an earlier owner kept of it."""
        if self._latest is not None:
            return self._latest
        from edgefs_runtime.gallery.fitted_file import load_fitted

        return load_fitted(self.path, self._seed)

    def known(self) -> dict[str, str]:
        """The class of every image that was taught and counts or is pending, by the image's digest."""
        with self._lock:
            return known_images(self._ledger, self._seed)

    def refined_labels(self) -> set[str]:
        """Classes that a mean of unlabelled images was added to, and counts."""
        with self._lock:
            view = self._ledger.view(self._seed.device)
            return {event.label for event in view if REFINED in json.loads(event.parts)}

    def log(self) -> list[LogEntry]:
        """Every act beyond the seed, in the order of their times."""
        with self._lock:
            return log_entries(self._ledger.records)

    def check(self) -> list[str]:
        """Problems of the file, one line each: structure, checksums, hash chains, shapes; empty when it is whole."""
        with self._lock:
            return check_connection(self._connection, self.path)

    def thumbnails(self, label: str) -> list[bytes]:
        """The pictures kept of the class's images that count, in their order.

        Raises:
            GalleryError: no such class.
        """
        with self._lock, gallery_errors(self.path):
            view = self._ledger.view(self._seed.device)
            labels = labels_of(label, {event.label for event in view})
            events = [event for event in view if event.label in labels]
            if not events:
                raise unknown_class(label, {event.label for event in view})
            found = (thumbnails_of(self._connection, self._ledger, event) for event in events)
            return [jpeg for jpegs in found for jpeg in jpegs]

    def _next_seq(self) -> int:
        return self._ledger.tip(self.device)[0] + 1

    def _act(self, actor: str, reason: str) -> Act:
        return Act(
            self.device,
            self._next_seq(),
            self._seed.digest,
            now(),
            plain_text("actor", actor),
            plain_text("reason", reason),
        )

    def _asked(
        self, guard: Guard | None, rows: Sequence[Record], blobs: Mapping[str, bytes] | None = None
    ) -> Snapshot | None:
        """What would count with further rows, where a guard is there and lets them pass."""
        if guard is None:
            return None
        self._view(self._ledger)
        further = self._ledger.with_rows(rows, blobs)
        after = self._view(further)
        for key in further.apart.keys() & self._ledger.events.keys():  # it was read for the first time
            set_damaged_apart(self._ledger, self._ledger.events[key].vectors_digest)
            self._snapshot = None
        guard(self._view(self._ledger), after)
        return after

    def _append(
        self,
        drafts: Sequence[Record],
        shots: Sequence[Shot] = (),
        guard: Guard | None = None,
        *,
        takes_away: bool = False,
    ) -> None:
        """Chain this device's new rows to its last one and write them, unless the guard refuses."""
        after = self._asked(guard, drafts)
        blobs: dict[str, bytes] = {}
        if self._writer.version >= SCHEMA_VERSION:
            drafts, blobs = apart(drafts)
        rows: list[Record] = []
        for draft in drafts:
            rows.append(seal(draft, rows[-1].hash if rows else self._ledger.tip(self.device)[1]))
        self._write(rows, shots, blobs, after, takes_away=takes_away)

    def _write(
        self,
        rows: Sequence[Record],
        shots: Sequence[Shot],
        blobs: Mapping[str, bytes],
        after: Snapshot | None,
        *,
        takes_away: bool = False,
    ) -> None:
        """Write rows; `after` is what counts then, where that is known already."""
        self._refuse_closed()
        with gallery_errors(self.path):
            if not self._writer.has_written:  # no reader may take what an earlier owner left for what this one does
                snapshot_path(self.path).unlink(missing_ok=True)
            seeded = self._seed.shots() if self._unwritten else ()
            self._writer.write([*self._unwritten, *rows], [*seeded, *shots], blobs, takes_away=takes_away)
        self._unwritten = []
        self._ledger.add(rows)
        self._ledger.blobs.update(blobs)
        is_back = any(event.vectors_digest in blobs for event in self._ledger.apart.values())
        if self._ledger.problems or is_back:  # what was lost may have come with these rows
            self._ledger, after = self._loaded(), None
        seq, digest = self._ledger.tip(self.device)
        self._writer.note(Mark(self.device, seq, digest, self._ledger.sequence, now()))
        self._snapshot = after if after is not None and after.labels else None
        self._latest = self._snapshot or self._latest
        self._publish()
        self._let_go()

    def _let_go(self, *, at_once: bool = False) -> None:
        """Let go of what was forgotten long ago; an act stands whether or not this works."""
        try:
            self._writer.forget_long_ago(self._ledger, self._keep_days, at_once=at_once)
        except sqlite3.Error as error:
            _logger.warning("%s: what was forgotten long ago could not be let go (%s)", self.path, error)

    def _publish(self) -> None:
        """Bring the snapshot file up to date; the act itself stands whether or not this works."""
        try:
            snapshot = self._view(self._ledger)
            if isinstance(snapshot.held, np.ndarray):
                write_snapshot(self.path, snapshot, self._seed)
            else:  # until `remember`: readers wait for it
                self._remembered = None
                snapshot_path(self.path).unlink(missing_ok=True)
        except OSError as error:
            _logger.warning("%s: other processes can't read the gallery until it is closed (%s)", self.path, error)
            # An outdated file would be worse than none, and removing it needs no space.
            with suppress(OSError):
                snapshot_path(self.path).unlink()

    def _view(self, ledger: Ledger) -> Snapshot:
        """What counts by a ledger; without labels where no class is left."""
        if ledger.view(self._seed.device):
            return (
                self.snapshot()
                if ledger is self._ledger
                else view_of(ledger, self._seed, self.device, lambda: self._latest)
            )
        none = np.empty(0, np.int64)
        return Snapshot(np.empty((0, self._seed.dim), np.float32), (), (), none, none, ledger.sequence)


def now() -> str:
    """The time of an act: UTC, ISO 8601, to the millisecond."""
    return datetime.now(timezone.utc).isoformat(timespec="milliseconds")
