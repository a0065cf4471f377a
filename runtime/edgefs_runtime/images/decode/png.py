"""PNG: what makes the picture goes to Pillow's decoder, and nothing else.

Texts, colour profiles and what else a file may carry are passed over, neither inflated nor checked. Checksums of what
makes the picture are verified, which Pillow leaves out for the pixels. Of 16-bit colour Pillow keeps the high bytes, so
those pictures are decoded twice, the second time with its bytes called the other way round: that gives the low ones.
"""

from __future__ import annotations

import struct
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray
from PIL import PngImagePlugin

from edgefs_runtime.base.errors import ImageError
from edgefs_runtime.images.decode.alpha import hide_key, lay_on_black
from edgefs_runtime.images.decode.orientation import of_metadata, upright
from edgefs_runtime.images.decode.pillow import picture_of
from edgefs_runtime.images.decode.png_chunks import GREY_ALPHA, PALETTE, Chunks, scan
from edgefs_runtime.images.picture import Asked, Picture, choose_page, strips

_RAW = {2: ("RGB;16B", "RGB;16L"), 6: ("RGBA;16B", "RGBA;16L")}  # by colour type: high bytes, low bytes


def read_png(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a PNG file.

    Raises:
        ImageError: damaged, too large, or an animation of which no frame was chosen.
    """
    chunks = scan(file, asked.limit)
    number = choose_page(max(1, chunks.frames + chunks.shown_apart), asked.page)
    with PngImagePlugin.PngImageFile(chunks.alone(file)) as image:
        if chunks.frames and chunks.bits == 16:
            raise ImageError("an animation of 16 bits can't be read; save the frame that is meant as a file of its own")
        image.seek(number)
        deep = chunks.bits == 16 and chunks.colour != 0
        picture = _deep(image, file, chunks) if deep else _shallow(image, chunks)
    return upright(picture, of_metadata(chunks.exif, chunks.xmp))


def _shallow(image: PngImagePlugin.PngImageFile, chunks: Chunks) -> Picture:
    """Picture of up to 8 bits a channel, or of 16 in grey."""
    if chunks.key and chunks.colour == PALETTE:
        image.info["transparency"] = chunks.key
    elif chunks.key and chunks.bits < 16:
        scale = 255 // (2**chunks.bits - 1)
        key = tuple(value * scale for value in _key_of(chunks))
        image.info["transparency"] = key if chunks.colour == 2 else key[0]
    picture = picture_of(image)
    if chunks.key and chunks.bits == 16:
        hide_key(picture.pixels, _key_of(chunks))
    return picture


def _deep(image: PngImagePlugin.PngImageFile, file: BinaryIO, chunks: Chunks) -> Picture:
    """16 bits of more than one channel, as uint16."""
    if chunks.colour == GREY_ALPHA:
        halves = _halves(_loaded(image, "RGBA"))  # both bytes of both channels, as if they were four
        pixels, alpha = halves[:, :, 0], halves[:, :, 1]
        pixels = np.ascontiguousarray(pixels)
        lay_on_black(pixels, alpha)
        return Picture(pixels, 65535)
    high, low = _RAW[chunks.colour]
    values = _high_bytes(_loaded(image, high))
    image.im = None  # type: ignore[assignment]  # half as large as what was read of it
    with PngImagePlugin.PngImageFile(chunks.alone(file)) as again:
        _add_low_bytes(values, _loaded(again, low))
    if chunks.colour == 2:
        if chunks.key:
            hide_key(values, _key_of(chunks))
        return Picture(values, 65535)
    pixels, alpha = values[:, :, :3], values[:, :, 3]
    lay_on_black(pixels, alpha)
    return Picture(pixels, 65535)


def _loaded(image: PngImagePlugin.PngImageFile, raw: str) -> PngImagePlugin.PngImageFile:
    """`image` with its rows unpacked as `raw` says."""
    image.tile = [image.tile[0]._replace(args=raw)]
    image.load()
    return image


def _halves(image: PngImagePlugin.PngImageFile) -> NDArray[np.uint16]:
    """uint16 `[H,W,2]` from the four bytes of each pixel."""
    values = np.empty((image.height, image.width, 2), np.uint16)
    for rows in strips(image.height, image.width):
        strip = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
        values[rows] = np.ascontiguousarray(strip).view(">u2")
    return values


def _high_bytes(image: PngImagePlugin.PngImageFile) -> NDArray[np.uint16]:
    values = np.empty((image.height, image.width, len(image.getbands())), np.uint16)
    for rows in strips(image.height, image.width):
        np.left_shift(np.asarray(image.crop((0, rows.start, image.width, rows.stop))), 8, out=values[rows], dtype="u2")
    return values


def _add_low_bytes(values: NDArray[np.uint16], image: PngImagePlugin.PngImageFile) -> None:
    for rows in strips(image.height, image.width):
        values[rows] |= np.asarray(image.crop((0, rows.start, image.width, rows.stop)))


def _key_of(chunks: Chunks) -> tuple[int, ...]:
    """The transparent value: one of grey, three of colour."""
    return struct.unpack_from(">HHH" if chunks.colour == 2 else ">H", chunks.key)
