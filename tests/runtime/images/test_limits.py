"""How large a picture may be: what the page says holds, honest frames open, bombs are refused from their headers."""

from __future__ import annotations

import os
import re
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from containers import chunk, pillow, png, tiff

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import content_digest, open_image
from edgefs_runtime.images.decode.tiff_single import single_page
from edgefs_runtime.images.decoding import DECODERS
from edgefs_runtime.images.preprocess import Preprocess

pytestmark = pytest.mark.device

PAGE = Path(__file__).parents[3] / "docs" / "data.md"
GREY = np.arange(64, dtype=np.uint8).reshape(8, 8)
_ROW = re.compile(r"^\| ([A-Za-z, ]+) \| ([\d,]+) \| ([\d,]+) \| ([\d,]+|any) \|", re.MULTILINE)


def test_the_page_states_the_limits_of_every_format() -> None:
    def number(text: str) -> int | None:
        return None if text == "any" else int(text.replace(",", ""))

    told = {row[1]: tuple(map(number, row.groups()[1:])) for row in _ROW.finditer(PAGE.read_text(encoding="utf-8"))}
    assert told == {name: tuple(decoder.limit) for name, decoder in DECODERS.items()}


def test_a_line_scan_of_150_megapixels_and_16_bits_opens(tmp_path: Path) -> None:
    path = tmp_path / "line.pgm"
    path.write_bytes(b"P5 12500 12000 65535\n\x12\x34")
    os.truncate(path, 21 + 2 * 12500 * 12000)
    picture = open_image(path)
    assert (picture.width, picture.height, picture.bits, picture.pixels[0, 0]) == (12500, 12000, 16, 0x1234)


def claiming(width: int, height: int, bits: int, colour: int, data: bytes) -> bytes:
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, 0))
    return b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", data) + chunk(b"IEND", b"")


def progressive(width: int, height: int) -> bytes:
    data = bytearray(pillow(np.zeros((8, 8, 3), np.uint8), "JPEG", progressive=True))
    struct.pack_into(">HH", data, data.index(b"\xff\xc2") + 5, height, width)
    return bytes(data)


def scans(count: int) -> bytes:
    data = pillow(np.zeros((8, 8, 3), np.uint8), "JPEG", progressive=True)
    return data[:-2] + data[data.rindex(b"\xff\xda") : -2] * count + data[-2:]


def parts(width: int, height: int, *content: bytes, compression: int = 1) -> bytes:
    tags = {256: width, 257: height, 258: 8, 259: compression, 262: 1, 277: 1, 278: max(1, height // len(content))}
    return single_page("<", {tag: (4, 1, struct.pack("<I", value)) for tag, value in tags.items()}, content)


SMALL = zlib.compress(bytes(1000))
LARGE = {
    "more pixels than any": (claiming(20_000, 11_000, 8, 0, SMALL), "more than 200,000,000 pixels.*cut it into parts"),
    "RGBA of 16 bits": (
        claiming(10_000, 10_000, 16, 6, SMALL),
        "10000 x 10000 pixels of 8 bytes are 800,000,000 bytes, more than 450,000,000, refused before decoding; cut it",
    ),
    "fewer pixels than claimed": (claiming(10_000, 10_000, 8, 0, SMALL), "fewer pixels than its header claims"),
    "a progressive JPEG": (progressive(9000, 9000), "pixels of 9 bytes are 729,000,000 bytes"),
    "300 scans": (scans(300), "more than 200 scans"),
    "markers without end": (b"\xff\xd8\xff\xe0\0\2" + b"\xff\x01" * 200_000, "markers without end"),
    "chunks without end": (png(GREY, 0, before=chunk(b"aaaa", b"") * 200_001), "no PNG"),
    "chunks that are none": (png(GREY, 0, before=bytes(24)), "no PNG"),
    "TIFF of doubles": (
        tiff({"samples": np.zeros((8, 8)), "tags": {256: (4, [10_000]), 257: (4, [10_000])}}),
        "pixels of 8 bytes are 800,000,000 bytes",
    ),
    "a JPEG in a TIFF": (parts(16, 16, progressive(60_000, 60_000), compression=7), "more than 200,000,000 pixels"),
    "JPEGs in a TIFF": (
        parts(100, 100, *[pillow(np.zeros((900, 900), np.uint8), "JPEG")] * 4, compression=7),
        "its parts hold more pixels than the picture",
    ),
    "colour of 16 bits": (b"P6 11000 10000 65535\n", "pixels of 6 bytes are 660,000,000 bytes"),
    "WebP": (
        b"RIFF\0\0\0\0WEBPVP8X" + bytes(8) + b"\x3f\x1f\0\x3f\x1f\0",
        "8000 x 8000 is more than 50,000,000 pixels",
    ),
    "a GIF without a frame": (b"GIF89a\x08\0\x08\0\0\0\0" + bytes(9000), "ends before its first frame"),
}


@pytest.mark.parametrize("name", LARGE)
def test_what_is_too_large_is_refused_before_it_is_decoded(name: str) -> None:
    data, told = LARGE[name]
    with pytest.raises(ImageError, match=told) as refused:
        open_image(data)
    assert "\n" not in str(refused.value)


def test_many_frames_are_counted_up_to_a_bound() -> None:
    frame = b"," + struct.pack("<HHHHB", 0, 0, 1, 1, 0) + b"\x02\x02\x44\x01\0"
    gif = b"GIF89a" + struct.pack("<HHBBB", 1, 1, 0x80, 0, 0) + bytes(6) + frame * 20_000 + b";"
    for data in (gif, b"P5 1 1 255\n\0" * 20_000):
        with pytest.raises(ImageError, match="holds 10000 pages or frames"):
            open_image(data)
        assert open_image(data, page=3).pixels.shape[:2] == (1, 1)


def test_a_text_that_unpacks_to_much_costs_nothing() -> None:
    bomb = chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(bytes(1 << 22)))
    assert np.array_equal(open_image(png(GREY, 0, before=bomb * 2000)).pixels, GREY)


def test_a_file_larger_than_any_picture_of_its_kind_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(pillow(GREY, "JPEG"))
    os.truncate(path, 2_000_000_000)
    with pytest.raises(ImageError, match="a JPEG file of 2,000,000,000 bytes, more than 600,000,000"):
        open_image(path)


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no pipes with names")
def test_nobody_waits_for_a_pipe(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "a.png")
    with pytest.raises(ImageError, match="not a file but a pipe or a device"):
        open_image(tmp_path / "a.png")


def test_what_is_too_long_and_thin_is_not_enlarged() -> None:
    with pytest.raises(ImageError, match="2000000 x 1 is too long and thin to be cut to 224 x 224"):
        Preprocess(size=(224, 224), resize="crop")(np.zeros((1, 2_000_000), np.uint8))


def test_a_digest_is_that_of_all_bytes(tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "a").write_bytes(data)
    assert content_digest(tmp_path / "a") == content_digest(data)
