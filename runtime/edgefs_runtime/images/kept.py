"""Pictures that a gallery keeps: the network's input of an image, lossless, with a note of how it was made.

A kept picture is a PNG of 8 bits, one channel where all three are equal. Its text `edgefs` is a JSON object of the
preprocessing and of the frame that it was made of (`KeptPicture`): so a picture says the same in a gallery, in a
bundle's seed, and wherever a merge or another bundle takes it. Embedding it again under the same preprocessing gives
the same embedding, bit for bit. What another preprocessing sees of it, `transfer` says.

Galleries of before kept JPEGs of the region of interest, squeezed to 256 pixels and 8 bits; they are read as ever.
"""

from __future__ import annotations

import io
import json
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.base.errors import BundleError, ImageError
from edgefs_runtime.base.strict_json import read_json
from edgefs_runtime.images.decoding import ImageSource, open_image
from edgefs_runtime.images.picture import Picture
from edgefs_runtime.images.preprocess import AS_THE_FILE_SAYS, MOST_PIXELS, MOST_SIDE, Preprocess

MOST_BYTES = 16 << 20  # of one kept picture; the largest input, of noise alone, has 12.6 million
PNG_MEDIA, JPEG_MEDIA = "image/png", "image/jpeg"

_SIGNATURE = b"\x89PNG\r\n\x1a\n"
_KEYWORD = b"edgefs"
_MOST_NOTE = 8192  # bytes
_MOST_CHUNKS = 64  # that are looked at for it
_LEVEL = 6  # of Deflate: 9 takes up to eight times as long and saves 2 %
_GREY, _RGB = 0, 2  # colour types


@dataclass(frozen=True)
class Frame:
    """What a kept picture was made of.

    Attributes:
        size: (height, width) of the upright frame, pixels.
        channels: 1 of a grey frame, 3 of one in colour.
        white: the count that its file calls white: 255 of frames of 8 bits, which no window touches.
    """

    size: tuple[int, int]
    channels: int
    white: int

    @classmethod
    def of(cls, picture: Picture) -> Frame:
        """What is to be known of a frame."""
        return cls((picture.height, picture.width), 3 if picture.pixels.ndim == 3 else 1, picture.white)

    @property
    def is_deep(self) -> bool:
        """Whether it has more than 8 bits, so that a window says what is seen of it."""
        return self.white != 255

    def window(self, preprocess: Preprocess) -> tuple[int, int] | None:
        """The raw values that a preprocessing maps to 0 and 255; None where it maps none."""
        if not self.is_deep:
            return None
        return (0, self.white) if preprocess.window == AS_THE_FILE_SAYS else preprocess.window

    def region(self, preprocess: Preprocess) -> tuple[int, int, int, int]:
        """The (left, top, width, height) that a preprocessing cuts out, pixels of the frame."""
        return preprocess.roi or (0, 0, self.size[1], self.size[0])


@dataclass(frozen=True)
class KeptPicture:
    """A picture as it was kept.

    Attributes:
        pixels: uint8 RGB `[H,W,3]`, what the network was shown.
        preprocess: by which it was made.
        frame: of which it was made.
    """

    pixels: NDArray[np.uint8]
    preprocess: Preprocess
    frame: Frame


def keep_picture(pixels: NDArray[np.uint8], preprocess: Preprocess, frame: Frame) -> bytes:
    """The PNG that is kept of an image.

    Args:
        pixels: uint8 RGB `[H,W,3]`, what the network is shown of it.
        preprocess: by which that was made.
        frame: of which.
    """
    is_grey = bool((pixels[:, :, 0] == pixels[:, :, 1]).all() and (pixels[:, :, 1] == pixels[:, :, 2]).all())
    note = {
        "channels": frame.channels,
        "frame": list(frame.size),
        "preprocess": preprocess.to_json(),
        "white": frame.white,
    }
    text = _KEYWORD + b"\0" + json.dumps(note, sort_keys=True, separators=(",", ":")).encode("ascii")
    buffer = io.BytesIO()
    image = Image.fromarray(np.ascontiguousarray(pixels[:, :, 0] if is_grey else pixels))
    image.save(buffer, "PNG", compress_level=_LEVEL)
    data = buffer.getvalue()
    behind = len(_SIGNATURE) + 25  # the header: nothing may stand before it
    return data[:behind] + _chunk(b"tEXt", text) + data[behind:]


def keep_image(source: ImageSource, preprocess: Preprocess) -> bytes:
    """The PNG that is kept of an image file.

    Raises:
        ImageError: the source can't be decoded, or the region of interest lies outside it.
    """
    picture = preprocess.open(source)
    return keep_picture(preprocess(picture), preprocess, Frame.of(picture))


def read_picture(data: bytes) -> KeptPicture:
    """A kept PNG, as it was made.

    Raises:
        ImageError: damaged, larger than a network's input, or without a note of how it was made.
    """
    refuse_strange_picture(data)
    note = _note(data)
    pixels = open_image(data).pixels
    if pixels.dtype != np.uint8 or pixels.shape[:2] != note.preprocess.size:
        raise ImageError("a kept picture is not of the size that it says it was made at")
    if pixels.ndim == 2:
        pixels = np.repeat(pixels[:, :, None], 3, axis=2)
    return KeptPicture(pixels, note.preprocess, note.frame)


def is_lossless(data: bytes) -> bool:
    """Whether a kept picture is a PNG; those of before are JPEG files."""
    return data.startswith(_SIGNATURE)


def media_of(data: bytes) -> str | None:
    """The media type that stands beside a kept picture; None stands for `image/jpeg`."""
    return PNG_MEDIA if is_lossless(data) else None


def refuse_strange_picture(data: bytes | memoryview) -> None:
    """Refuse what nobody keeps, by its first bytes and before anything is decoded.

    Raises:
        ImageError: too many bytes, or a PNG that claims another kind or size of picture than a network is shown.
    """
    if len(data) > MOST_BYTES:
        raise ImageError(f"a kept picture of {len(data):,} bytes; at most {MOST_BYTES:,} are read")
    first = bytes(data[: len(_SIGNATURE) + 21])
    if not is_lossless(first):
        return
    head = first[len(_SIGNATURE) :]
    if len(head) < 21 or head[:8] != b"\0\0\0\rIHDR":
        raise ImageError("a kept picture is a PNG without a header")
    width, height, bits, colour, *ways = struct.unpack(">IIBBBBB", head[8:])
    if not (1 <= width <= MOST_SIDE and 1 <= height <= MOST_SIDE and width * height <= MOST_PIXELS):
        raise ImageError(f"a kept picture of {width} x {height}; no network's input is as large")
    if bits != 8 or colour not in (_GREY, _RGB) or ways != [0, 0, 0]:
        raise ImageError("a kept picture is another kind of PNG than edgefs writes")


@dataclass(frozen=True)
class _Note:
    """How a kept picture was made."""

    preprocess: Preprocess
    frame: Frame


def _note(data: bytes) -> _Note:
    for kind, content in _chunks_before_pixels(data):
        keyword, _, text = content.partition(b"\0")
        if kind == b"tEXt" and keyword == _KEYWORD:
            return _parsed(text)
    raise ImageError("a kept picture does not say how it was made")


def _parsed(text: bytes) -> _Note:
    try:
        fields = read_json(text)
        height, width = fields["frame"]
        numbers = (height, width, fields["channels"], fields["white"])
        if any(not isinstance(number, int) or not 0 < number <= 1 << 24 for number in numbers):
            raise ValueError("out of range")
        if fields["channels"] not in (1, 3):
            raise ValueError("neither grey nor in colour")
        frame = Frame((height, width), fields["channels"], fields["white"])
        return _Note(Preprocess.from_json(fields["preprocess"]), frame)
    except (ValueError, KeyError, TypeError, AttributeError, BundleError) as error:
        raise ImageError("a kept picture does not say how it was made") from error


def _chunks_before_pixels(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """Kind and content of small chunks whose checksum is right."""
    at = len(_SIGNATURE)
    for _ in range(_MOST_CHUNKS):
        if at + 12 > len(data):
            return
        length, kind = struct.unpack_from(">I4s", data, at)
        if kind == b"IDAT":
            return
        if length <= _MOST_NOTE:
            content = data[at + 8 : at + 8 + length]
            if _chunk(kind, content) == data[at : at + 12 + length]:
                yield kind, content
        at += 12 + length


def _chunk(kind: bytes, content: bytes) -> bytes:
    checked: Any = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", checked)
