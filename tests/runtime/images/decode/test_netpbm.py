"""PBM, PGM, PPM and PFM: raw counts, and white as the file states it."""

import numpy as np
import pytest
from containers import netpbm, pbm, pfm

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images import open_image

pytestmark = [pytest.mark.device, pytest.mark.filterwarnings("error")]

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (13, 19), np.uint8)


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("colour", [False, True])
@pytest.mark.parametrize("maxval", [256, 1000, 1023, 4095, 16383, 65535])
def test_counts_are_those_in_the_file(maxval, colour, plain):
    counts = RNG.integers(0, maxval + 1, (13, 19, 3) if colour else (13, 19)).astype(np.uint16)
    picture = open_image(netpbm(counts, maxval, plain=plain, comment=True))
    assert np.array_equal(picture.pixels, counts)
    assert picture.white == maxval


@pytest.mark.parametrize("plain", [False, True])
@pytest.mark.parametrize("maxval", [1, 3, 100, 254, 255])
def test_up_to_8_bits_are_stretched_to_grey_levels(maxval, plain):
    counts = (GREY.astype(int) % (maxval + 1)).astype(np.uint8)
    picture = open_image(netpbm(counts, maxval, plain=plain))
    assert np.array_equal(picture.pixels, [[round(value / maxval * 255) for value in row] for row in counts.tolist()])


def test_a_plain_file_may_be_written_in_any_way():
    assert open_image(b"P1 3 2 101\n#all\n0 1\t0").pixels.tolist() == [[0, 255, 0], [255, 0, 255]]
    assert open_image(b"P2#c\n2#c\r1 #d\n7 0# one\n\n\n7").pixels.tolist() == [[0, 255]]
    assert open_image(b"P2\r\n2 1\r\n65535\r\n00012 65535 99").pixels.tolist() == [[12, 65535]]


def test_a_plain_file_longer_than_what_is_read_at_once():
    counts = RNG.integers(0, 65536, (500, 2000), np.uint16)
    assert np.array_equal(open_image(netpbm(counts, 65535, plain=True)).pixels, counts)


def test_pixels_of_one_bit_fill_up_their_bytes():
    black = GREY > 128
    for plain in (False, True):
        assert np.array_equal(open_image(pbm(black, plain=plain)).pixels, np.where(black, 0, 255))


@pytest.mark.parametrize("order", ["<", ">"])
def test_floats_follow_the_rule_of_32_bits(order):
    assert np.array_equal(open_image(pfm(GREY / 255, order)).pixels, GREY)
    assert np.array_equal(open_image(pfm(GREY.astype(float), order)).pixels, GREY)
    assert open_image(pfm(GREY.astype(float), order), counts=True).white == 65535


def test_of_several_pictures_one_after_the_other_one_is_chosen_or_none_taken():
    data = netpbm(GREY) + netpbm(255 - GREY) + b"\n" + pbm(GREY > 9)
    with pytest.raises(ImageError, match="holds 3 pages or frames"):
        open_image(data)
    assert np.array_equal(open_image(data, page=2).pixels, 255 - GREY)
    assert np.array_equal(open_image(data, page=3).pixels, np.where(GREY > 9, 0, 255))
    assert np.array_equal(open_image(netpbm(GREY) + b"\n\n").pixels, GREY)


@pytest.mark.parametrize(
    "data",
    [
        netpbm(GREY)[:-1],
        netpbm(GREY.astype(np.uint16), 999)[:-3],
        netpbm(GREY, plain=True)[:-30],
        pbm(GREY > 9)[:-1],
        pbm(GREY > 9, plain=True)[:-9],
        pfm(GREY / 255)[:-1],
        b"P5\n3",
        b"P5\n3 x\n255\n...",
        b"P5\n3 1\n0\n...",
        b"P5\n3 1\n70000\n......",
        b"P2 2 1 9 1 10",
        b"P2 2 1 9 1 -1",
        b"P2 2 1 9 1 one",
        b"P1 2 1 12",
        b"P5 0 5 255\n",
    ],
)
def test_what_is_cut_off_or_no_number_is_damage(data):
    with pytest.raises(ImageError, match="damaged image"):
        open_image(data)


def test_a_size_that_is_claimed_is_refused_before_decoding():
    with pytest.raises(ImageError, match="refused before decoding"):
        open_image(b"P5 15000 15000 255\n...")
