"""The high-water mark beside a gallery: what was acknowledged last, and some space for the day when the disk is full.

SQLite drops the tail of its write-ahead log where a checksum is wrong, without a word: after a power cut that is right,
after a flipped bit it loses acts that were acknowledged. The mark is written and synced behind every act, before it is
acknowledged, so that whoever opens the gallery can tell.

Rules: `<gallery>.mark` begins with two slots of 512 bytes, a sector of a disk each, written in turns, so that a power
cut tears one at most; the whole one of the higher `written` holds. A slot is a JSON object, a space, the CRC-32 of its
text as 8 hex digits, and spaces. Behind them lie RESERVE bytes that mean nothing: they are given back where the disk is
full, so that an act that takes something away, and the closing, succeed. A gallery without a mark is as good as any.
"""

from __future__ import annotations

import json
import os
import zlib
from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

from edgefs_runtime.base.durable import sync_folder

_SLOT = 512  # bytes
RESERVE = 256 * 1024  # bytes: more than forgetting a class of a thousand acts writes


class Mark(NamedTuple):
    """What was acknowledged last.

    Attributes:
        device: the gallery's name for itself.
        seq: the number of its last row; 0 before the first.
        hash: of that row.
        sequence: number of rows that are not a seed's.
        time: when, ISO 8601.
        written: how often the mark was.
    """

    device: str
    seq: int
    hash: str
    sequence: int
    time: str
    written: int = 0


def mark_path(gallery: Path) -> Path:
    """Where a gallery's mark lies."""
    return gallery.with_name(gallery.name + ".mark")


def read_mark(gallery: Path) -> Mark | None:
    """The mark of a gallery; None where there is none that can be read."""
    try:
        with mark_path(gallery).open("rb") as file:
            data = file.read(2 * _SLOT)
    except OSError:
        return None
    slots = [mark for mark in (_parsed(data[:_SLOT]), _parsed(data[_SLOT:])) if mark is not None]
    return max(slots, key=lambda mark: mark.written, default=None)


def room_warning(gallery: Path, needed: int = 4 * RESERVE) -> str:
    """A sentence, where the gallery's disk has fewer bytes free than are needed; else empty."""
    try:
        room = os.statvfs(gallery.parent) if hasattr(os, "statvfs") else None
    except OSError:
        return ""
    free = needed if room is None else room.f_bavail * room.f_frsize
    if free >= needed:
        return ""
    return (
        f"the disk of {gallery} is nearly full: {free // 1024:,} KB are free, {needed // 1024:,} KB should be; "
        "make room, or let go of what was forgotten with `edgefs gallery compact`"
    )


class MarkFile:
    """The mark, as the gallery's owner writes it. It is made with the first act."""

    def __init__(self, gallery: Path) -> None:
        self._path = mark_path(gallery)
        self._last = read_mark(gallery)
        self._handle: int | None = None

    def write(self, mark: Mark) -> None:
        """Bring the mark to the disk.

        Raises:
            OSError: it can't be written; the one before holds.
        """
        written = (self._last.written if self._last else 0) + 1
        handle = self._opened()
        os.lseek(handle, _SLOT * (written % 2), os.SEEK_SET)
        os.write(handle, _slot(mark._replace(written=written)))
        os.fsync(handle)
        self._last = mark._replace(written=written)

    def has_reserve(self) -> bool:
        """Whether space is kept for the day when the disk is full."""
        try:
            return self._path.stat().st_size >= 2 * _SLOT + RESERVE
        except OSError:
            return False

    def keep_reserve(self) -> None:
        """Take the space that is kept; on a disk without it nothing is."""
        if self.has_reserve():
            return
        with suppress(OSError):
            handle = self._opened()
            os.lseek(handle, 2 * _SLOT, os.SEEK_SET)
            if os.write(handle, bytes(RESERVE)) < RESERVE:
                os.ftruncate(handle, 2 * _SLOT)

    def free_reserve(self) -> bool:
        """Give the kept space back, and tell whether there was any."""
        if not self.has_reserve():
            return False
        try:
            os.truncate(self._path, 2 * _SLOT)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Let the file go."""
        if self._handle is not None:
            os.close(self._handle)
            self._handle = None

    def _opened(self) -> int:
        if self._handle is None:
            is_new = not self._path.exists()
            self._handle = os.open(self._path, os.O_RDWR | os.O_CREAT | getattr(os, "O_BINARY", 0), 0o644)
            if is_new:
                os.write(self._handle, b" " * (2 * _SLOT))
                sync_folder(self._path.parent)
        return self._handle


def _slot(mark: Mark) -> bytes:
    text = json.dumps(mark._asdict(), separators=(",", ":")).encode("ascii")
    return (text + b" %08x" % zlib.crc32(text)).ljust(_SLOT)


def _parsed(slot: bytes) -> Mark | None:
    text, _, crc = slot.rstrip().rpartition(b" ")
    try:
        if zlib.crc32(text) != int(crc, 16):
            return None
        fields = json.loads(text)
        return Mark(*(kind(fields[name]) for name, kind in _TYPES.items()))
    except (ValueError, KeyError, TypeError, OverflowError):
        return None


_TYPES = {"device": str, "seq": int, "hash": str, "sequence": int, "time": str, "written": int}
