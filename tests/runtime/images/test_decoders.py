"""A decoder is one file and one line: a toy container, added through the public door, is read wherever images are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

import numpy as np
import pytest

from edgefs_runtime import Classifier, ImageError
from edgefs_runtime.images import Picture, open_image
from edgefs_runtime.images.decoding import DECODERS, Decoder
from edgefs_runtime.images.listing import list_images
from edgefs_runtime.images.picture import Asked, check_size

pytestmark = pytest.mark.device

MAGIC = b"TOY\0"


def read_toy(file: BinaryIO, asked: Asked) -> Picture:
    """Magic, two sizes of two bytes, and the pixels."""
    data = file.read()
    height, width = np.frombuffer(data, "<u2", 2, len(MAGIC)).tolist()
    check_size(width, height)
    pixels = np.frombuffer(data, np.uint8, offset=len(MAGIC) + 4)
    return Picture(pixels.reshape(height, width, 3)[:, :: -1 if asked.keep_damaged else 1])


def written(pixels: np.ndarray) -> bytes:
    return MAGIC + np.array(pixels.shape[:2], "<u2").tobytes() + pixels.tobytes()


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(DECODERS, "toy", Decoder((MAGIC,), f"{__name__}:read_toy", (".toy",)))


@pytest.mark.usefixtures("toy")
def test_a_decoder_of_its_own_decides_as_any_other_container(
    bundle: Path, pictures: Callable[..., list[Path]], tmp_path: Path
) -> None:
    (png,) = pictures("dots", 1)
    pixels = open_image(png).pixels
    coloured = np.repeat(pixels[:, :, None], 3, axis=2) if pixels.ndim == 2 else pixels
    (tmp_path / "shots").mkdir()
    path = tmp_path / "shots" / "part.toy"
    path.write_bytes(written(coloured))
    assert list_images(tmp_path / "shots") == ([path], [])
    with Classifier.open(bundle, seed_only=True) as classifier:
        ours, usual = classifier.predict([path, png])
    assert ours.ranking == usual.ranking
    assert ours.strangeness == usual.strangeness
    mirrored = open_image(path, damaged="keep").pixels
    assert np.array_equal(mirrored, coloured[:, ::-1])


@pytest.mark.usefixtures("toy")
def test_what_a_decoder_stumbles_over_is_a_damaged_image() -> None:
    with pytest.raises(ImageError, match="damaged image"):
        open_image(written(np.zeros((4, 4, 3), np.uint8))[:-5])


def test_without_its_line_it_is_no_image() -> None:
    with pytest.raises(ImageError, match="not an image in a format that can be read"):
        open_image(written(np.zeros((4, 4, 3), np.uint8)))


@pytest.mark.parametrize("name", DECODERS)
def test_every_reader_of_the_table_is_there_and_refuses_a_mere_beginning(name: str) -> None:
    decoder = DECODERS[name]
    with pytest.raises(ImageError):  # and no ImportError or AttributeError
        open_image(b"\0" * decoder.at + decoder.begins[0])
