"""Rows that stand in a file and that SQLite does not find any more, read from its pages.

One flipped bit in the head of a page takes all its rows from SQLite's sight, and one in a page that leads to others all
of theirs; the bytes are there. Every page is looked at as a leaf of a table (https://sqlite.org/fileformat2.html,
section 1.6), every offset in its list of cells as a record, and what comes out is believed only where it bears its own
checksum: rows of the log their CRC, embeddings their digest.

Most pages of a gallery hold the ends of embeddings. Looked at as leaves they take some milliseconds each, minutes in a
large gallery; so pages that say they are leaves come first, and what the records there lead to is looked at no more.
"""

from __future__ import annotations

import hashlib
import struct
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

from edgefs_runtime.gallery.records import Event, Record, Removed, Row, Shot, is_intact
from edgefs_runtime.gallery.schema import SCHEMA_VERSION, columns

_LEAF = 0x0D  # the first byte of a leaf's head
_HEAD = 8  # bytes of it
_ENDS = (b"IEND\xaeB`\x82", b"\xff\xd9")  # of a PNG and of a JPEG
_MOST_READ = 16  # times the file's length, of all records that are longer than a page: one may lead into another
_LEAST = 4  # bytes of a cell
_MOST_COLUMNS = 40
_INTEGERS = {1: 1, 2: 2, 3: 3, 4: 4, 5: 6, 6: 8}  # serial type -> bytes


class Carved(NamedTuple):
    """What was found.

    Attributes:
        records: rows of the log that are what was written.
        blobs: embeddings that are, by digest.
        shots: pictures, of which the rows that name them must tell.
    """

    records: list[Record]
    blobs: dict[str, bytes]
    shots: list[Shot]


def carve(path: Path) -> Carved:
    """Look at every page of a file.

    Args:
        path: the file, which nobody writes to.
    """
    data = path.read_bytes()
    found = Carved([], {}, [])
    size = _page_size(data)
    pages = _Pages(data, size)
    every = range(1, len(data) // size + 1)
    leaves = {page for page in every if data[pages.head(page)] == _LEAF}
    ends: set[int] = set()
    for page in (*sorted(leaves), *(page for page in every if page not in leaves)):
        if page not in ends:
            for values, behind in pages.records(page):
                if _sort_in(values, found):
                    ends.update(behind)
    return found


def _page_size(data: bytes) -> int:
    size = int.from_bytes(data[16:18], "big")
    return size if size >= 512 and size & (size - 1) == 0 else 4096


def _sort_in(values: list[Any], found: Carved) -> bool:
    """Keep what a record is; whether it is surely that, to its end."""
    is_sure = False
    for version in (SCHEMA_VERSION, SCHEMA_VERSION - 1):
        for kind in (Event, Removed, Shot):
            if len(values) == len(columns(kind, version)):
                row = _as_row(kind, values, version)
                if isinstance(row, Shot) and isinstance(row.jpeg, bytes):
                    found.shots.append(row)
                    is_sure |= row.jpeg.endswith(_ENDS)
                elif isinstance(row, (Event, Removed)) and isinstance(row.hash, str) and is_intact(row):
                    found.records.append(row)
                    is_sure = True
    if len(values) == 2 and isinstance(values[1], bytes) and hashlib.sha256(values[1]).hexdigest() == values[0]:
        found.blobs[values[0]] = values[1]
        is_sure = True
    return is_sure


def _as_row(kind: type[Row], values: list[Any], version: int) -> Row:
    named = dict(zip(columns(kind, version), values, strict=True))
    return kind._make(named.get(field) for field in kind._fields)


class _Pages:
    """The pages of a file, as records."""

    def __init__(self, data: bytes, size: int) -> None:
        self._data, self._size = data, size
        self._left = _MOST_READ * len(data)

    def head(self, page: int) -> int:
        """Where a page's head begins."""
        return 100 if page == 1 else (page - 1) * self._size

    def records(self, page: int) -> Iterator[tuple[list[Any], list[int]]]:
        """The records that a page's list of cells leads to, whatever its head says of their number.

        With each come the pages that hold its end.

        Where one of them ends the next begins, as a rule: so one is found to which no cell leads any more.
        """
        start = (page - 1) * self._size
        at = (100 if page == 1 else 0) + _HEAD
        known, behind, lowest = set[int](), list[int](), self._size
        while behind or at + 2 <= lowest:
            if behind:
                offset = behind.pop()
            else:
                offset, at = int.from_bytes(self._data[start + at : start + at + 2], "big"), at + 2
            if offset in known or not _HEAD <= offset <= self._size - _LEAST:
                continue
            known.add(offset)
            with suppress(ValueError, IndexError, struct.error):  # no record: one of the others may be
                record, end, pages = self._record(start, offset)
                behind.append(end)
                lowest = min(lowest, offset)
                yield record, pages

    def _record(self, start: int, offset: int) -> tuple[list[Any], int, list[int]]:
        """The record of a cell, where in the page that ends, and further pages of it."""
        length, at = _varint(self._data, start + offset)
        _, at = _varint(self._data, at)  # the rowid
        payload, end, pages = self._payload(start, at, length)
        return _values(payload), max(end - start, offset + _LEAST), pages

    def _payload(self, start: int, at: int, length: int) -> tuple[bytes, int, list[int]]:
        """A cell's payload, of which the end may lie on pages of its own, where the cell ends, and these pages."""
        usable = self._size
        most = usable - 35
        if length <= most:
            if at + length > start + usable:
                raise ValueError("it ends on no page")
            return self._data[at : at + length], at + length, []
        least = (usable - 12) * 32 // 255 - 23
        local = least + (length - least) % (usable - 4)
        local = local if local <= most else least
        if length > len(self._data) or at + local + 4 > start + usable or length > self._left:
            raise ValueError("longer than the file")
        parts, left, pages = [self._data[at : at + local]], length - local, list[int]()
        page = int.from_bytes(self._data[at + local : at + local + 4], "big")
        while left > 0:
            first = (page - 1) * usable
            if not 0 < first < len(self._data):
                raise ValueError("its end is nowhere")
            pages.append(page)
            parts.append(self._data[first + 4 : first + 4 + min(left, usable - 4)])
            self._left -= usable
            left -= usable - 4
            page = int.from_bytes(self._data[first : first + 4], "big")
        return b"".join(parts), at + local + 4, pages


def _varint(data: bytes, at: int) -> tuple[int, int]:
    value = 0
    for number in range(9):
        byte = data[at + number]
        if number == 8:
            return (value << 8) | byte, at + 9
        value = (value << 7) | (byte & 0x7F)
        if byte < 0x80:
            return value, at + number + 1
    raise ValueError("no number")


def _values(payload: bytes) -> list[Any]:
    length, at = _varint(payload, 0)
    types: list[int] = []
    while at < length:
        kind, at = _varint(payload, at)
        types.append(kind)
        if len(types) > _MOST_COLUMNS:
            raise ValueError("no row of ours")
    if at != length:
        raise ValueError("no head of a record")
    values: list[Any] = []
    for kind in types:
        value, at = _value(payload, at, kind)
        values.append(value)
    return values


def _value(payload: bytes, at: int, kind: int) -> tuple[Any, int]:
    if kind in (0, 8, 9):
        return (None if kind == 0 else kind - 8), at
    if kind in _INTEGERS:
        end = at + _INTEGERS[kind]
        return int.from_bytes(_cut(payload, at, end), "big", signed=True), end
    if kind == 7:
        return struct.unpack(">d", _cut(payload, at, at + 8))[0], at + 8
    if kind < 12:
        raise ValueError("a type that no file has")
    end = at + (kind - 12) // 2
    data = _cut(payload, at, end)
    return (data.decode("utf-8", "surrogateescape") if kind % 2 else data), end


def _cut(payload: bytes, at: int, end: int) -> bytes:
    if end > len(payload):
        raise ValueError("longer than its record")
    return payload[at:end]
