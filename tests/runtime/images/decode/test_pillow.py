"""BMP, GIF and WebP, and images that a program hands over: what is seen, and nothing of what Pillow would say."""

import io
import struct

import numpy as np
import pytest
from containers import UPSIDE, bmp, exif, pillow
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import open_image

pytestmark = [pytest.mark.device, pytest.mark.filterwarnings("error")]

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (21, 27), np.uint8)
RGB = RNG.integers(0, 256, (21, 27, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (21, 27), np.uint8)


@pytest.mark.parametrize("version", [3, 4, 5])
@pytest.mark.parametrize("top_down", [False, True])
def test_a_bmp_whose_fourth_byte_is_0_everywhere_is_the_one_of_24_bits(version, top_down):
    dead = bmp(np.dstack([RGB, ALPHA * 0]), version=version, top_down=top_down)
    assert np.array_equal(open_image(dead).pixels, RGB)
    assert np.array_equal(open_image(bmp(RGB, top_down=top_down)).pixels, RGB)


@pytest.mark.parametrize(
    "image",
    [
        Image.fromarray(np.dstack([RGB, ALPHA])),
        Image.fromarray(np.dstack([GREY, ALPHA])),
        Image.fromarray(np.dstack([RGB, ALPHA])).convert("RGBa"),
        Image.fromarray(np.dstack([RGB, ALPHA])).quantize(60),
    ],
    ids=lambda image: image.mode,
)
def test_what_is_half_seen_lies_on_black(image):
    rgba = image.convert("RGBA")
    expected = Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba).convert("RGB")
    found = open_image(image).pixels
    assert np.abs(np.asarray(Image.fromarray(found).convert("RGB"), int) - np.asarray(expected, int)).max() <= (
        image.mode == "RGBa"
    )


def test_what_is_multiplied_by_its_alpha_already_is_seen_as_it_is():
    image = Image.fromarray(np.dstack([GREY, ALPHA])).convert("La")
    assert np.array_equal(open_image(image).pixels, np.asarray(image.split()[0]))


@pytest.mark.parametrize("mode", ["1", "L", "P", "RGB", "CMYK", "YCbCr", "LAB", "HSV"])
def test_without_alpha_the_picture_is_as_pillow_converts_it(mode):
    image = Image.fromarray(RGB).convert(mode)
    expected = image.convert("L" if mode in ("1", "L") else "RGB")
    assert np.array_equal(open_image(image).pixels, np.asarray(expected))


def test_an_image_that_is_handed_over_stays_as_it_is():
    image = Image.fromarray(GREY).convert("P")
    image.info["transparency"] = bytes(256)  # hides everything: none
    assert open_image(image).pixels.max() > 0
    assert image.info["transparency"] == bytes(256)


@pytest.mark.parametrize("orientation", range(2, 9))
def test_an_image_that_is_handed_over_is_turned_as_its_file_would_be(orientation):
    turned = np.ascontiguousarray(UPSIDE[orientation](RGB))
    data = pillow(turned, "WEBP", lossless=True, exif=b"Exif\0\0" + exif(orientation))
    with Image.open(io.BytesIO(data)) as image:
        assert np.array_equal(open_image(image).pixels, RGB)


@pytest.mark.parametrize("format", ["GIF", "WEBP"])
def test_of_an_animation_one_frame_is_chosen_or_none_taken(format):
    frames = [Image.fromarray(np.full((16, 16), value, np.uint8)).convert("RGB") for value in (30, 90, 200)]
    options = {"lossless": True} if format == "WEBP" else {}
    data = pillow(frames[0], format, save_all=True, append_images=frames[1:], duration=100, **options)
    with pytest.raises(ImageError, match=r"holds 3 pages or frames .* --page N \(1 to 3\)"):
        open_image(data)
    assert [int(open_image(data, page=page).pixels.mean()) for page in (1, 2, 3)] == [30, 90, 200]
    with pytest.raises(ImageError, match="page 4 is to be looked at"):
        open_image(data, page=4)


@pytest.mark.parametrize("format", ["BMP", "GIF", "WEBP"])
def test_pixels_that_are_cut_off_are_damage(format):
    data = pillow(GREY if format == "GIF" else RGB, format)
    for end in range(1, len(data) - 2, max(1, len(data) // 40)):
        with pytest.raises(ImageError, match=r"damaged image|not an image"):
            open_image(data[:end])


@pytest.mark.parametrize(
    "head",
    [
        b"GIF89a" + struct.pack("<HH", 60000, 60000) + bytes(20),
        b"GIF89a" + struct.pack("<HH3s", 9, 9, b"") + b"," + struct.pack("<HHHH", 0, 0, 65535, 65535) + bytes(20),
        b"BM" + struct.pack("<IHHI", 99, 0, 0, 54) + struct.pack("<IiiHHI", 40, 60000, 60000, 1, 24, 0) + bytes(24),
        b"RIFF" + struct.pack("<I", 99) + b"WEBPVP8X" + struct.pack("<II", 10, 0) + b"\xff\xff\0\xff\xff\0" + bytes(50),
    ],
)
def test_a_size_that_is_claimed_is_refused_before_decoding_and_without_a_warning(head):
    with pytest.raises(ImageError, match=r"refused before decoding|damaged image"):
        open_image(head)


def test_metadata_of_a_webp_costs_nothing():
    data = pillow(RGB, "WEBP", lossless=True, exif=b"Exif\0\0II*\0\xff", xmp=b"<broken", icc_profile=b"x" * 3_000_000)
    assert np.array_equal(open_image(data).pixels, RGB)
