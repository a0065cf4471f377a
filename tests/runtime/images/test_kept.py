"""Kept pictures: what the network was shown, bit by bit, with how it was made, and nothing that nobody keeps."""

from __future__ import annotations

import io
import json
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.kept import MOST_BYTES, Frame, is_lossless, keep_image, read_picture, refuse_strange_picture
from edgefs_runtime.images.preprocess import Preprocess

pytestmark = pytest.mark.device

COLOUR = np.random.default_rng(0).integers(0, 256, (40, 60, 3), np.uint8)
GREY = COLOUR[:, :, 0]
DEEP = (GREY.astype(np.uint16) << 4) + 7  # 12 bits
LOOKS = {
    "as it is": Preprocess((40, 60)),
    "a region": Preprocess((24, 24), roi=(7, 3, 30, 20)),
    "turned": Preprocess((24, 32), roi=(7, 3, 30, 20), rotation=90, interpolation="lanczos"),
    "padded": Preprocess((32, 32), resize="pad", symmetries=("h", "t")),
    "cropped": Preprocess((32, 32), resize="crop", rotation=270, interpolation="bicubic"),
    "without colour": Preprocess((32, 32), channels="mono"),
    "through a window": Preprocess((32, 32), window=(100, 3000), page=1),
}


@pytest.mark.parametrize("look", LOOKS)
@pytest.mark.parametrize("frame", [COLOUR, GREY, DEEP], ids=["colour", "grey", "12 bits"])
def test_what_was_shown_is_read_again_bit_by_bit(look: str, frame: np.ndarray) -> None:
    kept = read_picture(keep_image(frame, LOOKS[look]))
    np.testing.assert_array_equal(kept.pixels, LOOKS[look](frame))
    assert kept.preprocess == LOOKS[look]
    assert kept.frame == Frame((40, 60), 1 if frame.ndim == 2 else 3, 255 if frame.dtype == np.uint8 else 65535)


def test_a_picture_without_colour_is_kept_in_one_channel() -> None:
    for frame, mode in ((COLOUR, "RGB"), (GREY, "L"), (DEEP, "L")):
        with Image.open(io.BytesIO(keep_image(frame, LOOKS["as it is"]))) as picture:
            assert (picture.format, picture.mode, list(picture.info)) == ("PNG", mode, ["edgefs"])
    with Image.open(io.BytesIO(keep_image(COLOUR, LOOKS["without colour"]))) as picture:
        assert picture.mode == "L"


def test_nothing_that_a_camera_wrote_into_its_file_is_kept() -> None:
    exif = Image.Exif()
    exif[0x010F] = "Maker of cameras"
    file = io.BytesIO()
    Image.fromarray(COLOUR).save(file, "JPEG", exif=exif, comment=b"of the customer")
    data = keep_image(file.getvalue(), LOOKS["as it is"])
    assert b"Maker" not in data
    assert b"customer" not in data


PIXELS = zlib.compress(b"".join(b"\0" + bytes(range(4)) for _ in range(4)))


def chunk(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))


def png(
    width: int = 4, height: int = 4, bits: int = 8, colour: int = 0, lace: int = 0, note: bytes | None = None
) -> bytes:
    """A PNG whose header claims this, and whose pixels are those of 4 x 4 in grey."""
    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, bits, colour, 0, 0, lace))
    text = b"" if note is None else chunk(b"tEXt", b"edgefs\0" + note)
    return b"\x89PNG\r\n\x1a\n" + head + text + chunk(b"IDAT", PIXELS) + chunk(b"IEND", b"")


NOTE = {"channels": 1, "frame": [4, 4], "preprocess": Preprocess((4, 4)).to_json(), "white": 255}


def note(**fields: object) -> bytes:
    return json.dumps({**NOTE, **fields}).encode()


def test_a_picture_that_another_program_writes_by_the_page_is_one() -> None:
    assert read_picture(png(note=note())).pixels[0, :, 1].tolist() == [0, 1, 2, 3]


STRANGE = {
    "of gigapixels": (png(60_000, 60_000, note=note()), "60000 x 60000"),
    "of no pixel": (png(0, 4, note=note()), "0 x 4"),
    "wider than a network's input": (png(5000, 1, note=note()), "5000 x 1"),
    "of 16 bits": (png(bits=16, note=note()), "another kind of PNG"),
    "with a palette": (png(colour=3, note=note()), "another kind of PNG"),
    "with alpha": (png(colour=6, note=note()), "another kind of PNG"),
    "interlaced": (png(lace=1, note=note()), "another kind of PNG"),
    "cut off in its header": (png(note=note())[:20], "without a header"),
    "of too many bytes": (b"\xff\xd8\xff" + bytes(MOST_BYTES), "bytes; at most"),
}
UNTOLD = {
    "without a note": png(),
    "a note that is no JSON": png(note=b"{"),
    "a note too deep": png(note=b"[" * 4000),
    "a note of gigabytes": png(note=note(frame=[10**12, 4])),
    "a note of NaN": png(note=note(white=float("nan"))),
    "a note of an unknown setting": png(note=note(preprocess={"size": [4, 4], "zoom": 2})),
    "a note of a setting out of range": png(note=note(preprocess={"size": [4, 4], "rotation": 45})),
    "a note of no preprocessing": png(note=note(preprocess=5)),
    "a note whose checksum is wrong": png(note=note()).replace(b'"white"', b'"whitE"'),
    "a note of five channels": png(note=note(channels=5)),
    "behind a million chunks": (png()[:33] + chunk(b"aaAa", b"") * 1_000_000 + png(note=note())[33:]),
    "a long note": png(note=note(more="x" * 9000)),
}
DAMAGED = {
    "of another size than it says": png(note=note(preprocess=Preprocess((5, 5)).to_json())),
    "cut off": png(note=note())[:-30],
    "with changed pixels": png(note=note()).replace(PIXELS, zlib.compress(bytes(20))),
}


@pytest.mark.parametrize("fault", STRANGE)
def test_what_nobody_keeps_is_refused_by_its_first_bytes(fault: str) -> None:
    data, words = STRANGE[fault]
    with pytest.raises(ImageError, match=words):
        refuse_strange_picture(data)
    with pytest.raises(ImageError):
        read_picture(data)


@pytest.mark.parametrize("fault", [*UNTOLD, *DAMAGED])
def test_what_does_not_say_how_it_was_made_is_no_witness(fault: str) -> None:
    data = {**UNTOLD, **DAMAGED}[fault]
    refuse_strange_picture(data)
    words = "does not say how it was made" if fault in UNTOLD else "of the size that it says|damaged"
    with pytest.raises(ImageError, match=words) as refused:
        read_picture(data)
    assert "\n" not in str(refused.value)


def test_a_jpeg_is_none_of_these() -> None:
    assert not is_lossless(b"\xff\xd8\xff")
    refuse_strange_picture(b"\xff\xd8\xff")
