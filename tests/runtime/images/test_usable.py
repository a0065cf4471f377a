"""Frames that show nothing, and frames that are only dark or bright."""

from __future__ import annotations

import numpy as np
import pytest
from textures import KINDS, draw

from edgefs_runtime.images.usable import unusable

pytestmark = pytest.mark.device


def noise(low: int, high: int) -> np.ndarray:
    return np.random.default_rng(0).integers(low, high, (64, 64, 3)).astype(np.uint8)


@pytest.mark.parametrize(
    ("frame", "reason"),
    [
        (np.zeros((64, 64, 3), np.uint8), "constant"),
        (np.full((64, 64, 3), 130, np.uint8), "constant"),
        (noise(0, 8), "black"),
        (noise(248, 256), "saturated"),
    ],
)
def test_a_frame_that_shows_nothing_is_named(frame: np.ndarray, reason: str) -> None:
    assert unusable(frame).startswith(reason)


def test_hot_pixels_do_not_make_a_black_frame_a_picture() -> None:
    frame = noise(0, 6)
    frame[3, 5] = frame[40, 9] = 255
    assert unusable(frame).startswith("black")


@pytest.mark.parametrize("frame", [noise(0, 30), noise(225, 256), *(draw(kind, 0) for kind in KINDS)])
def test_a_dark_a_bright_and_a_usual_frame_are_judged(frame: np.ndarray) -> None:
    assert unusable(frame) == ""


def test_a_small_bright_spot_on_black_is_judged() -> None:
    frame = noise(0, 6)
    frame[10:18, 20:28] = 200
    assert unusable(frame) == ""
