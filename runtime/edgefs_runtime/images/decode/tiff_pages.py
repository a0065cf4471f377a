"""The pages of a TIFF or BigTIFF file: their directories of tags, of which only those that are asked for are read."""

from __future__ import annotations

import dataclasses
import io
import struct
from dataclasses import dataclass
from enum import IntEnum
from typing import BinaryIO

from edgefs_runtime.base.errors import ImageError

_MOST_PAGES = 100_000
_MOST_TAGS = 1_000_000  # of all pages together
_SIZES = {1: "B", 2: "c", 3: "H", 4: "I", 6: "b", 7: "c", 8: "h", 9: "i", 13: "I", 16: "Q", 17: "q", 18: "Q"}
_RATIONAL = 5
_MOST_METADATA = 1 << 20  # bytes of XMP that are looked at


class Tag(IntEnum):
    """The tags that make a picture."""

    KIND = 254
    OLD_KIND = 255
    WIDTH = 256
    HEIGHT = 257
    BITS = 258
    COMPRESSION = 259
    PHOTOMETRIC = 262
    FILL_ORDER = 266
    STRIP_OFFSETS = 273
    ORIENTATION = 274
    SAMPLES = 277
    ROWS_PER_STRIP = 278
    STRIP_BYTES = 279
    PLANAR = 284
    FAX3_OPTIONS = 292
    FAX4_OPTIONS = 293
    PREDICTOR = 317
    COLOURS = 320
    TILE_WIDTH = 322
    TILE_HEIGHT = 323
    TILE_OFFSETS = 324
    TILE_BYTES = 325
    SUB_PAGES = 330
    EXTRA = 338
    FORMAT = 339
    JPEG_TABLES = 347
    OLD_JPEG = 513
    OLD_JPEG_BYTES = 514
    YCBCR_COEFFICIENTS = 529
    YCBCR_SUBSAMPLING = 530
    YCBCR_POSITIONING = 531
    REFERENCE_BLACK_WHITE = 532
    XMP = 700
    DEPTH = 32997


_KNOWN = frozenset(map(int, Tag))


@dataclass(frozen=True)
class Page:
    """One directory.

    Attributes:
        file: it stands in.
        order: `<` or `>`, of its bytes.
        entries: by tag: type, number of values, and where they stand.
    """

    file: BinaryIO
    order: str
    entries: dict[int, tuple[int, int, int]]

    def all(self, tag: Tag) -> tuple[int, ...]:
        """The whole numbers of a tag; none where it is missing.

        Raises:
            ImageError: they lie outside the file, or are no whole numbers.
        """
        if tag not in self.entries:
            return ()
        kind, count, _ = self.entries[tag]
        form = _SIZES.get(kind, "c")
        if form == "c":
            raise ImageError(f"damaged image (its tag {int(tag)} holds no numbers)")
        return struct.unpack(f"{self.order}{count}{form}", self._read(tag, struct.calcsize(f"={form}") * count))

    def one(self, tag: Tag, default: int) -> int:
        """The first number of a tag, without the others: a file may claim millions."""
        kind, count, place = self.entries.get(tag, (0, 0, 0))
        first = dataclasses.replace(self, entries={tag: (kind, min(count, 1), place)}) if count else self
        return next(iter(first.all(tag)), default)

    def block(self, tag: Tag) -> bytes:
        """The bytes of a tag, of metadata at most a MiB; empty where it is missing or lies outside the file."""
        if tag not in self.entries or self.entries[tag][0] not in (1, 7):
            return b""
        _, count, at = self.entries[tag]
        self.file.seek(at)
        return self.file.read(min(count, _MOST_METADATA))

    def raw(self, tag: Tag) -> tuple[int, int, bytes]:
        """Type, number of values, and their bytes as they stand in the file."""
        kind, count, _ = self.entries[tag]
        width = 8 if kind == _RATIONAL else struct.calcsize(f"={_SIZES.get(kind, 'c')}")
        return kind, count, self._read(tag, width * count)

    def _read(self, tag: Tag, length: int) -> bytes:
        self.file.seek(self.entries[tag][2])
        if length > self.file.seek(0, io.SEEK_END):
            raise ImageError(f"damaged image (its tag {int(tag)} claims more than the file holds)")
        self.file.seek(self.entries[tag][2])
        data = self.file.read(length)
        if len(data) != length:
            raise ImageError("damaged image (the file is cut off)")
        return data


def read_pages(file: BinaryIO) -> list[Page]:
    """All directories that follow one after the other.

    Raises:
        ImageError: one is damaged, or lies outside the file.
    """
    file.seek(0)
    head = file.read(16)
    order = "<" if head[:1] == b"I" else ">"
    big = head[2:4] in (b"+\0", b"\0+")
    try:
        (at,) = struct.unpack_from(f"{order}Q", head, 8) if big else struct.unpack_from(f"{order}I", head, 4)
        pages: list[Page] = []
        seen: set[int] = set()
        tags = 0
        while at and at not in seen and len(pages) < _MOST_PAGES:
            seen.add(at)
            page, following, count = _directory(file, order, big, at)
            pages.append(page)
            at, tags = following, tags + count
            if tags > _MOST_TAGS:
                raise ImageError("damaged image (directories of tags without end)")
    except (struct.error, OverflowError, OSError) as error:
        raise ImageError("damaged image (the file is cut off)") from error
    if not pages:
        raise ImageError("damaged image (it has no page)")
    return pages


def _directory(file: BinaryIO, order: str, big: bool, at: int) -> tuple[Page, int, int]:
    """A page; where the next one stands, 0 behind the last; and the number of tags."""
    wide = "Q" if big else "I"
    form, width, count_form = f"{order}HH{wide}", (20 if big else 12), f"{order}{'Q' if big else 'H'}"
    file.seek(at)
    (count,) = struct.unpack(count_form, file.read(struct.calcsize(count_form)))
    if count > 65535:
        raise ImageError("damaged image (a directory claims more tags than there can be)")
    table = file.read(count * width)
    (following,) = struct.unpack(f"{order}{wide}", file.read(8 if big else 4).ljust(8 if big else 4, b"\0"))
    first = at + struct.calcsize(count_form)
    entries: dict[int, tuple[int, int, int]] = {}
    for start in range(0, count * width, width):
        tag, kind, number = struct.unpack_from(form, table, start)
        if tag not in _KNOWN:
            continue
        inside = start + struct.calcsize(form)
        size = number * (8 if kind in (5, 10, 12) else struct.calcsize(f"={_SIZES.get(kind, 'c')}"))
        (place,) = (
            (first + inside,)
            if size <= width - struct.calcsize(form)
            else struct.unpack_from(f"{order}{wide}", table, inside)
        )
        entries.setdefault(tag, (kind, number, place))
    return Page(file, order, entries), following, count
