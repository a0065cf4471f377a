"""Reading uncompressed zip archives, strictly.

The standard library's reader is made to open anything: archives with text in front or behind, compressed, encrypted,
split; and a cold `edgefs predict` would wait for it to load five decompressors. What edgefs writes is simpler, so what
it reads can be: members stored as they are, one behind the other, a directory right behind them, nothing else. That
also tells a truncated bundle from a whole one, where the `.npz` inside would look like an archive of its own.

Layout and names of the fields: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from typing import NamedTuple

_END, _ENTRY, _LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_END_SIZE, _ENTRY_SIZE, _LOCAL_SIZE = 22, 46, 30  # bytes, without names
_ENCRYPTED = 1  # bit of the flags


class ArchiveError(ValueError):
    """The bytes are not an archive of that kind, or not all of it."""


class OtherFileError(ArchiveError):
    """The bytes never were an archive: they neither begin nor end as one."""


class ArchiveMember(NamedTuple):
    """One member: its content, and whether the CRC-32 that was stored with it is that of the content."""

    content: memoryview
    crc: int

    def is_intact(self) -> bool:
        """Whether the content is what was written, as far as a CRC can tell."""
        return zlib.crc32(self.content) == self.crc


class Entry(NamedTuple):
    """Where a member's content lies, in bytes, and the CRC-32 that was stored with it."""

    start: int
    size: int
    crc: int


Reader = Callable[[int, int], "bytes | memoryview"]  # from where, and how many bytes; fewer where the archive ends


def read_archive(data: bytes | memoryview) -> dict[str, ArchiveMember]:
    """The members by name, in the directory's order; contents are views, nothing is copied.

    Raises:
        ArchiveError: truncated, with anything before, between or behind, compressed, encrypted, or a name twice.
    """
    view = memoryview(data)
    entries = read_directory(lambda start, size: view[start : start + size], len(view))
    return {name: ArchiveMember(view[at : at + size], crc) for name, (at, size, crc) in entries.items()}


def read_directory(read: Reader, whole: int) -> dict[str, Entry]:
    """Where the members lie, by name, in the directory's order; their contents are not looked at.

    Args:
        read: gives bytes of the archive.
        whole: the archive's size, bytes.

    Raises:
        ArchiveError: as `read_archive`.
    """
    start, count = _end(read, whole)
    view = memoryview(read(start, whole - _END_SIZE - start))
    entries: dict[str, Entry] = {}
    at = 0
    for _ in range(count):
        if at + _ENTRY_SIZE > len(view) or view[at : at + 4] != _ENTRY:
            raise ArchiveError("its directory is damaged")
        name_size, extra_size, comment_size = (_number(view, at + offset, 2) for offset in (28, 30, 32))
        name = _name(view[at + _ENTRY_SIZE : at + _ENTRY_SIZE + name_size])
        if name in entries:
            raise ArchiveError(f"{name[:60]!r} stands in it twice")
        entries[name] = _entry(read, view[at : at + _ENTRY_SIZE], name, start)
        at += _ENTRY_SIZE + name_size + extra_size + comment_size
    if at != len(view):
        raise ArchiveError("its directory is damaged")
    return entries


def _end(read: Reader, whole: int) -> tuple[int, int]:
    """Where the directory begins, and how many entries it has."""
    at = whole - _END_SIZE
    end = memoryview(read(max(at, 0), _END_SIZE))
    if at < 0 or end[:4] != _END:
        if whole and bytes(read(0, 2)) != b"PK":
            raise OtherFileError("it neither begins nor ends as an archive")
        raise ArchiveError("its end is missing")
    count, size, start = _number(end, 10, 2), _number(end, 12, 4), _number(end, 16, 4)
    if start + size != at or _number(end, 20, 2):
        raise ArchiveError("its beginning or its end is missing")
    return start, count


def _entry(read: Reader, entry: memoryview, name: str, limit: int) -> Entry:
    flags, method = _number(entry, 8, 2), _number(entry, 10, 2)
    crc, stored, size, local = (_number(entry, offset, 4) for offset in (16, 20, 24, 42))
    if method or flags & _ENCRYPTED or stored != size:
        raise ArchiveError("members are compressed or encrypted; was it zipped again?")
    header = memoryview(read(local, _LOCAL_SIZE))
    if local + _LOCAL_SIZE > limit or header[:4] != _LOCAL:
        raise ArchiveError(f"{name[:60]!r} does not begin where the directory says")
    first = local + _LOCAL_SIZE + _number(header, 26, 2) + _number(header, 28, 2)
    if first + size > limit:
        raise ArchiveError(f"{name[:60]!r} claims more bytes than there are")
    return Entry(first, size, crc)


def _number(view: memoryview, at: int, size: int) -> int:
    return int.from_bytes(view[at : at + size], "little")


def _name(raw: memoryview) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise ArchiveError("a member's name is not readable") from error
