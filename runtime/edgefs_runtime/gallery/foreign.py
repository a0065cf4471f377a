"""What another device's rows must be before anything of them is written here.

A checksum tells that a row is what its writer wrote, and nothing of whether the writer meant well. Everything that a
row says is parsed here once, before the merge: what is parsed later need not expect anything else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.gallery.check import broken_links
from edgefs_runtime.gallery.database import GalleryDamagedError
from edgefs_runtime.gallery.decrees import approved_by
from edgefs_runtime.gallery.deeds import deed_of, is_deed
from edgefs_runtime.gallery.ledger import Ledger
from edgefs_runtime.gallery.records import Event, Record
from edgefs_runtime.gallery.seed import Seed


def refuse_damaged(ledger: Ledger, path: Path, done: str = "merged") -> None:
    """Refuse a gallery of which a row is damaged or missing, or that does not stand in its chain.

    Raises:
        GalleryDamagedError: names the first.
    """
    for problem in ledger.problems:
        raise GalleryDamagedError(
            f"gallery {path} was not {done}: {problem.sentence}; mend it there with `edgefs gallery repair` first"
        )
    for sentence in broken_links(ledger.records, ledger.lost):
        raise GalleryDamagedError(f"gallery {path} was not {done}: {sentence}")


def parse_row(record: Record, seed: Seed) -> None:
    """Refuse a row that says what no row may say.

    Raises:
        GalleryError: in one line what is wrong; the caller says whose row it is.
    """
    if not isinstance(record, Event):
        _ = record.target_keys, record.positions
        return
    if record.space_id != seed.space_id:
        raise GalleryError("is of another embedding space")
    if record.kind == "align" and record.alignment().dim * seed.views != seed.dim:
        raise GalleryError("aligns another embedding space")
    if is_deed(record):
        deed_of(record)
    approved_by(record)


def refuse_foreign(ledger: Ledger, path: Path, seed: Seed) -> None:
    """Parse every row of another gallery.

    Raises:
        GalleryError: names the row that is not one of a gallery like this.
    """
    for record in ledger.records:
        try:
            parse_row(record, seed)
        except GalleryError as error:
            raise GalleryError(f"gallery {path} was not merged: row {record.key} {error}") from error
    _refuse_changed_blobs(ledger.blobs, path)


def _refuse_changed_blobs(blobs: Mapping[str, bytes], path: Path) -> None:
    for digest, data in blobs.items():
        if hashlib.sha256(data).hexdigest() != digest:
            raise GalleryDamagedError(f"gallery {path} was not merged: blob {digest:.12} is damaged")
