"""A TIFF file of one page and nothing else, for a decoder that wants a file."""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from edgefs_runtime.images.decode.tiff_pages import Tag


def single_page(
    order: str, entries: dict[int, tuple[int, int, bytes]], parts: Sequence[bytes], tiled: bool = False
) -> bytes:
    """A TIFF file of one page.

    Args:
        order: `<` or `>`.
        entries: by tag: type, number of values, and their bytes; those of strips and tiles are added.
        parts: the bytes of strips or tiles.
        tiled: whether the parts are tiles, not strips.
    """
    starts = np.cumsum([8, *(len(part) for part in parts)]).tolist()
    places, sizes = (Tag.TILE_OFFSETS, Tag.TILE_BYTES) if tiled else (Tag.STRIP_OFFSETS, Tag.STRIP_BYTES)
    all_entries = {
        **entries,
        int(places): (4, len(parts), struct.pack(f"{order}{len(parts)}I", *starts[:-1])),
        int(sizes): (4, len(parts), struct.pack(f"{order}{len(parts)}I", *map(len, parts))),
    }
    at = starts[-1] + starts[-1] % 2
    outside = at + 2 + 12 * len(all_entries) + 4
    table, values = struct.pack(f"{order}H", len(all_entries)), b""
    for tag, (kind, count, data) in sorted(all_entries.items()):
        field = data.ljust(4, b"\0") if len(data) <= 4 else struct.pack(f"{order}I", outside + len(values))
        values += data + b"\0" * (len(data) % 2) if len(data) > 4 else b""
        table += struct.pack(f"{order}HHI", tag, kind, count) + field
    head = (b"II*\0" if order == "<" else b"MM\0*") + struct.pack(f"{order}I", at)
    return b"".join((head, *parts, b"\0" * (starts[-1] % 2), table, bytes(4), values))
