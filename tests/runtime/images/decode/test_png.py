"""PNG: what makes the picture is checked, and nothing else is looked at."""

import io
import struct
import zlib

import numpy as np
import pytest
from containers import UPSIDE, chunk, exif, pillow, png
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import open_image

pytestmark = [pytest.mark.device, pytest.mark.filterwarnings("error")]

GREY = np.random.default_rng(0).integers(0, 256, (21, 27), np.uint8)
RGB = np.random.default_rng(1).integers(0, 256, (21, 27, 3), np.uint8)
DEEP = np.random.default_rng(2).integers(0, 65536, (21, 27, 4), np.uint16)
BOMB = zlib.compress(bytes(50_000_000))
METADATA = {
    "text": chunk(b"tEXt", b"Comment\0" + b"x" * 3_000_000),
    "compressed text": chunk(b"zTXt", b"Comment\0\0" + BOMB),
    "many texts": chunk(b"zTXt", b"Comment\0\0" + BOMB) * 70,
    "international text": chunk(b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + BOMB),
    "broken text": chunk(b"zTXt", b"Comment\0\0no zlib"),
    "text without an end": chunk(b"iTXt", b"XML:com.adobe.xmp"),
    "profile": chunk(b"iCCP", b"ICC\0\0" + BOMB),
    "broken profile": chunk(b"iCCP", b"ICC\0\7???"),
    "wrong gamma": chunk(b"gAMA", b"\0"),
    "wrong chromaticities": chunk(b"cHRM", b"\0" * 3),
    "exif": chunk(b"eXIf", b"II*\0\xff\xff\xff\xff"),
    "unknown": chunk(b"abCd", b"\0" * 99),
    "wrong checksum": chunk(b"tIME", b"\0" * 7)[:-1] + b"\0",
}


@pytest.mark.parametrize("where", ["before", "after"])
@pytest.mark.parametrize("name", METADATA)
def test_metadata_neither_refuses_nor_is_inflated(name, where):
    assert np.array_equal(open_image(png(RGB, 2, **{where: METADATA[name]})).pixels, RGB)


@pytest.mark.parametrize("colour", [0, 2, 4, 6])
@pytest.mark.parametrize("interlaced", [False, True])
def test_sixteen_bits_are_kept(colour, interlaced):
    count = {0: 1, 2: 3, 4: 2, 6: 4}[colour]
    samples = DEEP[:, :, :count].copy()
    if colour in (4, 6):
        samples[:, :, -1] = 65535
    picture = open_image(png(samples, colour, 16, interlaced=interlaced, pieces=4))
    expected = samples[:, :, :3] if colour in (2, 6) else samples[:, :, 0]
    assert np.array_equal(picture.pixels, expected)
    assert picture.white == 65535


@pytest.mark.parametrize("colour", [4, 6])
def test_sixteen_bits_lie_on_black_where_they_are_half_seen(colour):
    samples = DEEP[:, :, : 2 if colour == 4 else 4]
    seen = open_image(png(samples, colour, 16)).pixels.astype(np.int64).reshape(21, 27, -1)
    expected = samples[:, :, :-1].astype(np.int64) * samples[:, :, -1:] / 65535
    assert np.abs(seen - expected).max() <= 0.5


def test_a_colour_that_is_all_but_the_key_is_seen():
    samples = np.array([[0x1234, 0x1235, 0x1134]], np.uint16)
    assert open_image(png(samples, 0, 16, key=b"\x12\x34")).pixels.tolist() == [[0, 0x1235, 0x1134]]
    eight = np.array([[[1, 2, 3], [1, 2, 4]]], np.uint8)
    assert open_image(png(eight, 2, key=b"\0\1\0\2\0\3")).pixels.tolist() == [[[0, 0, 0], [1, 2, 4]]]


def test_a_palette_is_seen_as_far_as_its_entries_are():
    indices = np.array([[0, 1, 2, 3]], np.uint8)
    file = png(indices, 3, palette=[200, 100, 50] * 4, key=b"\xff\x80\0")
    assert open_image(file).pixels.tolist() == [[[200, 100, 50], [100, 50, 25], [0, 0, 0], [200, 100, 50]]]


@pytest.mark.parametrize("colour", [3, 4, 6])
def test_alpha_that_hides_everything_is_none(colour):
    palette = [*range(100), *range(100)]
    file = {
        3: png(GREY % 60, 3, palette=[value for value in palette for _ in range(1)][:180], key=bytes(60)),
        4: png(np.dstack([GREY, GREY * 0]), 4),
        6: png(np.dstack([RGB, GREY * 0]), 6),
    }[colour]
    expected = {3: np.array(palette[:180], np.uint8).reshape(-1, 3)[GREY % 60], 4: GREY, 6: RGB}[colour]
    assert np.array_equal(open_image(file).pixels, expected)


@pytest.mark.parametrize("kind", [b"IHDR", b"PLTE", b"tRNS", b"IDAT"])
def test_a_wrong_checksum_of_what_makes_the_picture_is_damage(kind):
    data = bytearray(png(GREY % 4, 3, palette=range(12), key=b"\xff\x80"))
    place = data.index(kind) + 5
    data[place] ^= 1
    with pytest.raises(ImageError, match=r"damaged image|checksum"):
        open_image(bytes(data))


@pytest.mark.parametrize("pieces", [1, 6])
def test_pixels_that_are_cut_off_are_damage(pieces):
    data = png(RGB, 2, pieces=pieces)
    for end in range(60, data.rindex(b"IEND") - 10, 97):
        with pytest.raises(ImageError, match="damaged image"):
            open_image(data[:end])
        with pytest.raises(ImageError, match="damaged image"):
            open_image(data[:end] + chunk(b"IEND", b""))


def test_a_stream_that_is_cut_with_checksums_that_are_right_is_damage():
    whole = zlib.compress(b"".join(b"\0" + row.tobytes() for row in GREY))
    header = chunk(b"IHDR", struct.pack(">IIBBBBB", 27, 21, 8, 0, 0, 0, 0))
    data = b"\x89PNG\r\n\x1a\n" + header + chunk(b"IDAT", whole[: len(whole) // 2]) + chunk(b"IEND", b"")
    with pytest.raises(ImageError, match="damaged image"):
        open_image(data)


def test_what_follows_the_end_is_passed_over():
    assert np.array_equal(open_image(png(GREY, 0) + b"padding" * 100).pixels, GREY)


@pytest.mark.parametrize(
    "where",
    [
        lambda n: {"before": chunk(b"eXIf", exif(n))},
        lambda n: {"after": chunk(b"eXIf", exif(n, ">"))},
        lambda n: {"before": chunk(b"zTXt", b"Raw profile type exif\0\0" + zlib.compress(_as_text(exif(n))))},
        lambda n: {"before": chunk(b"iTXt", b"XML:com.adobe.xmp\0\0\0\0\0<x tiff:Orientation='%d'/>" % n)},
        lambda n: {
            "after": chunk(
                b"iTXt", b"XML:com.adobe.xmp\0\1\0\0\0" + zlib.compress(b"<tiff:Orientation>%d</tiff:Orientation>" % n)
            )
        },
    ],
)
@pytest.mark.parametrize("orientation", [3, 6])
def test_which_way_is_up_is_read_wherever_it_stands(where, orientation):
    turned = np.ascontiguousarray(UPSIDE[orientation](RGB))
    assert np.array_equal(open_image(png(turned, 2, **where(orientation))).pixels, RGB)


def _as_text(block: bytes) -> bytes:
    return b"\nexif\n%8d\n" % len(block) + block.hex().encode()


def test_of_an_animation_one_frame_is_chosen_or_none_taken():
    frames = [Image.fromarray(RGB), Image.fromarray(255 - RGB), Image.fromarray(RGB[::-1].copy())]
    data = pillow(frames[0], "PNG", save_all=True, append_images=frames[1:])
    with pytest.raises(ImageError, match=r"holds 3 pages or frames .* --page N \(1 to 3\)"):
        open_image(data)
    for number, frame in enumerate(frames, start=1):
        assert np.array_equal(open_image(data, page=number).pixels, np.asarray(frame))
    alone = pillow(frames[0], "PNG", save_all=True, append_images=[])
    assert np.array_equal(open_image(alone).pixels, RGB)


def test_a_large_picture_is_read_from_its_path_as_from_its_bytes(tmp_path):
    path = tmp_path / "frame.png"
    frame = np.random.default_rng(3).integers(0, 65536, (300, 4001, 3), np.uint16)  # several strips, several reads
    path.write_bytes(png(frame, 2, 16, pieces=3))
    assert np.array_equal(open_image(path).pixels, frame)
    assert np.array_equal(open_image(io.BytesIO(path.read_bytes()).getvalue()).pixels, frame)
