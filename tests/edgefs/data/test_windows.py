"""Which window the images of a camera ask for."""

from __future__ import annotations

import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from edgefs.data import load_dataset
from edgefs_runtime.images.preprocess import Preprocess

LOOK = Preprocess(size=(16, 16))


def save(path: Path, highest: int, dtype: type = np.uint16) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.random.default_rng(zlib.crc32(str(path).encode())).integers(highest // 3, highest + 1, (40, 40))
    Image.fromarray(values.astype(dtype)).save(path)


def window_of(root: Path, preprocess: Preprocess = LOOK) -> tuple[int, int] | None:
    return load_dataset(root, preprocess=preprocess, choose_window=True, leave_out_blank=True).window


@pytest.mark.parametrize(
    ("highest", "white"),
    [(900, 1023), (1023, 1023), (1200, 4095), (4095, 4095), (5000, 16383), (16383, 16383), (65520, 65535)],
)
def test_the_smallest_sensor_that_holds_the_values(tmp_path: Path, highest: int, white: int) -> None:
    for label in "ab":
        for number in range(3):
            save(tmp_path / label / f"{number}.png", highest)
    assert window_of(tmp_path) == (0, white)


def test_frames_of_8_bits_ask_for_none(tmp_path: Path) -> None:
    for label in "ab":
        save(tmp_path / label / "1.png", 255, np.uint8)
    assert window_of(tmp_path) is None


def test_one_odd_file_and_hot_pixels_are_outvoted(tmp_path: Path) -> None:
    for label in "ab":
        for number in range(12):
            save(tmp_path / label / f"{number}.png", 4000)
    save(tmp_path / "a" / "0.png", 65535)
    hot = np.full((200, 200), 3000, np.uint16)
    hot[:100] = 500
    hot[0, :20] = 65535
    Image.fromarray(hot).save(tmp_path / "b" / "0.png")
    assert window_of(tmp_path) == (0, 4095)


def test_rare_bright_defects_are_not_outvoted_by_dark_good_parts(tmp_path: Path) -> None:
    for number in range(40):
        save(tmp_path / "good" / f"{number}.png", 800)
    for number in range(2):
        save(tmp_path / "scratch" / f"{number}.png", 4000)
    assert window_of(tmp_path) == (0, 4095)


def test_a_date_outside_the_region_of_interest_does_not_count(tmp_path: Path) -> None:
    for label in "ab":
        for number in range(3):
            values = np.random.default_rng((number, label == "a")).integers(100, 900, (40, 40)).astype(np.uint16)
            values[:8] = 65535
            (tmp_path / label).mkdir(exist_ok=True)
            Image.fromarray(values).save(tmp_path / label / f"{number}.png")
    assert window_of(tmp_path) == (0, 65535)
    assert window_of(tmp_path, Preprocess(size=(16, 16), roi=(0, 8, 40, 32))) == (0, 1023)


def test_images_that_only_test_choose_nothing(tmp_path: Path) -> None:
    for side, highest in (("train", 4000), ("test", 60000)):
        for label in "ab":
            for number in range(3):
                save(tmp_path / side / label / f"{number}.png", highest)
    assert window_of(tmp_path) == (0, 4095)
