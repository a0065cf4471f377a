"""TIFF: every depth and layout, the pages that are pictures, and what is cut off."""

import io
import struct

import numpy as np
import pytest
from containers import UPSIDE, pillow, tiff
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import open_image

pytestmark = [pytest.mark.device, pytest.mark.filterwarnings("error")]

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (21, 27), np.uint8)
RGB = RNG.integers(0, 256, (21, 27, 3), np.uint8)
DEEP = RNG.integers(0, 65536, (21, 27), np.uint16)
DEEP_RGB = RNG.integers(0, 65536, (21, 27, 3), np.uint16)
SOLID = np.full((21, 27), 65535, np.uint16)
THUMB = {"samples": GREY[::3, ::3], "tags": {254: (4, [1])}}


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("big", [False, True])
@pytest.mark.parametrize("compression", [1, 8])
@pytest.mark.parametrize("layout", [{}, {"rows": 4}, {"tile": (16, 16)}, {"tile": (32, 32)}])
@pytest.mark.parametrize("planar", [False, True])
def test_all_bits_of_colour_are_kept_in_every_layout(order, big, compression, layout, planar):
    page = {"samples": DEEP_RGB, "compression": compression, "planar": planar, **layout}
    if compression == 8:
        page["predictor"] = 2
    picture = open_image(tiff(page, order=order, big=big))
    assert np.array_equal(picture.pixels, DEEP_RGB)
    assert picture.white == 65535


@pytest.mark.parametrize("bits", range(9, 17))
def test_packed_samples_are_raw_counts_and_white_is_their_greatest(bits):
    counts = DEEP >> (16 - bits)
    picture = open_image(tiff({"samples": counts, "bits": bits}))
    assert np.array_equal(picture.pixels, counts)
    assert picture.white == 2**bits - 1
    inverted = open_image(tiff({"samples": picture.white - counts, "bits": bits, "photometric": 0}))
    assert np.array_equal(inverted.pixels, counts)


@pytest.mark.parametrize("bits", range(1, 8))
@pytest.mark.parametrize("fill_order", [1, 2])
def test_fewer_bits_are_stretched_to_grey_levels(bits, fill_order):
    few = GREY >> (8 - bits)
    picture = open_image(tiff({"samples": few, "bits": bits, "fill_order": fill_order}))
    assert np.array_equal(picture.pixels, np.rint(few / (2**bits - 1) * 255).astype(np.uint8))


@pytest.mark.parametrize("compression", [1, 8])
def test_a_part_longer_than_what_is_read_at_once(compression):
    large = RNG.integers(0, 65536, (1100, 2000), np.uint16)
    page = {"samples": large, "compression": compression}
    assert np.array_equal(open_image(tiff(page)).pixels, large)
    assert np.array_equal(open_image(tiff({**page, "samples": large >> 4, "bits": 12})).pixels, large >> 4)


def test_bits_are_turned_before_they_are_inflated_as_libtiff_does():
    page = {"samples": DEEP_RGB, "compression": 8, "fill_order": 2, "rows": 5}
    assert np.array_equal(open_image(tiff(page)).pixels, DEEP_RGB)


@pytest.mark.parametrize("rows", [21, 5])
def test_a_deflated_part_whose_checksum_is_wrong_is_damage(rows):
    data = tiff({"samples": DEEP, "compression": 8, "rows": rows})
    for start in (len(data) * 2 // 3, len(data) - 40, len(data) - 5):
        with pytest.raises(ImageError, match="damaged image"):
            open_image(data[:start] + bytes(len(data) - start))


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "u4"])
@pytest.mark.parametrize("counts", [False, True])
def test_alpha_of_32_bits_lies_on_black(dtype, counts):
    alpha = np.where(np.arange(27) < 9, 0, 255) + np.zeros((21, 1))
    scale = 255 if dtype[0] == "f" else 1
    samples = np.dstack([RGB, alpha]) / scale
    picture = open_image(tiff({"samples": samples.astype(dtype), "photometric": 2, "extra": [2]}), counts=counts)
    expected = np.where(np.arange(27)[:, None] < 9, 0, RGB)
    assert np.abs(picture.pixels - expected.astype(int)).max() <= (dtype == "f2")


def test_alpha_of_values_that_are_none_is_refused():
    for odd in (-1.0, 70000.0, np.nan):
        samples = np.dstack([RGB / 255, np.full((21, 27), odd)]).astype("f4")
        with pytest.raises(ImageError, match=r"alpha holds values .*save it with 8 or 16 bits"):
            open_image(tiff({"samples": samples, "photometric": 2, "extra": [2]}))


def test_a_page_of_several_slices_is_refused():
    with pytest.raises(ImageError, match="3 slices in one page"):
        open_image(tiff({"samples": GREY, "tags": {32997: (4, [3])}}))


def test_a_jpeg_as_tiff_6_held_it_is_the_jpeg():
    jpeg = pillow(np.tile(RGB, (4, 4, 1)), "JPEG")
    bare = tiff({"samples": np.zeros((84, 108, 3), np.uint8), "compression": 6, "photometric": 6})
    old = {513: (4, [len(bare) + 24]), 514: (4, [len(jpeg)])}
    page = {"samples": np.zeros((84, 108, 3), np.uint8), "compression": 6, "photometric": 6, "tags": old}
    assert np.array_equal(open_image(tiff(page) + jpeg).pixels, open_image(jpeg).pixels)
    with pytest.raises(ImageError, match="damaged image"):
        open_image(tiff(page) + jpeg[: len(jpeg) // 2])
    with pytest.raises(ImageError, match="a JPEG in pieces can't be read"):
        open_image(tiff(page))


@pytest.mark.parametrize("mode", ["L", "RGB", "I;16"])
@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "tiff_deflate", "tiff_adobe_deflate"])
def test_compressed_rows_are_those_that_were_written(mode, compression):
    pixels = {"L": GREY, "RGB": RGB, "I;16": DEEP}[mode]
    assert np.array_equal(open_image(pillow(pixels, "TIFF", compression=compression)).pixels, pixels)


@pytest.mark.parametrize("mode", ["CMYK", "YCbCr", "LAB"])
def test_other_colours_are_those_that_pillow_sees(mode):
    data = pillow(Image.fromarray(RGB).convert(mode), "TIFF")
    with Image.open(io.BytesIO(data)) as image:
        try:
            expected = np.asarray(image.convert("RGB"))
        except OSError:
            pytest.skip("this Pillow can't read what it wrote")
    assert np.array_equal(open_image(data).pixels, expected)


def test_alpha_of_sixteen_bits_lies_on_black_and_what_is_multiplied_already_is_not_again():
    alpha = RNG.integers(0, 65536, (21, 27), np.uint16)
    seen = np.rint(DEEP.astype(np.int64) * alpha / 65535)
    found = open_image(tiff({"samples": np.dstack([DEEP, alpha]), "extra": [2]})).pixels.astype(np.int64)
    assert np.abs(found - seen).max() <= 1
    found = open_image(tiff({"samples": np.dstack([DEEP_RGB, alpha]), "extra": [1], "planar": True})).pixels
    assert np.array_equal(found, DEEP_RGB)


def test_of_several_extra_samples_the_alpha_is_found():
    eight = np.dstack([RGB, GREY, np.zeros_like(GREY)])
    assert np.array_equal(open_image(tiff({"samples": eight, "extra": [0, 2]})).pixels, RGB)  # dead
    eight[:, :, 4] = 255
    eight[0, 0, 4] = 0
    assert open_image(tiff({"samples": eight, "extra": [0, 2]})).pixels[0, 0].tolist() == [0, 0, 0]


def test_signed_samples_are_counts_where_none_is_negative():
    assert np.array_equal(open_image(tiff((DEEP >> 1).astype(np.int16), order=">")).pixels, DEEP >> 1)
    assert np.array_equal(open_image(tiff((GREY >> 1).astype(np.int8))).pixels, GREY >> 1)
    with pytest.raises(ImageError, match=r"pixel values from -5 to .* no negative"):
        open_image(tiff(np.array([[-5, 7], [9, 11]], np.int16)))


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize("dtype", ["u4", "i4", "f4", "f8"])
def test_white_may_be_0_at_32_bits_too(dtype, order):
    assert np.array_equal(
        open_image(tiff({"samples": (255 - GREY).astype(dtype), "photometric": 0}, order=order)).pixels, GREY
    )


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("compression", [1, 7])
def test_the_orientation_tag_is_applied_once(orientation, compression):
    turned = np.ascontiguousarray(UPSIDE[orientation](RGB))
    if compression == 1:
        data = tiff({"samples": turned, "tags": {274: (3, [orientation])}})
        assert np.array_equal(open_image(data).pixels, RGB)
    else:
        data = pillow(turned, "TIFF", compression="jpeg", tiffinfo={274: orientation})
        assert open_image(data).pixels.shape == RGB.shape


def test_of_several_pages_one_is_chosen_or_none_taken(tmp_path):
    data = tiff(GREY, GREY[::-1].copy(), DEEP)
    with pytest.raises(ImageError, match=r"holds 3 pages or frames .* --page N \(1 to 3\)"):
        open_image(data)
    for page, expected in enumerate((GREY, GREY[::-1], DEEP), start=1):
        assert np.array_equal(open_image(data, page=page).pixels, expected)
    with pytest.raises(ImageError, match=r"page 4 is to be looked at \(--page\) and the file holds 3"):
        open_image(data, page=4)
    with pytest.raises(ImageError, match="page 2 is to be looked at"):
        open_image(tiff(GREY), page=2)


@pytest.mark.parametrize("order", ["<", ">"])
@pytest.mark.parametrize(
    "pages",
    [
        [THUMB, GREY],
        [GREY, THUMB],
        [THUMB, GREY, {"samples": GREY, "tags": {254: (4, [4])}}],
        [{"samples": GREY[::2], "tags": {255: (3, [2])}}, GREY],
        [{"samples": GREY, "tags": {254: (4, [2])}}],  # page 1 of 1
        [{"samples": GREY, "tags": {254: (4, [1])}}],  # of what? it is all there is
    ],
)
def test_reduced_copies_and_masks_are_no_pictures_of_their_own(pages, order):
    data = tiff(*pages, order=order)
    assert np.array_equal(open_image(data).pixels, GREY)
    assert np.array_equal(open_image(data, page=1).pixels, GREY)


def test_a_cameras_raw_file_is_refused_in_words():
    raw = tiff({"samples": GREY[::3, ::3], "tags": {254: (4, [1]), 330: (4, [8])}})
    with pytest.raises(ImageError, match=r"nothing but reduced copies .*develop it"):
        open_image(raw)


@pytest.mark.parametrize(
    ("page", "words"),
    [
        ({"samples": GREY, "photometric": 32803}, "colours of kind 32803 can't be read; save it"),
        ({"samples": GREY, "tags": {259: (3, [34712])}}, "compression 34712"),
        ({"samples": RGB, "tags": {259: (3, [50001])}}, "^a TIFF with compression 50001 .* can't be read"),
        ({"samples": RGB, "tags": {258: (3, [5, 6, 5])}}, "5, 6 bits .* can't be read"),
        ({"samples": GREY.astype(np.uint64), "bits": 64, "tags": {339: (3, [5])}}, "format 5 can't be read"),
        ({"samples": np.dstack([GREY] * 2), "bits": 4, "photometric": 2}, "2 samples of a pixel where colour has 3"),
    ],
)
def test_what_is_not_read_is_refused_in_words(page, words):
    if page["samples"].dtype == np.uint64:
        page = {**page, "samples": GREY, "bits": 8}
    with pytest.raises(ImageError, match=words):
        open_image(tiff(page))


@pytest.mark.parametrize(
    "page",
    [
        {"samples": DEEP},
        {"samples": GREY, "rows": 3},
        {"samples": RGB, "tile": (16, 16)},
        {"samples": DEEP_RGB, "planar": True, "compression": 8},
        {"samples": GREY >> 4, "bits": 4},
    ],
)
def test_pixels_that_are_cut_off_are_damage(page):
    data = tiff(page)
    harmless = 16 * 16 * 3 if "tile" in page else 1  # a tile goes on where the picture has ended
    for end in range(1, len(data) - harmless, 53):
        with pytest.raises(ImageError, match=r"damaged image|not an image"):
            open_image(data[:end])


@pytest.mark.parametrize("compression", ["tiff_lzw", "packbits", "jpeg", "group4"])
def test_compressed_pixels_that_are_cut_off_are_damage(compression):
    image = Image.fromarray(GREY).convert("1") if compression == "group4" else Image.fromarray(RGB)
    data = pillow(image, "TIFF", compression=compression)
    (at,) = (entry for entry in range(len(data) - 12) if data[entry : entry + 4] == b"\x17\x01\x04\0")
    with pytest.raises(ImageError, match="damaged image"):
        open_image(data[: len(data) // 3])
    patched = bytearray(data)
    struct.pack_into("<I", patched, at + 8, 10**9)
    with pytest.raises(ImageError, match="damaged image"):
        open_image(bytes(patched))


def test_a_jpeg_strip_whose_end_was_patched_is_damage_unless_it_is_asked_for():
    data = bytearray(pillow(np.tile(RGB, (4, 4, 1)), "TIFF", compression="jpeg", quality=95))
    start = data.index(b"\xff\xda")
    end = data.index(b"\xff\xd9", start)
    middle = (start + end) // 2
    data[middle : end - 2] = bytes(end - 2 - middle)
    with pytest.raises(ImageError, match=r"damaged image .*--damaged keep"):
        open_image(bytes(data))
    assert open_image(bytes(data), damaged="keep").pixels.shape == (84, 108, 3)


def test_metadata_costs_nothing():
    tags = {
        270: (2, b"x" * 100_000),
        700: (1, b"<x tiff:Orientation='9'/>" + bytes(99)),
        34377: (7, b"8BIM" + b"\xff" * 40),
        34665: (4, [4_000_000_000]),
        34675: (7, b"not a profile" * 9),
        37724: (7, bytes(5000)),
    }
    assert np.array_equal(open_image(tiff({"samples": DEEP, "tags": tags})).pixels, DEEP)
    turned = {700: (1, b'<rdf:Description tiff:Orientation="3"/>')}
    assert np.array_equal(open_image(tiff({"samples": DEEP[::-1, ::-1], "tags": turned})).pixels, DEEP)


def test_directories_that_run_in_a_circle_come_to_an_end():
    data = bytearray(tiff(GREY))
    (count,) = struct.unpack_from("<H", data, 8)
    struct.pack_into("<I", data, 10 + 12 * count, 8)
    assert np.array_equal(open_image(bytes(data)).pixels, GREY)


@pytest.mark.parametrize(("width", "height"), [(15000, 15000), (2**31, 2**31), (0, 5)])
def test_a_size_that_is_claimed_is_refused_before_decoding(width, height):
    data = tiff({"samples": GREY, "tags": {256: (4, [width]), 257: (4, [height])}})
    with pytest.raises(ImageError, match=r"refused before decoding|claims"):
        open_image(data)
