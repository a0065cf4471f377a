"""Messages between a gallery's owner and who asks it, as bytes.

A frame is a head of 20 bytes (`EFSASK`, the version, the lengths of the text and of the blobs), a text, which is one
JSON object, and the blobs that it names by their lengths, end to end. Lengths stand in front and are looked at before
anything is kept; nothing is unpickled.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from edgefs_runtime.base.errors import GalleryError
from edgefs_runtime.base.strict_json import read_json
from edgefs_runtime.bundle.identity import canonical_json

VERSION = 1
HEAD = struct.Struct("<6sHIQ")
MOST_TEXT = 32 << 20  # bytes
MOST_BLOBS = 256 << 20  # bytes
_MOST_NUMBER = 1_000_000  # blobs
_MAGIC = b"EFSASK"


class FrameError(GalleryError):
    """What came is no message, or one of another version."""


class Frame(NamedTuple):
    """One message."""

    fields: dict[str, Any]
    blobs: list[memoryview]


def pack(fields: Mapping[str, Any], blobs: Sequence[bytes] = ()) -> list[bytes]:
    """The blocks of a frame, none of them empty: to send nothing behind the last byte fails where that was answered.

    Raises:
        FrameError: it is larger than a frame may be.
    """
    text = canonical_json({"fields": fields, "blobs": [len(blob) for blob in blobs]}).encode("ascii")
    size = sum(map(len, blobs))
    _refuse_large(len(text), size)
    return [HEAD.pack(_MAGIC, VERSION, len(text), size), text, *filter(None, blobs)]


def lengths(head: bytes | bytearray) -> tuple[int, int]:
    """Bytes of text and of blobs that follow a head of 20 bytes.

    Raises:
        FrameError: no head, one of another version, or of more than is read.
    """
    magic, version, text, blobs = HEAD.unpack(head)
    if magic != _MAGIC:
        raise FrameError("what came through the socket is no message of edgefs")
    if version != VERSION:
        raise FrameError(
            f"the other process speaks version {version} of the socket's protocol, this one version {VERSION}: "
            "use one edgefs for both, or stop the process that owns the gallery"
        )
    _refuse_large(text, blobs)
    return text, blobs


def unpack(data: bytes | bytearray, text: int) -> Frame:
    """The message in what follows a head, of which so many bytes are the text.

    Raises:
        FrameError: the text is not what `pack` writes, or names other blobs than there are.
    """
    whole = memoryview(data).toreadonly()
    try:
        said = read_json(bytes(whole[:text]))
        fields, sizes = said["fields"], said["blobs"]
        if not isinstance(fields, dict) or not isinstance(sizes, list) or len(sizes) > _MOST_NUMBER:
            raise TypeError("of another kind")
        return Frame(fields, _cut(whole[text:], sizes))
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise FrameError("what came through the socket holds what no edgefs says") from error


def _cut(data: memoryview, sizes: list[Any]) -> list[memoryview]:
    if not all(type(size) is int and size >= 0 for size in sizes) or sum(sizes) != len(data):
        raise ValueError("blobs of another length")
    blobs, start = [], 0
    for size in sizes:
        blobs.append(data[start : start + size])
        start += size
    return blobs


def _refuse_large(text: int, blobs: int) -> None:
    if text > MOST_TEXT or blobs > MOST_BLOBS:
        raise FrameError(
            f"{(text + blobs) / 1e6:,.0f} MB at once are too much for the process that owns the gallery (at most "
            f"{MOST_BLOBS / 1e6:,.0f} MB): do it in several acts of fewer images, or stop that process"
        )
