"""docs/formats/picture.md"""

from __future__ import annotations

import json
import struct
import zlib
from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np

from second_reader.archives import canonical


class Picture(NamedTuple):
    """Pixels uint8 `[H,W,3]`, and how they were made."""

    pixels: np.ndarray
    note: dict[str, Any]


def read_picture(data: bytes) -> Picture:
    if data[:8] != b"\x89PNG\r\n\x1a\n":
        raise ValueError("no PNG")
    note, pixels, header = None, b"", (0,) * 7
    for kind, content in _chunks(data):
        if kind == b"IHDR":
            header = struct.unpack(">IIBBBBB", content)
        if kind == b"tEXt" and content.startswith(b"edgefs\0") and not pixels:
            note = json.loads(content[7:])
            if canonical(note) != content[7:]:
                raise ValueError("the note is not canonical")
        if kind == b"IDAT":
            pixels += content
    width, height, bits, colour, *others = header
    if bits != 8 or colour not in (0, 2) or others != [0, 0, 0] or note is None:
        raise ValueError("another kind of PNG")
    if note["preprocess"]["size"] != [height, width]:
        raise ValueError("another size")
    rows = _unfiltered(zlib.decompress(pixels), height, width, 1 if colour == 0 else 3)
    return Picture(np.repeat(rows, 3, axis=2) if colour == 0 else rows, note)


def _chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    at = 8
    while at < len(data):
        length, kind = struct.unpack_from(">I4s", data, at)
        content = data[at + 8 : at + 8 + length]
        if zlib.crc32(kind + content) != struct.unpack_from(">I", data, at + 8 + length)[0]:
            raise ValueError("a checksum differs")
        yield kind, content
        at += 12 + length


def _unfiltered(data: bytes, height: int, width: int, channels: int) -> np.ndarray:
    rows = np.zeros((height + 1, (width + 1) * channels), np.int64)  # with zeros above and to the left
    for number in range(height):
        line = data[number * (width * channels + 1) : (number + 1) * (width * channels + 1)]
        for at, value in enumerate(line[1:], start=channels):
            left, up, both = rows[number + 1, at - channels], rows[number, at], rows[number, at - channels]
            nearest = min((left, up, both), key=lambda one: abs(left + up - both - one))
            predicted = (0, left, up, (left + up) // 2, nearest)[line[0]]
            rows[number + 1, at] = (value + predicted) % 256
    return rows[1:, channels:].reshape(height, width, channels).astype(np.uint8)
