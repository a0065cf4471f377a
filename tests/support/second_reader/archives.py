"""The zip of docs/formats/bundle.md, the `.npz` and the canonical JSON of docs/formats.md."""

from __future__ import annotations

import hashlib
import io
import json
import struct
import zlib
from typing import Any

import numpy as np


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def canonical(value: Any) -> bytes:
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True, allow_nan=False).encode("ascii")


def members(data: bytes) -> dict[str, bytes]:
    """Contents by name, each checked by its CRC-32."""
    end = len(data) - 22
    if data[end : end + 4] != b"PK\5\6":
        raise ValueError("no end of the directory")
    count, size, start = struct.unpack("<HII", data[end + 10 : end + 20])
    if start + size != end:
        raise ValueError("the directory does not lie before its end")
    found: dict[str, bytes] = {}
    at = start
    for _ in range(count):
        name, content, at = _entry(data, at)
        if name in found:
            raise ValueError(f"{name} stands twice")
        found[name] = content
    if at != end:
        raise ValueError("the directory is longer than its entries")
    return found


def _entry(data: bytes, at: int) -> tuple[str, bytes, int]:
    signature, flags, method = struct.unpack("<4s4xHH", data[at : at + 12])
    crc, stored, size = struct.unpack("<III", data[at + 16 : at + 28])
    lengths, (local,) = struct.unpack("<HHH", data[at + 28 : at + 34]), struct.unpack("<I", data[at + 42 : at + 46])
    if signature != b"PK\1\2" or flags & 1 or method or stored != size:
        raise ValueError("an entry is not of the narrow kind")
    if data[local : local + 4] != b"PK\3\4":
        raise ValueError("no local header")
    first = local + 30 + sum(struct.unpack("<HH", data[local + 26 : local + 30]))
    content = data[first : first + size]
    if zlib.crc32(content) != crc:
        raise ValueError("a CRC-32 differs")
    return data[at + 46 : at + 46 + lengths[0]].decode(), content, at + 46 + sum(lengths)


def arrays(data: bytes) -> dict[str, np.ndarray]:
    """An `.npz`, by the keys of its arrays."""
    return {
        name.removesuffix(".npy"): np.lib.format.read_array(io.BytesIO(content), allow_pickle=False)
        for name, content in members(data).items()
    }
