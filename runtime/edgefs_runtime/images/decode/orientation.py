"""Which way is up: the orientation of EXIF, else of XMP, read with bounds and without complaint.

Metadata that is damaged costs nothing but itself, since the pixels are still good.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Callable, Mapping
from typing import Any

from numpy.typing import NDArray

from edgefs_runtime.images.picture import Picture

_ORIENTATION = 0x0112
_MOST_ENTRIES = 1000  # of the first directory; real ones have a few dozen
_XMP = re.compile(rb"""tiff:Orientation(?:="|='|>)([1-8])""")
_INTEGERS = {1: "B", 3: "H", 4: "I"}  # EXIF's types of whole numbers
_UPRIGHT: dict[int, Callable[[NDArray[Any]], NDArray[Any]]] = {
    2: lambda pixels: pixels[:, ::-1],
    3: lambda pixels: pixels[::-1, ::-1],
    4: lambda pixels: pixels[::-1],
    5: lambda pixels: pixels.swapaxes(0, 1),
    6: lambda pixels: pixels[::-1].swapaxes(0, 1),
    7: lambda pixels: pixels[::-1, ::-1].swapaxes(0, 1),
    8: lambda pixels: pixels[:, ::-1].swapaxes(0, 1),
}  # what undoes each orientation, of [H,W] and [H,W,3]


def upright(picture: Picture, orientation: int) -> Picture:
    """The picture turned by what EXIF calls 1 to 8; any other number leaves it. A view, not a copy."""
    turn = _UPRIGHT.get(orientation)
    return Picture(turn(picture.pixels), picture.white) if turn else picture


def of_metadata(exif: bytes, xmp: bytes = b"") -> int:
    """Orientation, 1 to 8, from a block of EXIF and one of XMP, either of which may be empty or damaged."""
    found = _of_exif(exif.removeprefix(b"Exif\0\0"))
    if found is None:
        said = _XMP.search(xmp)
        found = int(said[1]) if said else 1
    return found


def of_info(info: Mapping[Any, Any]) -> int:
    """Orientation, 1 to 8, from what Pillow keeps of a file beside its pixels."""
    exif, xmp = info.get("exif"), info.get("XML:com.adobe.xmp") or info.get("xmp") or b""
    if not exif and (raw := info.get("Raw profile type exif")):
        exif = unhex(raw.encode("latin-1", "replace") if isinstance(raw, str) else raw)
    known = exif if isinstance(exif, bytes) else b""
    return of_metadata(known, xmp.encode("utf-8", "replace") if isinstance(xmp, str) else bytes(xmp))


def unhex(profile: bytes) -> bytes:
    """EXIF that was written into a PNG as text: a name and a length, then hexadecimal digits."""
    try:
        return bytes.fromhex(b"".join(profile.split(b"\n")[3:]).decode("ascii"))
    except ValueError:
        return b""


def _of_exif(block: bytes) -> int | None:
    """Orientation that an EXIF block names; None where it names none, or none that can be understood."""
    order = {b"II": "<", b"MM": ">"}.get(block[:2])
    if order is None:
        return None
    try:
        (start,) = struct.unpack_from(f"{order}I", block, 4)
        (count,) = struct.unpack_from(f"{order}H", block, start)
        for entry in range(start + 2, start + 2 + 12 * min(count, _MOST_ENTRIES), 12):
            tag, kind = struct.unpack_from(f"{order}HH", block, entry)
            if tag == _ORIENTATION and entry + 12 <= len(block):
                (value,) = struct.unpack_from(f"{order}{_INTEGERS.get(kind, 'B')}", block, entry + 8)
                return int(value) if kind in _INTEGERS and 1 <= value <= 8 else 1
    except struct.error:
        pass
    return None
