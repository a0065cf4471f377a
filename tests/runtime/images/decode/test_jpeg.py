"""JPEG: what libjpeg warns of is damage, what it need not warn of is none, and the pixels are Pillow's."""

import io
import re
import struct

import numpy as np
import pytest
from containers import exif, pillow
from PIL import Image
from rare_jpegs import RARE

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import open_image

pytestmark = [pytest.mark.device, pytest.mark.filterwarnings("error")]

END = b"\xff\xd9"
Y, X = np.mgrid[:83, :117]
NOISE = np.random.default_rng(0).integers(0, 40, (83, 117, 3))
COLOUR = (np.dstack([X, Y + 40, 200 - X]) + NOISE).astype(np.uint8)
GREY = COLOUR[:, :, 0].copy()
CMYK = Image.fromarray(COLOUR).convert("CMYK")
KINDS = {
    "4:4:4": pillow(COLOUR, "JPEG", subsampling=0),
    "4:2:2": pillow(COLOUR, "JPEG", subsampling=1),
    "4:2:0": pillow(COLOUR, "JPEG", subsampling=2),
    "rgb": pillow(COLOUR, "JPEG", keep_rgb=True),
    "progressive": pillow(COLOUR, "JPEG", progressive=True),
    "restarts": pillow(COLOUR, "JPEG", restart_marker_blocks=3),
    "grey": pillow(GREY, "JPEG"),
    "grey progressive": pillow(GREY, "JPEG", progressive=True),
    "cmyk": pillow(CMYK, "JPEG"),
    "quality 5": pillow(COLOUR, "JPEG", quality=5),
    "with exif": pillow(COLOUR, "JPEG", exif=b"Exif\0\0" + exif(1)),
    **RARE,
}


@pytest.mark.parametrize("name", KINDS)
def test_the_pixels_are_those_that_pillow_decodes(name):
    with Image.open(io.BytesIO(KINDS[name])) as image:
        expected = np.asarray(image.convert("L" if image.mode == "L" else "RGB"))
    assert np.array_equal(open_image(KINDS[name]).pixels, expected)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.9, 0.95])
@pytest.mark.parametrize("name", KINDS)
def test_a_scan_that_is_cut_is_damage_also_when_its_end_was_patched(name, share):
    data = KINDS[name]
    start = data.index(b"\xff\xda") + 20
    cut = start + int((len(data) - start) * share)
    for patched in (data[:cut], data[:cut] + END, data[:cut] + bytes(len(data) - cut), _zeros(data, cut)):
        with pytest.raises(ImageError, match=r"damaged image \(.*--damaged keep|damaged image \((it ends|a segment)"):
            open_image(patched)


def _zeros(data: bytes, start: int) -> bytes:
    """From here on nothing was written but the end."""
    return data[:start] + bytes(len(data) - start - 2) + END


def test_a_restart_marker_out_of_order_is_damage():
    data = bytearray(KINDS["restarts"])
    second = [found.start() for found in re.finditer(rb"\xff[\xd0-\xd7]", data)][1]
    data[second + 1] = 0xD7
    with pytest.raises(ImageError, match="damaged image"):
        open_image(bytes(data))


def test_a_hole_within_the_scan_is_damage():
    data = KINDS["4:2:0"]
    middle = len(data) * 2 // 3
    with pytest.raises(ImageError, match="damaged image"):
        open_image(data[:middle] + data[middle + 50 :])


@pytest.mark.parametrize("name", ["progressive", "grey progressive"])
def test_a_progressive_picture_without_its_last_scans_is_damage(name):
    data = KINDS[name]
    for scan in list(re.finditer(rb"\xff\xda", data))[1:]:
        with pytest.raises(ImageError, match="damaged image"):
            open_image(data[: scan.start()] + END)


@pytest.mark.parametrize("behind", [bytes(500), b"\xff" * 100, b"garbage" * 9, KINDS["grey"], END])
@pytest.mark.parametrize("name", KINDS)
def test_bytes_behind_the_picture_are_padding(name, behind):
    assert np.array_equal(open_image(KINDS[name] + behind).pixels, open_image(KINDS[name]).pixels)


@pytest.mark.parametrize("name", KINDS)
def test_padding_before_the_end_is_harmless_where_the_scan_is_whole(name):
    whole, expected = KINDS[name][:-2], open_image(KINDS[name]).pixels
    for padding in (b"\xff" * 9, b"\0", bytes(7), bytes(4000)):
        assert np.array_equal(open_image(whole + padding + END).pixels, expected)


@pytest.mark.parametrize("name", ["4:2:0", "4:1:0", "arithmetic"])
def test_a_missing_end_mark_is_harmless_where_the_scan_is_whole(name):
    assert np.array_equal(open_image(KINDS[name][:-2]).pixels, open_image(KINDS[name]).pixels)


@pytest.mark.parametrize("name", KINDS)
def test_what_can_be_decoded_of_a_damaged_frame_is_kept_where_that_is_asked_for(name):
    data = KINDS[name]
    start = data.index(b"\xff\xda") + 20
    cut = start + (len(data) - start) // 2 if "progressive" not in name else data.rindex(b"\xff\xda") + 15
    kept = open_image(data[:cut] + END, damaged="keep").pixels
    whole = open_image(data).pixels
    assert kept.shape == whole.shape
    if "progressive" not in name:
        assert np.array_equal(kept[:16], whole[:16])
    assert np.array_equal(open_image(data, damaged="keep").pixels, whole)


def test_metadata_costs_nothing():
    data = KINDS["4:2:0"]
    segments = [
        b"\xff\xe1" + struct.pack(">H", 10) + b"Exif\0\0xx",
        b"\xff\xe1" + struct.pack(">H", 30) + b"Exif\0\0MM\0*\xff\xff\xff\xff" + bytes(14),
        b"\xff\xe2" + struct.pack(">H", 16) + b"ICC_PROFILE\0\1\xff",
        b"\xff\xe2" + struct.pack(">H", 10) + b"MPF\0junk",
        b"\xff\xed" + struct.pack(">H", 20) + b"Photoshop 3.0\0\xff\xff\xff\xff",
        b"\xff\xfe" + struct.pack(">H", 65535) + b"c" * 65533,
        *(b"\xff\xe2" + struct.pack(">H", 65535) + b"ICC_PROFILE\0" + bytes([n, 40]) + b"p" * 65519 for n in range(40)),
    ]
    assert np.array_equal(open_image(data[:2] + b"".join(segments) + data[2:]).pixels, open_image(data).pixels)


def test_xmp_says_which_way_is_up_where_exif_does_not():
    packet = b'http://ns.adobe.com/xap/1.0/\0<rdf:Description tiff:Orientation="6"/>'
    segment = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    data = KINDS["4:2:0"]
    assert open_image(data[:2] + segment + data[2:]).pixels.shape == (117, 83, 3)


def _several(**extra: bytes) -> bytes:
    second = Image.fromarray(COLOUR[::-1].copy())
    buffer = io.BytesIO()
    Image.fromarray(COLOUR).save(buffer, "MPO", save_all=True, append_images=[second], quality=95, **extra)
    return buffer.getvalue()


def test_of_several_pictures_in_one_file_one_is_chosen_or_none_taken():
    data = _several()
    with pytest.raises(ImageError, match=r"holds 2 pages or frames .* --page N \(1 to 2\)"):
        open_image(data)
    with Image.open(io.BytesIO(data)) as image:
        for page in (1, 2):
            image.seek(page - 1)
            assert np.array_equal(open_image(data, page=page).pixels, np.asarray(image))
    with pytest.raises(ImageError, match="page 3 is to be looked at"):
        open_image(data, page=3)


def test_the_preview_and_the_gain_map_of_a_camera_are_no_pictures_of_their_own():
    data = _several()
    index = data.index(b"MPF\0")
    order = "<" if data[index + 4 : index + 6] == b"II" else ">"
    preview = bytearray(data)
    (table,) = (at for at in range(index, index + 200) if struct.unpack_from(f"{order}H", data, at)[0] == 0xB002)
    entries = index + 4 + struct.unpack_from(f"{order}I", data, table + 8)[0]
    struct.pack_into(f"{order}I", preview, entries + 16, 0x010001)
    expected = open_image(data, page=1).pixels
    assert np.array_equal(open_image(bytes(preview)).pixels, expected)
    packet = b'http://ns.adobe.com/xap/1.0/\0<x hdrgm:Version="1.0"/>'
    segment = b"\xff\xe1" + struct.pack(">H", len(packet) + 2) + packet
    assert np.array_equal(open_image(data[:2] + segment + data[2:]).pixels, expected)


def test_a_jpeg_that_no_decoder_here_reads_is_not_called_damaged():
    data = bytearray(KINDS["4:2:0"])
    frame = data.index(b"\xff\xc0")
    data[frame + 5 : frame + 7] = b"\0\0"
    with pytest.raises(ImageError, match=r"^a JPEG that states its height behind its pixels can't be read; save"):
        open_image(bytes(data))
    data[frame + 1] = 0xF7
    with pytest.raises(ImageError, match=r"^a JPEG-LS image can't be read; save"):
        open_image(bytes(data))


def test_twelve_bits_are_refused_in_words():
    data = bytearray(KINDS["grey"])
    data[data.index(b"\xff\xc0") + 4] = 12
    with pytest.raises(ImageError, match=r"a JPEG of 1 components with 12 bits can't be read; save it as PNG or TIFF"):
        open_image(bytes(data))
