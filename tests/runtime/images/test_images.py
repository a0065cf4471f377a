"""Whatever a user hands over, it becomes an upright picture or one line that says why not."""

import contextlib
import io
import struct
import zlib

import numpy as np
import pytest
from containers import netpbm, png, tiff
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import content_digest, open_image

pytestmark = pytest.mark.device

RAMP = np.arange(40 * 48, dtype=np.uint16).reshape(40, 48) * 30
COLOUR = Image.fromarray(np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8))


def encode(image, format, **options):
    buffer = io.BytesIO()
    image.save(buffer, format, **options)
    return buffer.getvalue()


def png_claiming(width, height):
    def chunk(kind, body):
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"\0" * 99)) + chunk(b"IEND", b"")
    )


FILES = {
    "jpeg": (encode(COLOUR, "JPEG"), 8, 3),
    "grey jpeg": (encode(COLOUR.convert("L"), "JPEG"), 8, 1),
    "cmyk jpeg": (encode(COLOUR.convert("CMYK"), "JPEG"), 8, 3),
    "png": (encode(COLOUR, "PNG"), 8, 3),
    "1-bit png": (encode(COLOUR.convert("1"), "PNG"), 8, 1),
    "16-bit png": (encode(Image.fromarray(RAMP), "PNG"), 16, 1),
    "16-bit rgb png": (png(np.dstack([RAMP] * 3), 2, 16), 16, 3),
    "grey alpha png": (encode(COLOUR.convert("LA"), "PNG"), 8, 1),
    "palette png": (encode(COLOUR.convert("P"), "PNG"), 8, 3),
    "grey palette png": (encode(COLOUR.convert("L").convert("P"), "PNG"), 8, 1),
    "16-bit tiff": (encode(Image.fromarray(RAMP), "TIFF"), 16, 1),
    "16-bit rgb tiff": (tiff(np.dstack([RAMP] * 3), order=">"), 16, 3),
    "12-bit tiff": (tiff({"samples": RAMP // 16, "bits": 12}), 16, 1),
    "32-bit tiff": (encode(Image.fromarray(RAMP.astype(np.int32)), "TIFF"), 16, 1),
    "float tiff": (encode(Image.fromarray(RAMP.astype(np.float32)), "TIFF"), 16, 1),
    "lzw tiff": (encode(COLOUR, "TIFF", compression="tiff_lzw"), 8, 3),
    "jpeg tiff": (encode(COLOUR, "TIFF", compression="jpeg"), 8, 3),
    "lab tiff": (encode(COLOUR.convert("LAB"), "TIFF"), 8, 3),
    "cmyk tiff": (encode(COLOUR.convert("CMYK"), "TIFF"), 8, 3),
    "bmp": (encode(COLOUR, "BMP"), 8, 3),
    "webp": (encode(COLOUR, "WEBP"), 8, 3),
    "gif": (encode(COLOUR.convert("P"), "GIF"), 8, 3),
    "pgm": (encode(COLOUR.convert("L"), "PPM"), 8, 1),
    "plain ppm": (netpbm(np.asarray(COLOUR), plain=True), 8, 3),
}


@pytest.mark.parametrize("name", FILES)
def test_every_format_becomes_grey_or_colour_of_8_or_16_bits(name, tmp_path):
    data, bits, channels = FILES[name]
    picture = open_image(data)
    assert (picture.bits, picture.width, picture.height) == (bits, 48, 40)
    assert picture.pixels.shape == ((40, 48) if channels == 1 else (40, 48, 3))
    path = tmp_path / "划痕 01.bin"  # the content says what it is, not the name
    path.write_bytes(data)
    for source in (path, str(path), picture.pixels, picture):
        assert np.array_equal(open_image(source).pixels, picture.pixels)


@pytest.mark.parametrize("name", ["16-bit png", "16-bit tiff", "32-bit tiff", "float tiff"])
def test_sixteen_bits_are_kept(name):
    assert np.array_equal(open_image(FILES[name][0]).pixels, RAMP)


def test_big_endian_sixteen_bits_are_kept():
    big = Image.frombytes("I;16B", (48, 40), RAMP.astype(">u2").tobytes())
    assert np.array_equal(open_image(big).pixels, RAMP)


@pytest.mark.parametrize("values", [RAMP / 50000, RAMP - 5.0, RAMP * 2.0, np.full((4, 4), np.nan)])
def test_floats_that_are_no_camera_values_are_refused(values):
    with pytest.raises(ImageError, match=r"whole numbers, 0 to 65535|no numbers"):
        open_image(encode(Image.fromarray(values.astype(np.float32)), "TIFF"))


def test_transparent_pixels_are_black():
    rgba = Image.new("RGBA", (2, 1), (200, 100, 50, 255))
    rgba.putpixel((1, 0), (200, 100, 50, 0))
    assert open_image(encode(rgba, "PNG")).pixels.tolist() == [[[200, 100, 50], [0, 0, 0]]]


def test_transparent_palette_entry_is_black():
    image = Image.new("P", (2, 1))
    image.putpalette([10, 20, 30, 40, 50, 60])
    image.putpixel((1, 0), 1)
    assert open_image(encode(image, "PNG", transparency=1)).pixels.tolist() == [[[10, 20, 30], [0, 0, 0]]]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied_once(format, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    corner = Image.new("RGB", (64, 32), "black")
    corner.paste("white", (0, 0, 32, 16))
    data = encode(corner, format, exif=exif.tobytes())
    expected = np.asarray(ImageOps.exif_transpose(Image.open(io.BytesIO(data))).convert("RGB"))
    upright = open_image(data)
    assert np.array_equal(upright.pixels, expected)
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(open_image(image).pixels, expected)


@pytest.mark.parametrize("kind", range(14))
@pytest.mark.filterwarnings("error")
def test_damaged_exif_does_not_cost_the_image(kind):
    exif = Image.Exif()
    exif[0x0112] = 6
    data = bytearray(encode(COLOUR, "JPEG", exif=exif.tobytes()))
    data[data.index(b"\x01\x12\x00\x03") + 3] = kind  # a text, a ratio, a float where a number of two bytes belongs
    assert sorted(open_image(bytes(data)).pixels.shape) == [3, 40, 48]


@pytest.mark.parametrize("format", ["JPEG", "PNG", "BMP", "TIFF", "WEBP"])
def test_truncated_files_are_refused(format):
    data = encode(COLOUR, format)
    with pytest.raises(ImageError, match=r"damaged|not an image"):
        open_image(data[: len(data) // 2])


def test_truncated_pillow_image_is_refused():
    data = encode(COLOUR, "JPEG")
    with pytest.raises(ImageError, match="damaged image"):
        open_image(Image.open(io.BytesIO(data[: len(data) // 2])))


def test_empty_missing_and_foreign_files_are_refused(tmp_path):
    (tmp_path / "empty.jpg").touch()
    (tmp_path / "text.jpg").write_text("no pixels")
    with pytest.raises(ImageError, match=r"empty file \(0 bytes\)"):
        open_image(tmp_path / "empty.jpg")
    with pytest.raises(ImageError, match="not an image"):
        open_image(tmp_path / "text.jpg")
    with pytest.raises(ImageError, match="no such file"):
        open_image(tmp_path / "gone.jpg")
    with pytest.raises(ImageError, match="can't be read"):
        open_image(tmp_path)


def test_postscript_is_never_run():
    with pytest.raises(ImageError, match="not an image"):
        open_image(encode(COLOUR, "EPS"))


@pytest.mark.parametrize("size", [(15_000, 15_000), (60_000, 60_000)])
@pytest.mark.filterwarnings("error")
def test_a_decompression_bomb_is_refused_from_its_header(size):
    with pytest.raises(ImageError, match="200,000,000 pixels, refused before decoding"):
        open_image(png_claiming(*size))


@pytest.mark.parametrize("shape", [(40, 48), (40, 48, 3)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_arrays_keep_their_values_and_stay_what_they_are(shape, dtype):
    array = np.random.default_rng(0).integers(0, 256, shape, dtype)
    array.flags.writeable = False
    for view in (array, array[::-1, ::2], array.astype(array.dtype.newbyteorder())):
        picture = open_image(view)
        assert np.array_equal(picture.pixels, view)
        assert picture.pixels.dtype == dtype
        assert picture.white == np.iinfo(dtype).max


def test_arrays_with_alpha_lie_on_black_and_dead_alpha_is_none():
    array = np.full((2, 2, 4), 200, np.uint8)
    array[:, :, 3] = [[255, 128], [0, 51]]
    assert open_image(array).pixels[:, :, 0].tolist() == [[200, 100], [0, 40]]
    assert array[1, 0, 0] == 200
    array[:, :, 3] = 0
    assert (open_image(array).pixels == 200).all()
    deep = np.full((1, 2, 4), 60000, np.uint16)
    deep[0, :, 3] = [65535, 21845]
    assert open_image(deep).pixels[0, :, 0].tolist() == [60000, 20000]


@pytest.mark.parametrize(
    "array",
    [
        np.zeros((4, 4), np.float32),
        np.zeros((4, 4), bool),
        np.zeros((4, 4), np.int16),
        np.zeros((4, 4, 2), np.uint8),
        np.zeros((1, 4, 4, 3), np.uint8),
        np.zeros(4, np.uint8),
        np.zeros((0, 4), np.uint8),
    ],
    ids=lambda array: f"{array.shape} {array.dtype}",
)
def test_other_arrays_are_refused_with_what_is_expected(array):
    with pytest.raises(ImageError, match=r"shape .* dtype .*: expected uint8 or uint16, \[H,W\], "):
        open_image(array)


@given(data=st.data(), name=st.sampled_from(sorted(FILES)))
@settings(max_examples=300, deadline=None)
@pytest.mark.filterwarnings("error")
def test_a_damaged_file_gives_pixels_or_an_image_error(name, data):
    damaged = bytearray(FILES[name][0])
    for _ in range(data.draw(st.integers(1, 8))):
        damaged[data.draw(st.integers(0, len(damaged) - 1))] = data.draw(st.integers(0, 255))
    with contextlib.suppress(ImageError):  # any other exception fails
        picture = open_image(bytes(damaged[: data.draw(st.integers(1, len(damaged)))]))
        assert picture.pixels.dtype in (np.uint8, np.uint16)


def test_the_digest_is_of_the_bytes(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert content_digest(b"abc") == content_digest(tmp_path / "a") == expected
