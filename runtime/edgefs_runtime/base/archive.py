"""Reading uncompressed zip archives, strictly.

The standard library's reader is made to open anything: archives with text in front or behind, compressed, encrypted,
split; and a cold `edgefs predict` would wait for it to load five decompressors. What edgefs writes is simpler, so what
it reads can be: members stored as they are, one behind the other, a directory right behind them, nothing else. That
also tells a truncated bundle from a whole one, where the `.npz` inside would look like an archive of its own.

Layout and names of the fields: PKWARE APPNOTE 6.3, sections 4.3.7, 4.3.12 and 4.3.16.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

_END, _ENTRY, _LOCAL = b"PK\x05\x06", b"PK\x01\x02", b"PK\x03\x04"
_END_SIZE, _ENTRY_SIZE, _LOCAL_SIZE = 22, 46, 30  # bytes, without names
_ENCRYPTED = 1  # bit of the flags


class ArchiveError(ValueError):
    """Not an archive of that kind, or not all of it."""


class OtherFileError(ArchiveError):
    """Nothing that ever was an archive: it neither begins nor ends as one."""


@dataclass(frozen=True)
class ArchiveMember:
    """One member: its content, and whether the CRC-32 that was stored with it is that of the content."""

    content: memoryview
    crc: int

    def is_intact(self) -> bool:
        """Whether the content is what was written, as far as a CRC can tell."""
        return zlib.crc32(self.content) == self.crc


def read_archive(data: bytes | memoryview) -> dict[str, ArchiveMember]:
    """The members by name, in the directory's order; contents are views, nothing is copied.

    Raises:
        ArchiveError: truncated, with anything before, between or behind, compressed, encrypted, or a name twice.
    """
    view = memoryview(data)
    start, count = _end(view)
    members: dict[str, ArchiveMember] = {}
    at = start
    for _ in range(count):
        if at + _ENTRY_SIZE > len(view) or view[at : at + 4] != _ENTRY:
            raise ArchiveError("its directory is damaged")
        name_size, extra_size, comment_size = (_number(view, at + offset, 2) for offset in (28, 30, 32))
        name = _name(view[at + _ENTRY_SIZE : at + _ENTRY_SIZE + name_size])
        if name in members:
            raise ArchiveError(f"{name[:60]!r} stands in it twice")
        members[name] = _member(view, at, name, start)
        at += _ENTRY_SIZE + name_size + extra_size + comment_size
    if at != len(view) - _END_SIZE:
        raise ArchiveError("its directory is damaged")
    return members


def _end(view: memoryview) -> tuple[int, int]:
    """Where the directory begins, and how many entries it has."""
    at = len(view) - _END_SIZE
    if at < 0 or view[at : at + 4] != _END:
        if view and bytes(view[:2]) != b"PK":
            raise OtherFileError("it neither begins nor ends as an archive")
        raise ArchiveError("its end is missing")
    count, size, start = _number(view, at + 10, 2), _number(view, at + 12, 4), _number(view, at + 16, 4)
    if start + size != at:
        raise ArchiveError("its beginning or its end is missing")
    return start, count


def _member(view: memoryview, at: int, name: str, limit: int) -> ArchiveMember:
    flags, method = _number(view, at + 8, 2), _number(view, at + 10, 2)
    crc, stored, size, local = (_number(view, at + offset, 4) for offset in (16, 20, 24, 42))
    if method or flags & _ENCRYPTED or stored != size:
        raise ArchiveError("members are compressed or encrypted; was it zipped again?")
    if local + _LOCAL_SIZE > limit or view[local : local + 4] != _LOCAL:
        raise ArchiveError(f"{name[:60]!r} does not begin where the directory says")
    first = local + _LOCAL_SIZE + _number(view, local + 26, 2) + _number(view, local + 28, 2)
    if first + size > limit:
        raise ArchiveError(f"{name[:60]!r} claims more bytes than there are")
    return ArchiveMember(view[first : first + size], crc)


def _number(view: memoryview, at: int, size: int) -> int:
    return int.from_bytes(view[at : at + size], "little")


def _name(raw: memoryview) -> str:
    try:
        return str(raw, "utf-8")
    except UnicodeDecodeError as error:
        raise ArchiveError("a member's name is not readable") from error
