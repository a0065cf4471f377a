"""The segments of a JPEG file: what they say of the picture, where it ends, and which other pictures the file holds."""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

from edgefs_runtime.base.errors import ImageError

LOSSLESS_STANDARD = 0xF7  # start of frame of JPEG-LS
# Starts of frame, by how the picture is coded.
_FRAMES = (frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}) | {LOSSLESS_STANDARD}
_METADATA = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xEE}  # 0xE0 and 0xEE tell which colours
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length
# Not an escaped 0xFF, nor a restart within a scan. One byte first is what `re` looks for at memory's speed.
_MARKER = re.compile(rb"\xff([\x01-\xcf\xd8-\xfe])")
_MOST_SEGMENTS = 100_000
_MOST_SCANS = 200  # of one picture; encoders write ten, and each goes over the whole of it
_PREVIEWS = (0x010001, 0x010002)  # MPF types of reduced copies


@dataclass
class Header:
    """What stands in front of the first scan."""

    frame: int = 0  # marker
    bits: int = 8
    width: int = 0
    height: int = 0
    components: int = 0
    block: int = 8  # width and height of what is coded at once at most, pixels
    exif: bytes = b""
    xmp: bytes = b""
    index: tuple[int, bytes] = (0, b"")  # of several pictures: where it stands, and what
    metadata: list[tuple[int, int]] = field(default_factory=list)  # where segments begin and end that tell no colour
    scans: list[bytes] = field(default_factory=list)  # headers
    end: int = 0  # of the picture, bytes; 0 where that is not marked


def read_header(data: bytes) -> Header:
    """What the segments say; of a file that is cut off, as much as is there."""
    header = Header()
    try:
        for marker, at, segment in _segments(data):
            _note(header, marker, at, segment)
            if marker == _END:
                break
    except (struct.error, IndexError) as error:
        raise ImageError("damaged image (a segment of its header is cut off)") from error
    if not header.scans:
        raise ImageError("damaged image (it ends before its first scan)")
    return header


def first_frame(data: bytes) -> Header | None:
    """What the first frame says, from the beginning of a file; None where it comes later, or is cut off."""
    header = Header()
    try:
        for marker, at, segment in _segments(data):
            if marker in (_SCAN, _END):
                return None
            _note(header, marker, at, segment)
            if header.frame:
                return header
    except (struct.error, IndexError):
        pass
    return None


def _note(header: Header, marker: int, at: int, segment: bytes) -> None:
    if marker in _METADATA:
        header.metadata.append((at - 4, at + len(segment)))
    if marker in _FRAMES and not header.frame:
        header.frame = marker
        header.bits, header.height, header.width, header.components = struct.unpack_from(">BHHB", segment)
        header.block = 8 * max((max(both >> 4, both & 15) for both in segment[7::3]), default=1)
    elif marker == _SCAN:
        _ = segment[1 + 2 * segment[0] + 2]  # whole
        header.scans.append(segment)
        if len(header.scans) > _MOST_SCANS:
            raise ImageError(f"a JPEG of more than {_MOST_SCANS} scans is not read; save it again")
    elif marker == _END:
        header.end = at
    elif marker == 0xE1 and segment.startswith(b"Exif\0\0"):
        header.exif = header.exif or segment[6:]
    elif marker == 0xE1 and segment.startswith(b"http://ns.adobe.com/xap/1.0/\0"):
        header.xmp = header.xmp or segment
    elif marker == 0xE2 and segment.startswith(b"MPF\0"):
        header.index = (at + 4, segment[4:])


def _segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """Marker, where what follows it begins, and the segment; scans are jumped over."""
    at, left = 2, _MOST_SEGMENTS
    while found := _MARKER.search(data, at):
        marker, at, left = found[1][0], found.end(), left - 1
        if not left:
            raise ImageError("damaged image (markers without end)")
        if marker in _ALONE:
            continue
        if marker == _END:
            yield marker, at, b""
            return
        length = int.from_bytes(data[at : at + 2], "big")
        yield marker, at + 2, data[at + 2 : at + length]
        at += length


def places_of(data: bytes, header: Header) -> list[tuple[int, int]]:
    """Where pictures begin and how many bytes they take: the first, and those that are no previews or gain maps of it.

    An index that can't be understood costs nothing but itself.
    """
    whole = (0, len(data))
    start, index = header.index
    if not index or b"hdrgm:Version" in header.xmp:
        return [whole]
    order = {b"II*\0": "<", b"MM\0*": ">"}.get(index[:4])
    try:
        (at,) = struct.unpack_from(f"{order}I", index, 4)
        (count,) = struct.unpack_from(f"{order}H", index, at)
        tags = (struct.unpack_from(f"{order}HHII", index, at + 2 + 12 * number) for number in range(min(count, 50)))
        size, entries = next((length, place) for tag, _, length, place in tags if tag == 0xB002)
        found = [struct.unpack_from(f"{order}III", index, entries + 16 * number) for number in range(size // 16)]
    except (struct.error, StopIteration):
        return [whole]
    others = [(start + place, length) for kind, length, place in found[1:] if kind & 0xFFFFFF not in _PREVIEWS]
    return [whole, *(place for place in others if _is_picture(data[place[0] : sum(place)]))]


def _is_picture(data: bytes) -> bool:
    return data.startswith(b"\xff\xd8") and not re.search(rb"hdrgm:|hdrgainmap", data[:65536])


def without_metadata(data: bytes, header: Header) -> bytes:
    """The file without its metadata, over which a decoder may stumble."""
    starts, stops = [start for start, _ in header.metadata], [stop for _, stop in header.metadata]
    return b"".join(data[begin:end] for begin, end in zip([0, *stops], [*starts, len(data)], strict=True))
