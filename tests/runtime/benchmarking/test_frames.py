"""The frames that are decided about while measuring."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from textures import save

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.benchmarking.frames import read_frames, render_frames
from edgefs_runtime.images import open_image
from edgefs_runtime.images.usable import unusable

pytestmark = pytest.mark.device


def test_rendered_frames_have_the_cameras_size_in_memory_and_as_files() -> None:
    frames = render_frames((320, 200))
    assert frames.sizes == [(320, 200)]
    for frame in frames.frames:
        assert frame.pixels.shape == (200, 320, 3)
        assert frame.pixels.dtype == np.uint8
        assert unusable(frame.pixels) == ""
        decoded = open_image(frame.encoded).pixels.astype(int)
        assert np.abs(decoded - frame.pixels).mean() < 5


def test_rendered_frames_are_the_same_every_time_and_differ_from_one_another() -> None:
    first, again = render_frames((64, 48)), render_frames((64, 48))
    assert [frame.encoded for frame in first.frames] == [frame.encoded for frame in again.frames]
    assert len({frame.encoded for frame in first.frames}) == len(first.frames) == 5


def test_frames_go_on_from_the_first_after_the_last() -> None:
    frames = render_frames((64, 48))
    assert frames[len(frames.frames)] is frames[0]


def test_real_frames_keep_their_bytes_and_their_pixels(tmp_path: Path) -> None:
    colour = save(tmp_path, "dots", 1)
    deep = tmp_path / "deep.png"
    Image.fromarray(np.arange(600, dtype=np.uint16).reshape(20, 30) * 100).save(deep)
    frames = read_frames([colour, deep])
    assert [frame.encoded for frame in frames.frames] == [colour.read_bytes(), deep.read_bytes()]
    assert [frame.pixels.dtype for frame in frames.frames] == [np.uint8, np.uint16]
    assert frames.to_json()["sizes"] == [[30, 20], [48, 48]]


def test_not_more_frames_are_held_than_memory_should_bear(tmp_path: Path) -> None:
    assert len(read_frames([save(tmp_path, "dots", number) for number in range(40)]).frames) == 16


def test_a_frame_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.png"
    broken.write_bytes(b"no image")
    with pytest.raises(ImageError, match=r"broken\.png: not an image"):
        read_frames([save(tmp_path, "dots", 1), broken])
    with pytest.raises(ImageError, match=r"gone\.png: no such file"):
        read_frames([tmp_path / "gone.png"])
    with pytest.raises(ImageError, match="no frame"):
        read_frames([])


@pytest.mark.parametrize("size", [(0, 100), (100, 0), (60000, 60000)])
def test_a_camera_of_no_or_too_many_pixels_is_refused(size: tuple[int, int]) -> None:
    with pytest.raises(ImageError, match="pixels"):
        render_frames(size)
