"""Putting a gallery file made anew in the place of another, of which a copy is kept."""

from __future__ import annotations

import os
import shutil
import sqlite3
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from datetime import datetime, timezone
from pathlib import Path

from edgefs_runtime.base.durable import beside, make_folder, sync_file, sync_folder
from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.creation import fill
from edgefs_runtime.gallery.database import GalleryBusyError, connect_owner, gallery_errors, stamp, wal_of
from edgefs_runtime.gallery.ledger import Tip
from edgefs_runtime.gallery.records import Meta, Record, Shot
from edgefs_runtime.gallery.snapshot_file import snapshot_path


@dataclass(frozen=True)
class Contents:
    """Everything that a gallery file holds.

    Attributes:
        meta: what the file is, sealed.
        records: rows as they were sealed.
        tips: each device's last row, also where that row is lost.
        shots: thumbnails.
        blobs: by digest.
    """

    meta: Meta
    records: Sequence[Record]
    tips: Mapping[str, Tip]
    shots: Sequence[Shot]
    blobs: Mapping[str, bytes] = field(default_factory=dict)


def settle(path: Path) -> None:
    """Bring a killed owner's log home where that is possible, and find out that nobody owns the file.

    Raises:
        GalleryBusyError: somebody does.
    """
    try:
        connect_owner(path).close()
    except GalleryBusyError:
        raise
    except (GalleryError, sqlite3.Error):  # it is to be replaced all the same
        return


def replace(path: Path, contents: Contents, word: str) -> Path | None:
    """Put a file of these contents in the place of `path`, and return where that is kept; None where there was none.

    Args:
        path: the gallery's file.
        contents: of the new one.
        word: what became of the old one, for the name of its copy.

    Raises:
        GalleryError: the folder can't be written, or somebody wrote to the old file meanwhile; it stands then.
    """
    with gallery_errors(path):
        make_folder(path.parent)
        before = stamp(path)
        temporary = beside(path)
        try:
            fill(temporary, contents.meta, contents.records, contents.shots, contents.blobs)
            _note_tips(temporary, contents.tips)
            sync_file(temporary)
            kept = _kept(path, word) if before else None
            if stamp(path)[:4] != before[:4]:
                raise GalleryBusyError(f"gallery {path} was written to meanwhile; nothing was replaced")
            temporary.replace(path)
        finally:
            for leftover in (temporary, wal_of(temporary)):
                leftover.unlink(missing_ok=True)
        snapshot_path(path).unlink(missing_ok=True)
        sync_folder(path.parent)
        return kept


def _kept(path: Path, word: str) -> Path:
    """Keep the old file under another name; its log goes there first, or it would be replayed into the new one."""
    time = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%S%f")
    kept = path.with_name(f"{path.name}.{word}-{time}")
    if wal_of(path).exists():
        wal_of(path).replace(wal_of(kept))
    try:
        os.link(path, kept)
    except OSError:  # no hard links here
        shutil.copyfile(path, kept)
    sync_folder(path.parent)
    return kept


def _note_tips(path: Path, tips: Mapping[str, Tip]) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        rows = [(device, *tip) for device, tip in tips.items()]
        connection.executemany("INSERT OR REPLACE INTO tip VALUES (?, ?, ?)", rows)
        connection.execute("COMMIT")
