"""JPEG, decoded by libjpeg-turbo itself: what Pillow hides counts as damage here.

libjpeg fills what is missing with grey and warns; a file whose end was patched then looks whole. `simplejpeg` passes
the warnings on, and its pixels are the same as Pillow's, bit by bit. Harmless are bytes behind the picture, zeros
before its end (cameras pad their frames), and an end that is not marked where everything before it is there.
"""

from __future__ import annotations

import io
import re
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from edgefs_runtime.errors import ImageError
from edgefs_runtime.images.orientation import of_metadata, upright
from edgefs_runtime.images.picture import Picture, check_size, choose_page

_COLOURS = {1: "GRAY", 3: "RGB", 4: "CMYK"}  # by the number of components
_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}  # start of frame, by how the picture is coded
_PROGRESSIVE = (0xC2, 0xCA)
_METADATA = frozenset({*range(0xE1, 0xF0), 0xFE}) - {0xEE}  # 0xE0 and 0xEE tell which colours
_SCAN, _END = 0xDA, 0xD9
_ALONE = frozenset({0x01, 0xD8, *range(0xD0, 0xD8)})  # markers without a length
_MARKER = re.compile(rb"\xff+([\x01-\xcf\xd8-\xfe])")  # not an escaped 0xFF, nor a restart within a scan
_PREFETCH = 8  # bytes that the decoder holds beyond the last that it needed
_ODD_SUBSAMPLING = "Could not determine subsampling"
_PREVIEWS = (0x010001, 0x010002)  # MPF types of reduced copies


@dataclass
class _Header:
    """What stands in front of the first scan."""

    frame: int = 0  # marker
    bits: int = 8
    width: int = 0
    height: int = 0
    components: int = 0
    exif: bytes = b""
    xmp: bytes = b""
    index: tuple[int, bytes] = (0, b"")  # of several pictures: where it stands, and what
    metadata: list[tuple[int, int]] = field(default_factory=list)  # where segments begin and end that tell no colour
    scans: list[bytes] = field(default_factory=list)  # headers
    end: int = 0  # of the picture, bytes; 0 where that is not marked


def read_jpeg(data: bytes, page: int | None, keep_damaged: bool) -> Picture:
    """The picture in a JPEG file.

    Args:
        data: the file.
        page: which of several pictures, from 1.
        keep_damaged: take what can be decoded of a damaged scan.

    Raises:
        ImageError: damaged, too large, of a kind that is not read, or more than one picture.
    """
    header = _header(data)
    places = _places(data, header)
    place = places[choose_page(len(places), page)]
    if place[0]:
        data = data[place[0] : sum(place)]
        header = _header(data)
    check_size(header.width, header.height)
    if header.components not in _COLOURS or header.bits != 8:
        raise ImageError(
            f"a JPEG of {header.components} components with {header.bits} bits can't be read; save it as PNG or TIFF"
        )
    colour = _COLOURS[header.components]
    pixels = _lenient(data, header, colour) if keep_damaged else _strict(data, header, colour)
    if colour == "CMYK":
        pixels = _rgb(pixels)
    return upright(Picture(pixels[:, :, 0] if colour == "GRAY" else pixels), of_metadata(header.exif, header.xmp))


def check_jpeg(tables: bytes, part: bytes) -> None:
    """Look for damage in one strip or tile of a TIFF.

    Args:
        tables: a JPEG file of what all parts have in common; empty where each has its own.
        part: a JPEG file.

    Raises:
        ImageError: damaged.
    """
    data = part[:2] + tables[2:-2] + part[2:] if tables else part
    header = _header(data)
    if header.components in _COLOURS and header.bits == 8:
        _strict(data, header, _COLOURS[header.components])


def _strict(data: bytes, header: _Header, colour: str) -> NDArray[np.uint8]:
    import simplejpeg

    try:
        pixels = simplejpeg.decode_jpeg(data, colour, strict=True)
    except ValueError as error:
        reason = (str(error).splitlines() or [""])[0]
        if _ODD_SUBSAMPLING in reason:
            return _by_pillow(_bare(data, header))
        mended = _mended(data, header, reason)
        if mended is None:
            raise _damaged(reason) from error
        return _strict(mended, _header(mended), colour)
    if header.frame in _PROGRESSIVE and _unfinished(header.scans):
        raise _damaged("its last scans are missing")
    return np.asarray(pixels)


def _lenient(data: bytes, header: _Header, colour: str) -> NDArray[np.uint8]:
    import simplejpeg

    try:
        return np.asarray(simplejpeg.decode_jpeg(data, colour, strict=False))
    except ValueError as error:
        if _ODD_SUBSAMPLING in str(error):
            return _by_pillow(_bare(data, header))
        raise ImageError(f"damaged image ({error})") from error


def _by_pillow(data: bytes) -> NDArray[np.uint8]:
    """A JPEG whose chroma is sampled in a way that libjpeg-turbo's simple interface does not name: 4:1:0 and rarer.

    Here alone a scan whose end was patched goes unnoticed.
    """
    from PIL.JpegImagePlugin import JpegImageFile

    with JpegImageFile(io.BytesIO(data)) as image:
        pixels = np.asarray(image)
    return np.invert(pixels) if pixels.ndim == 3 and pixels.shape[2] == 4 else np.atleast_3d(pixels)


def _damaged(reason: str) -> ImageError:
    return ImageError(f"damaged image ({reason}); where such frames are wanted all the same, adapt with --damaged keep")


def _rgb(pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """RGB `[H,W,3]` from inks `[H,W,4]`, which JPEG files hold inverted."""
    from PIL import Image

    np.invert(pixels, out=pixels)
    inks = Image.frombuffer("CMYK", (pixels.shape[1], pixels.shape[0]), pixels, "raw", "CMYK", 0, 1)
    return np.asarray(inks.convert("RGB"))


def _mended(data: bytes, header: _Header, reason: str) -> bytes | None:
    """The same picture without what is harmless at its end; None where it may not be whole."""
    if "ICC" in reason and header.metadata:
        return _bare(data, header)
    padding = re.search(r"(\d+) extraneous bytes before marker 0xd9", reason)
    if padding and header.end:
        count, end = int(padding[1]), header.end - 2
        zeros = end - len(data[:end].rstrip(b"\0"))
        # More zeros than are left over were taken for picture: a file of which the end was never written.
        return data[: end - count] + data[end : end + 2] if count <= zeros <= count + _PREFETCH else None
    unmarked = not header.end and header.frame not in _PROGRESSIVE and not data.endswith((b"\0", b"\xff\xd9"))
    return data + b"\xff\xd9" if unmarked and "end of JPEG" in reason else None


def _bare(data: bytes, header: _Header) -> bytes:
    """The file without its metadata, over which a decoder may stumble."""
    starts, stops = [start for start, _ in header.metadata], [stop for _, stop in header.metadata]
    return b"".join(data[begin:end] for begin, end in zip([0, *stops], [*starts, len(data)], strict=True))


def _unfinished(scans: list[bytes]) -> bool:
    """Whether a progressive picture stops before the last bits of what it has begun: libjpeg takes that for an end."""
    missing: dict[tuple[int, int], int] = {}  # bits that are still to come, of each component's coefficients
    for scan in scans:
        count = scan[0]
        first, last, precision = scan[1 + 2 * count : 4 + 2 * count]
        for component in scan[1 : 1 + 2 * count : 2]:
            missing.update({(component, number): precision & 15 for number in range(first, min(last, 63) + 1)})
    return any(missing.values())


def _header(data: bytes) -> _Header:
    """What the segments say; of a file that is cut off, as much as is there."""
    header = _Header()
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


def _note(header: _Header, marker: int, at: int, segment: bytes) -> None:
    if marker in _METADATA:
        header.metadata.append((at - 4, at + len(segment)))
    if marker in _FRAMES and not header.frame:
        header.frame = marker
        header.bits, header.height, header.width, header.components = struct.unpack_from(">BHHB", segment)
    elif marker == _SCAN:
        _ = segment[1 + 2 * segment[0] + 2]  # whole
        header.scans.append(segment)
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
    at = 2
    while found := _MARKER.search(data, at):
        marker, at = found[1][0], found.end()
        if marker in _ALONE:
            continue
        if marker == _END:
            yield marker, at, b""
            return
        length = int.from_bytes(data[at : at + 2], "big")
        yield marker, at + 2, data[at + 2 : at + length]
        at += length


def _places(data: bytes, header: _Header) -> list[tuple[int, int]]:
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
