"""Small files that claim large pictures, or hold scans, frames, strips, chunks and texts without end."""

from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from containers import chunk, pillow, png, tiff
from PIL import Image

from edgefs_runtime.images.decode.tiff_single import single_page
from faults.attacks.files import special
from faults.attacks.making import Attack

_SPARSE = 3_000_000_000  # bytes
_GREY = np.zeros((8, 8), np.uint8)
_JPEG = pillow(_GREY, "JPEG")


def _written(content: Callable[[], bytes], sparse: bool = False) -> Attack:
    def write(folder: Path) -> Path:
        path = folder / "attack.png"
        path.write_bytes(content())
        if sparse:
            os.truncate(path, _SPARSE)
        return path

    return write


def _png_claiming(width: int, height: int, bits: int = 8, colour: int = 0, pixels: bytes = b"") -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", pixels or zlib.compress(bytes(1000))) + chunk(b"IEND", b"")


def _png_before(chunks: bytes) -> bytes:
    return png(_GREY, 0, before=chunks)


def _bomb_text(kind: bytes, name: bytes) -> bytes:
    return chunk(kind, name + zlib.compress(bytes(1 << 20), 9))


def _jpeg_claiming(width: int, height: int, *, progressive: bool = False) -> bytes:
    data = bytearray(pillow(np.zeros((8, 8, 3), np.uint8), "JPEG", progressive=progressive))
    at = data.index(b"\xff\xc2" if progressive else b"\xff\xc0")
    struct.pack_into(">HH", data, at + 5, height, width)
    return bytes(data)


def _scans(count: int) -> bytes:
    data = pillow(np.zeros((2048, 2048, 3), np.uint8), "JPEG", progressive=True)
    at = data.rindex(b"\xff\xda")
    return data[:at] + data[at:-2] * count + data[-2:]


def _gif(screen: tuple[int, int], frames: int) -> bytes:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    return b"GIF89a" + struct.pack("<HHBBB", *screen, 0x80, 0, 0) + bytes(6) + frame * frames + b";"


def _bmp(width: int, height: int, bits: int, compression: int, body: bytes) -> bytes:
    colours = bytes(1024) if bits == 8 else b""
    head = struct.pack("<IiiHHIIiiII", 40, width, height, 1, bits, compression, 0, 0, 0, 0, 0)
    return b"BM" + struct.pack("<IHHI", 99, 0, 0, 54 + len(colours)) + head + colours + body


def _webp(width: int, height: int) -> bytes:
    size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
    return b"RIFF" + struct.pack("<I", 99) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + size + bytes(50)


def _flat_webp(side: int) -> bytes:
    file = io.BytesIO()
    Image.new("L", (side, side)).save(file, "WEBP", lossless=True, method=0)
    return file.getvalue()


def _tagged(tags: dict[int, tuple[int, list[int]]], **page: object) -> bytes:
    return tiff({"samples": _GREY, "tags": tags, **page})


def _directories(pages: int, tags: int) -> bytes:
    """Directories that overlap: each begins a little behind the one before, and all read the same tags."""
    table = b"".join(struct.pack("<HHII", 40_000 + number % 20_000, 4, 1, 0) for number in range(tags))
    file, step = bytearray(b"II*\0" + struct.pack("<I", 8)), 2 + len(table) + 4
    for page in range(pages):
        following = 8 + (page + 1) * step if page + 1 < pages else 0
        file += struct.pack("<H", tags) + table + struct.pack("<I", following)
    return bytes(file)


def _counts_in_a_tag(pages: int, count: int) -> bytes:
    """Each of many pages says in a tag of `count` numbers, all the same ones, what kind of page it is."""
    file = bytearray(b"II*\0" + struct.pack("<I", 8))
    for page in range(pages):
        following = 8 + (page + 1) * 18 if page + 1 < pages else 0
        file += struct.pack("<HHHIII", 1, 254, 4, count, 8, following)
    return bytes(file) + bytes(4 * count)


def _page(width: int, height: int, parts: list[bytes], *, tiled: bool = False, compression: int = 1) -> bytes:
    """A grey TIFF of strips of all rows, or of tiles of one pixel, whatever they hold."""
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 277: 1}
    tags |= {322: 1, 323: 1} if tiled else {278: height}
    return single_page("<", {tag: (4, 1, struct.pack("<I", value)) for tag, value in tags.items()}, parts, tiled)


PICTURES: dict[str, Attack] = {
    "png: 60,000 x 60,000": _written(lambda: _png_claiming(60_000, 60_000)),
    "png: 195 megapixels in 100 bytes": _written(lambda: _png_claiming(15_000, 13_000)),
    "png: 195 megapixels of 8 bytes": _written(
        lambda: _png_claiming(15_000, 13_000, 16, 6, zlib.compress(bytes(10**7)))
    ),
    "png: 2,000,000 empty chunks": _written(lambda: _png_before(chunk(b"aaaa", b"") * 2_000_000)),
    "png: 2,000,000 empty pixels": _written(lambda: _png_before(chunk(b"IDAT", b"") * 2_000_000)),
    "png: 20,000 texts of 1 MB": _written(
        lambda: _png_before(_bomb_text(b"zTXt", b"Raw profile type exif\0\0") * 20_000)
    ),
    "png: 20,000 XMP of 1 MB": _written(
        lambda: _png_before(_bomb_text(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0") * 20_000)
    ),
    "png: 20,000 profiles of 1 MB": _written(lambda: _png_before(_bomb_text(b"iCCP", b"sRGB\0\0") * 20_000)),
    "png: 4 billion frames": _written(lambda: _png_before(chunk(b"acTL", struct.pack(">II", 2**32 - 1, 0)))),
    "png: 3 GB behind its header": _written(lambda: _png_claiming(8, 8)[:33], sparse=True),
    "jpeg: 65,500 x 65,500": _written(lambda: _jpeg_claiming(65_500, 65_500)),
    "jpeg: progressive, 144 megapixels": _written(lambda: _jpeg_claiming(12_000, 12_000, progressive=True)),
    "jpeg: 3,000 scans": _written(lambda: _scans(3_000)),
    "jpeg: markers without end": _written(lambda: _JPEG[:20] + b"\xff\x01" * 10_000_000),
    "jpeg: 3 GB behind its picture": _written(lambda: _JPEG, sparse=True),
    "gif: 65,535 x 65,535": _written(lambda: _gif((65_535, 65_535), 1)),
    "gif: 1,000,000 frames": _written(lambda: _gif((8, 8), 1_000_000)),
    "gif: 3 GB behind its header": _written(lambda: b"GIF89a" + struct.pack("<HHBBB", 8, 8, 0, 0, 0), sparse=True),
    "webp: 16,777,216 x 16,777,216": _written(lambda: _webp(1 << 24, 1 << 24)),
    "webp: 16,000 x 16,000 in black": _written(lambda: _flat_webp(16_000)),
    "webp: 3 GB": _written(lambda: _webp(8, 8), sparse=True),
    "bmp: 60,000 x 60,000": _written(lambda: _bmp(60_000, 60_000, 24, 0, b"")),
    "bmp: rows of 190 megapixels, run by run": _written(lambda: _bmp(190_000_000, 1, 8, 1, b"\0\2\xff\xff" * 10)),
    "bmp: 190 megapixels in 20 bytes": _written(lambda: _bmp(19_000, 10_000, 8, 0, bytes(20))),
    "avif: 3 GB": _written(lambda: struct.pack(">I", 32) + b"ftypavif" + bytes(20), sparse=True),
    "pgm: sizes of 20 digits": _written(lambda: b"P5 " + b"9" * 20 + b" " + b"9" * 20 + b" 255\n"),
    "pgm: sizes of 5,000 digits": _written(lambda: b"P5 " + b"9" * 5000 + b" 1 255\n"),
    "pgm: 1,000,000 pictures": _written(lambda: b"P5 1 1 255\n\0" * 1_000_000),
    "pgm: 195 megapixels in 20 bytes": _written(lambda: b"P5 15000 13000 255\n\0"),
    "ppm: 195 megapixels of 6 bytes": _written(lambda: b"P6 15000 13000 65535\n\0"),
    "pfm: a comment of 60 MB": _written(lambda: b"Pf #" + b"a" * 60_000_000),
    "tiff: 2^31 x 2^31": _written(lambda: _tagged({256: (4, [2**31]), 257: (4, [2**31])})),
    "tiff: 195 megapixels of 8 bytes": _written(
        lambda: tiff({"samples": np.zeros((8, 8)), "tags": {256: (4, [15_000]), 257: (4, [13_000])}})
    ),
    "tiff: 195 megapixels in 64 bytes": _written(lambda: _tagged({256: (4, [15_000]), 257: (4, [13_000])})),
    "tiff: a strip of 4 billion rows": _written(lambda: _tagged({278: (4, [2**32 - 1]), 257: (4, [2**32 - 1])})),
    "tiff: 60,000 directories of 100 tags": _written(lambda: _directories(60_000, 100)),
    "tiff: 60,000 tags of 1,000,000 numbers": _written(lambda: _counts_in_a_tag(60_000, 1_000_000)),
    "tiff: 1,000,000 tiles of one pixel": _written(lambda: _page(1000, 1000, [b"\0"] * 1_000_000, tiled=True)),
    "tiff: 195 megapixels of PackBits in 64 bytes": _written(
        lambda: _page(15_000, 13_000, [b"\x81\0" * 32], compression=32773)
    ),
    "tiff: a JPEG of 65,500 x 65,500 in it": _written(
        lambda: _page(16, 16, [_jpeg_claiming(65_500, 65_500)], compression=7)
    ),
    "tiff: 10,000 JPEGs of 16 megapixels in it": _written(
        lambda: _page(100, 100, [pillow(np.zeros((4000, 4000), np.uint8), "JPEG")] + [b"\xff\xd8"] * 99, compression=7)
    ),
    **{f"picture: {name}": attack for name, attack in special("attack.jpg", _JPEG).items()},
}
