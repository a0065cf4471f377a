"""The chunks of a PNG: which of them make the picture, whether those are whole, and what else is worth knowing.

What makes the picture can be read as a file of its own, so that a decoder sees nothing else.
"""

from __future__ import annotations

import bisect
import io
import itertools
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, BinaryIO

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.orientation import unhex
from edgefs_runtime.images.picture import Limit, check_size

SIGNATURE = b"\x89PNG\r\n\x1a\n"
GREY_ALPHA, PALETTE = 4, 3  # colour types
_ANIMATION = frozenset({b"acTL", b"fcTL", b"fdAT"})
_NEEDED = frozenset({b"IHDR", b"PLTE", b"IDAT", b"IEND"})
_MOST_TEXT = 1 << 20  # bytes of metadata that are looked at
_COPIED = 1 << 20  # bytes checked at a time
_MOST_CHUNKS = 200_000
_MOST_INFLATED = 1032  # bytes that one of deflate's can become
_SAMPLES = {0: 1, 2: 3, PALETTE: 1, GREY_ALPHA: 2, 6: 4}  # of a pixel, by colour type


@dataclass
class Chunks:
    """What stands in the file.

    Attributes:
        spans: (place, bytes) of what makes the picture.
        frames: of an animation; 0 without one.
        shown_apart: whether the picture that is shown without animation is none of its frames.
    """

    width: int = 0
    height: int = 0
    bits: int = 8
    colour: int = 0
    key: bytes = b""  # tRNS
    exif: bytes = b""
    xmp: bytes = b""
    frames: int = 0
    shown_apart: bool = False
    has_xmp: bool = False
    has_profile: bool = False
    packed: int = 0  # bytes that the pixels are packed in
    spans: list[tuple[int, int]] = field(default_factory=list)

    def add(self, place: int, length: int) -> None:
        """A chunk of what makes the picture; one that follows another joins its span."""
        begin, before = self.spans[-1]
        if begin + before == place:
            self.spans[-1] = (begin, before + length)
        else:
            self.spans.append((place, length))

    def alone(self, file: BinaryIO) -> BinaryIO:
        """What makes the picture, as a file: the file itself where nothing else stands between."""
        if len(self.spans) > 1:
            return io.BufferedReader(Spans(file, self.spans))
        file.seek(0)
        return file


def scan(file: BinaryIO, limit: Limit) -> Chunks:
    """Look through the chunks and verify what makes the picture.

    Raises:
        ImageError: damaged, or larger than the limit.
    """
    chunks = Chunks(spans=[(0, len(SIGNATURE))])
    file.seek(len(SIGNATURE))
    seen: set[bytes] = set()
    for kind, at, length in _each(file):
        if kind in _NEEDED or kind == b"tRNS":
            _verify(file, kind, at, length)
        if kind == b"IDAT" and b"IDAT" not in seen:
            chunks.shown_apart = chunks.frames > 0 and b"fcTL" not in seen
        _note(chunks, kind, _content(file, at, length) if kind not in (b"IDAT", b"fdAT") else b"")
        if kind == b"IHDR":
            _check_size(chunks, limit)
        chunks.packed += length if kind == b"IDAT" else 0
        if kind in _NEEDED or (kind in _ANIMATION and chunks.frames):
            chunks.add(at - 8, length + 12)
        seen.add(kind)
    if not {b"IHDR", b"IDAT"} <= seen:
        raise ImageError("damaged image (it ends before its pixels)")
    if chunks.packed * _MOST_INFLATED < chunks.width * chunks.height * _bits(chunks) // 8:
        raise ImageError("damaged image (it has fewer pixels than its header claims)")
    if chunks.colour in (GREY_ALPHA, 6):  # these have alpha; a key means nothing to them
        chunks.key = b""
    return chunks


def _each(file: BinaryIO) -> Iterator[tuple[bytes, int, int]]:
    """Kind, place of the content and its length, of each chunk up to the end."""
    size = file.seek(0, io.SEEK_END)
    at, left = len(SIGNATURE), _MOST_CHUNKS
    kind = b""
    while at + 8 <= size and kind != b"IEND":
        file.seek(at)
        length, kind = struct.unpack(">I4s", file.read(8))
        left -= 1
        if not left or not kind.isalpha():
            raise ImageError("damaged image (what stands between its pixels is no PNG)")
        if at + 8 + length > size and kind in _NEEDED:
            raise ImageError("damaged image (the file is cut off)")
        yield kind, at + 8, length
        at += length + 12


def _check_size(chunks: Chunks, limit: Limit) -> None:
    check_size(chunks.width, chunks.height, max(1, _bits(chunks) // 8), limit)


def _bits(chunks: Chunks) -> int:
    """Bits of one pixel; 1 of a kind that there is not."""
    return _SAMPLES.get(chunks.colour, 0) * chunks.bits or 1


def _note(chunks: Chunks, kind: bytes, content: bytes) -> None:
    if kind == b"IHDR":
        if len(content) < 13:
            raise ImageError("damaged image (its header is cut off)")
        chunks.width, chunks.height, chunks.bits, chunks.colour = struct.unpack_from(">IIBB", content)
    elif kind == b"tRNS":
        if len(content) < {0: 2, 2: 6}.get(chunks.colour, 0):
            raise ImageError("damaged image (its transparent colour is cut off)")
        chunks.key = content
    elif kind == b"eXIf":
        chunks.exif = content
    elif kind == b"acTL" and len(content) >= 4:
        chunks.frames = struct.unpack_from(">I", content)[0]
    elif kind in (b"tEXt", b"zTXt", b"iTXt"):
        _note_text(chunks, kind, content)


def _note_text(chunks: Chunks, kind: bytes, content: bytes) -> None:
    """The two texts that may say which way is up."""
    name, _, text = content.partition(b"\0")
    if name == b"XML:com.adobe.xmp" and kind == b"iTXt" and not chunks.has_xmp:
        chunks.has_xmp = True  # a second one is not inflated
        text = text[2:].split(b"\0", 2)[-1] if text[:1] == b"\0" else _inflated(text[2:].split(b"\0", 2)[-1])
        chunks.xmp = text
    elif name == b"Raw profile type exif" and not chunks.has_profile:
        chunks.has_profile = True
        chunks.exif = chunks.exif or unhex(_inflated(text[1:]) if kind == b"zTXt" else text)


def _inflated(text: bytes) -> bytes:
    try:
        return zlib.decompressobj().decompress(text, _MOST_TEXT)
    except zlib.error:
        return b""


def _content(file: BinaryIO, at: int, length: int) -> bytes:
    file.seek(at)
    return file.read(min(length, _MOST_TEXT))


def _verify(file: BinaryIO, kind: bytes, at: int, length: int) -> None:
    file.seek(at)
    found, left = zlib.crc32(kind), length
    while left:
        block = file.read(min(left, _COPIED))
        found, left = zlib.crc32(block, found), left - len(block)
        if not block:
            break
    if kind != b"IEND" and file.read(4) != struct.pack(">I", found):
        raise ImageError(f"damaged image (the checksum of its {kind.decode('ascii')} chunk is wrong)")


class Spans(io.RawIOBase):
    """Parts of a file, read as if they were one."""

    def __init__(self, file: BinaryIO, spans: list[tuple[int, int]]) -> None:
        self._file, self._spans = file, spans
        self._starts = [0, *itertools.accumulate(length for _, length in spans)]
        self._at = 0

    def readable(self) -> bool:
        """Whether it can be read: always."""
        return True

    def seekable(self) -> bool:
        """Whether any place can be gone to: always."""
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        """Go to a place among all parts."""
        self._at = offset + {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._starts[-1]}[whence]
        return self._at

    def readinto(self, buffer: Any) -> int:
        """Fill `buffer` from one part, as far as that goes."""
        number = bisect.bisect_right(self._starts, self._at) - 1
        if number >= len(self._spans):
            return 0
        place, length = self._spans[number]
        inside = self._at - self._starts[number]
        self._file.seek(place + inside)
        block = self._file.read(min(len(buffer), length - inside))
        buffer[: len(block)] = block
        self._at += len(block)
        return len(block)
