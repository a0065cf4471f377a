"""Files of 32 bits don't say what is white: the rule, from their values alone."""

import numpy as np
import pytest

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.depth import settle

pytestmark = [pytest.mark.device, pytest.mark.filterwarnings("error")]

TYPES = [np.int32, np.uint32, np.float32, np.float64]


@pytest.mark.parametrize("dtype", TYPES)
@pytest.mark.parametrize(
    ("values", "counts", "bits", "expected"),
    [
        ([0, 7, 255], False, 8, [0, 7, 255]),
        ([0, 1, 1], False, 8, [0, 1, 1]),
        ([0, 7, 256], False, 16, [0, 7, 256]),
        ([0, 7, 65535], False, 16, [0, 7, 65535]),
        ([0, 7, 255], True, 16, [0, 7, 255]),
        ([0, 4095, 1], True, 16, [0, 4095, 1]),
    ],
)
def test_whole_numbers(values, counts, bits, expected, dtype):
    picture = settle(np.array([values], dtype), counts)
    assert picture.pixels.tolist() == [expected]
    assert (picture.bits, picture.white) == (bits, 2**bits - 1)


@pytest.mark.parametrize("counts", [False, True])
def test_fractions_are_a_picture_of_full_scale_whatever_the_window(counts):
    picture = settle(np.array([[0.0, 0.25, 0.5, 1.0]], np.float32), counts)
    assert picture.pixels.tolist() == [[0, 64, 128, 255]]
    assert picture.bits == 8


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_every_grey_level_comes_back_from_its_fraction(dtype):
    levels = np.arange(256)
    assert np.array_equal(settle((levels / 255).astype(dtype)[None], False).pixels[0], levels)


@pytest.mark.parametrize(
    ("values", "words"),
    [
        ([-1, 5], "from -1 to 5"),
        ([0.5, 200.25], "from 0.5 to 200.25, not all whole"),
        ([-0.1, 0.5], "from -0.1 to 0.5"),
        ([0, 70000], "from 0 to 70000"),
        ([0, 1.5], "from 0 to 1.5"),
        ([0, np.nan], "no numbers"),
        ([0, np.inf], "no numbers"),
    ],
)
@pytest.mark.parametrize("counts", [False, True])
def test_everything_else_is_refused_with_its_range(values, words, counts):
    with pytest.raises(ImageError, match=f"{words}.*save it with 8 or 16 bits"):
        settle(np.array([values], np.float64), counts)


def test_one_value_anywhere_in_a_large_frame_counts():
    frame = np.zeros((3000, 1000), np.float32)
    assert settle(frame, False).bits == 8
    frame[-1, -1] = 256
    assert settle(frame, False).bits == 16
    frame[0, 0] = 0.5
    with pytest.raises(ImageError, match="not all whole"):
        settle(frame, False)
