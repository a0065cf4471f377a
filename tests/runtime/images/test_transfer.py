"""A kept picture as another preprocessing sees it: the same pixels, about the same, or named as lacking something."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from PIL import Image, ImageDraw, ImageFilter

from edgefs_runtime.images.kept import keep_image, read_picture
from edgefs_runtime.images.preprocess import Preprocess
from edgefs_runtime.images.transfer import Lack, Transferred, transferred

pytestmark = pytest.mark.device


def frame() -> np.ndarray:
    """A smooth picture uint8 [120,200,3] that no turn and no mirror leaves alone."""
    picture = Image.new("RGB", (200, 120), (90, 120, 60))
    draw = ImageDraw.Draw(picture)
    draw.ellipse((10, 10, 70, 60), fill=(220, 30, 40))
    draw.rectangle((120, 20, 190, 50), fill=(30, 60, 220))
    draw.polygon(((80, 110), (160, 70), (180, 115)), fill=(240, 230, 80))
    return np.asarray(picture.filter(ImageFilter.GaussianBlur(3)))


FRAME = frame()
WIDE = Preprocess((96, 128))


def seen(made: Preprocess, now: Preprocess, of: np.ndarray = FRAME) -> Transferred | Lack:
    return transferred(read_picture(keep_image(of, made)), now)


SAME = {
    "the same": (WIDE, WIDE),
    "other symmetries": (WIDE, dataclasses.replace(WIDE, symmetries=("h",))),
    "the whole frame named": (WIDE, dataclasses.replace(WIDE, roi=(0, 0, 200, 120))),
    "the first page named": (WIDE, dataclasses.replace(WIDE, page=1)),
    "another window of 8 bits": (WIDE, dataclasses.replace(WIDE, window=(0, 4095))),
    "damaged frames taken": (WIDE, dataclasses.replace(WIDE, damaged="keep")),
}


@pytest.mark.parametrize("case", SAME)
def test_where_the_same_is_seen_the_pixels_are_the_same(case: str) -> None:
    made, now = SAME[case]
    found = seen(made, now)
    assert isinstance(found, Transferred)
    assert found.about == ""
    np.testing.assert_array_equal(found.pixels, now(FRAME))


def test_colour_that_was_never_there_is_not_missed() -> None:
    grey, mono = FRAME[:, :, 0], dataclasses.replace(WIDE, channels="mono")
    for made, now in ((mono, WIDE), (WIDE, mono)):
        found = seen(made, now, grey)
        assert isinstance(found, Transferred)
        assert found.about == ""
        np.testing.assert_array_equal(found.pixels, now(grey))


ABOUT = {
    "larger": (WIDE, Preprocess((144, 192)), "kept at 128 x 96, asked at 192 x 144"),
    "smaller": (WIDE, Preprocess((48, 64)), "kept at 128 x 96, asked at 64 x 48"),
    "a filter": (WIDE, dataclasses.replace(WIDE, interpolation="bicubic"),
                 "kept by interpolation bilinear, asked by interpolation bicubic"),
    "turned": (WIDE, Preprocess((128, 96), rotation=90), "kept turned by 0, asked turned by 90"),
    "turned back": (Preprocess((128, 96), rotation=90), WIDE, "kept turned by 90, asked turned by 0"),
    "upside down": (Preprocess((128, 96), rotation=270), Preprocess((128, 96), rotation=90),
                    "kept turned by 270, asked turned by 90"),
    "a region within": (Preprocess((120, 200)), Preprocess((60, 60), roi=(110, 10, 80, 80)),
                        "kept at 80 x 80, asked at 60 x 60"),
    "a region within another": (Preprocess((100, 160), roi=(20, 10, 160, 100), rotation=180),
                                Preprocess((60, 90), roi=(30, 20, 90, 60), rotation=90),
                                "kept at 90 x 60 turned by 180, asked at 60 x 90 turned by 90"),
    "padded now": (WIDE, Preprocess((96, 96), resize="pad"), "kept at 128 x 96 by resize stretch, "
                   "asked at 96 x 58 by resize pad"),
    "padded before": (Preprocess((128, 128), resize="pad"), WIDE, "kept at 128 x 77 by resize pad, "
                      "asked at 128 x 96 by resize stretch"),
    "cropped now": (WIDE, Preprocess((96, 96), resize="crop"), "kept at 77 x 96 by resize stretch, "
                    "asked at 96 x 96 by resize crop"),
    "cropped and turned": (Preprocess((96, 96), resize="crop"), Preprocess((64, 64), resize="crop", rotation=90),
                           "kept at 95 x 96 turned by 0, asked at 64 x 64 turned by 90"),
    "without colour now": (WIDE, dataclasses.replace(WIDE, channels="mono"), "kept in colour, asked in grey"),
}  # fmt: skip


@pytest.mark.parametrize("case", ABOUT)
def test_what_was_kept_otherwise_is_about_what_the_frame_gives_and_says_so(case: str) -> None:
    made, now, about = ABOUT[case]
    found = seen(made, now)
    assert isinstance(found, Transferred)
    assert found.about == about
    wanted = now(FRAME)
    assert found.pixels.shape == wanted.shape
    assert np.abs(found.pixels.astype(int) - wanted).mean() < 2.5
    for turn in (wanted[::-1], wanted[:, ::-1], wanted[::-1, ::-1]):  # as it would be had a turn gone wrong
        assert np.abs(found.pixels.astype(int) - turn).mean() > 10


DEEP = FRAME[:, :, 1].astype(np.uint16) * 16
LACKS: dict[str, tuple[Preprocess, Preprocess, Lack]] = {
    "a region beyond": (Preprocess((64, 64), roi=(0, 0, 80, 80)), Preprocess((64, 64), roi=(60, 0, 80, 80)), "region"),
    "the whole frame": (Preprocess((64, 64), roi=(0, 0, 190, 110)), Preprocess((64, 64)), "region"),
    "what was cropped away": (Preprocess((64, 64), resize="crop"), Preprocess((64, 64)), "region"),
    "a region cropped away": (Preprocess((64, 64), resize="crop"), Preprocess((9, 9), roi=(0, 0, 30, 30)), "region"),
    "other raw values": (WIDE, dataclasses.replace(WIDE, window=(0, 4095)), "window"),
    "colour": (dataclasses.replace(WIDE, channels="mono"), WIDE, "colour"),
    "another page": (WIDE, dataclasses.replace(WIDE, page=2), "page"),
}  # fmt: skip


@pytest.mark.parametrize("case", LACKS)
def test_what_a_picture_does_not_hold_is_named(case: str) -> None:
    made, now, lack = LACKS[case]
    assert seen(made, now, DEEP if lack == "window" else FRAME) == lack


def test_raw_values_through_the_window_that_the_file_names_are_the_same() -> None:
    pgm = b"P5 200 120 4095\n" + DEEP.astype(">u2").tobytes()
    now = dataclasses.replace(WIDE, window=(0, 4095))
    found = transferred(read_picture(keep_image(pgm, WIDE)), now)
    assert isinstance(found, Transferred)
    assert found.about == ""
    np.testing.assert_array_equal(found.pixels, now(pgm))
