"""What Pillow decodes: BMP, GIF, WebP, AVIF and HEIF files, and images of its own that a program hands over.

Its decoders are called by name. `Image.open` would try all it has, some of which run other programs, and warn of sizes
that are refused here before anything is decoded.
"""

from __future__ import annotations

import struct
from typing import Any, BinaryIO

import numpy as np
from PIL import Image

from edgefs_runtime.images.decode.alpha import blended, hide_key
from edgefs_runtime.images.decode.depth import settle
from edgefs_runtime.images.decode.gif_frames import count_frames
from edgefs_runtime.images.decode.orientation import of_info, upright
from edgefs_runtime.images.formats import further_format
from edgefs_runtime.images.picture import USUAL, Asked, Limit, Picture, check_size, choose_page, strips

_GREY = frozenset({"1", "L", "LA", "La"})
_ALPHA = frozenset({"LA", "La", "PA", "RGBA", "RGBa"})
_PIXEL_BYTES = {"I;16": 2, "I;16L": 2, "I;16B": 2, "I;16N": 2, "I": 4, "F": 4}  # of modes with other than one a band
_DEEP = frozenset({"I;16", "I;16L", "I;16B", "I;16N"})


def read_bmp(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a BMP.

    Raises:
        ImageError: damaged or too large.
    """
    from PIL.BmpImagePlugin import BmpImageFile

    image = BmpImageFile(file)
    if image.tile[0].codec_name == "bmp_rle":  # which Pillow unpacks beside the picture, twice
        check_size(*image.size, 3, asked.limit)
    return _picture_in(image, 1, asked)


def read_gif(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a GIF.

    Raises:
        ImageError: damaged, too large, or several frames of which none was chosen.
    """
    from PIL.GifImagePlugin import GifImageFile

    head = file.read(10)
    width, height = struct.unpack_from("<HH", head, 6)
    check_size(width, height, 4, asked.limit)
    count = count_frames(file)
    choose_page(count, asked.page)
    file.seek(0)
    return _picture_in(GifImageFile(file), count, asked)


def read_webp(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in a WebP.

    Raises:
        ImageError: damaged, too large, or several frames of which none was chosen.
    """
    from PIL.WebPImagePlugin import WebPImageFile

    check_size(*_webp_size(file.read(30)), 4, asked.limit)
    file.seek(0)
    image = WebPImageFile(file)
    return _picture_in(image, image.n_frames, asked)


def read_further(file: BinaryIO, asked: Asked) -> Picture:
    """The picture in an AVIF or HEIF, where what reads it is there.

    Raises:
        ImageError: it is not, or the file is damaged, too large, or holds several frames of which none was chosen.
    """
    name = further_format(file.read(32))
    if name == "AVIF":
        from PIL import AvifImagePlugin  # noqa: F401 - which Pillow knows from then on
    file.seek(0)
    image = Image.OPEN[name][0](file, "")
    return _picture_in(image, getattr(image, "n_frames", 1), asked)


def _picture_in(opened: Image.Image, count: int, asked: Asked) -> Picture:
    """The picture in a file of `count` frames that Pillow decodes."""
    with opened as image:
        number = choose_page(count, asked.page)
        if number:
            image.seek(number)
        return upright(picture_of(image, limit=asked.limit), of_info(image.info))


def picture_of(image: Image.Image, counts: bool = False, limit: Limit = USUAL) -> Picture:
    """A picture from Pillow's image, as it lies there.

    Args:
        image: decoded or not yet.
        counts: whether whole numbers of 32 bits are raw counts.
        limit: how large it may be.

    Raises:
        ImageError: larger than the limit, or values of 32 bits that are no picture's.
    """
    check_size(*image.size, _PIXEL_BYTES.get(image.mode, len(image.getbands())), limit)
    image.load()
    if image.mode in _DEEP:
        picture = Picture(_copied(image, np.uint16), 65535)
        if "transparency" in image.info:
            hide_key(picture.pixels, (image.info["transparency"],))
        return picture
    if image.mode in ("I", "F"):
        return settle(_copied(image, np.int32 if image.mode == "I" else np.float32), counts)
    return Picture(_seen(image))


def _copied(image: Image.Image, dtype: type[Any]) -> Any:
    """`[H,W]`, without a copy of the whole beside it."""
    values = np.empty((image.height, image.width), dtype)
    for rows in strips(image.height, image.width):
        values[rows] = np.asarray(image.crop((0, rows.start, image.width, rows.stop)))
    return values


def _seen(image: Image.Image) -> Any:
    """uint8 `[H,W]` or `[H,W,3]`."""
    mode = "L" if image.mode in _GREY or _is_grey_palette(image) else "RGB"
    covered = _has_alpha(image) and not _alpha_is_dead(image)
    premultiplied = image.mode in ("La", "RGBa")
    through = ("LA" if mode == "L" else "RGBA") if covered else mode
    pixels = np.empty((image.height, image.width, *((3,) if mode == "RGB" else ())), np.uint8)
    for rows in strips(image.height, image.width):
        strip = image.crop((0, rows.start, image.width, rows.stop))
        if premultiplied:  # what is seen on black already
            bands = [np.asarray(band) for band in strip.split()[: len(mode)]]
            pixels[rows] = bands[0] if mode == "L" else np.stack(bands, axis=2)
            continue
        if not covered:
            strip.info.pop("transparency", None)
        values = np.asarray(strip if strip.mode == through else strip.convert(through))
        if covered:
            colour = values[:, :, 0] if mode == "L" else values[:, :, :3]
            pixels[rows] = blended(colour, values[:, :, -1])
        else:
            pixels[rows] = values
    return pixels


def _is_grey_palette(image: Image.Image) -> bool:
    if image.mode != "P" or _has_alpha(image):
        return False
    palette = np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all())


def _has_alpha(image: Image.Image) -> bool:
    in_palette = image.mode == "P" and image.palette is not None and image.palette.mode == "RGBA"
    return image.mode in _ALPHA or "transparency" in image.info or in_palette


def _alpha_is_dead(image: Image.Image) -> bool:
    """Whether nothing at all would be seen."""
    if image.mode in _ALPHA:
        return bool(image.getextrema()[-1] == (0, 0))
    alphas = image.info.get("transparency")
    if alphas is None:
        alphas = bytes((image.getpalette("RGBA") or [])[3::4])
    if image.mode == "P" and isinstance(alphas, bytes):
        used = [index for index, count in enumerate(image.histogram()) if count]
        return all(index < len(alphas) and alphas[index] == 0 for index in used)
    return False


def _webp_size(head: bytes) -> tuple[int, int]:
    """Width and height, from the first 30 bytes."""
    if head[12:16] == b"VP8X":
        return int.from_bytes(head[24:27], "little") + 1, int.from_bytes(head[27:30], "little") + 1
    if head[12:16] == b"VP8L":
        bits = int.from_bytes(head[21:25], "little")
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1
    return int.from_bytes(head[26:28], "little") & 0x3FFF, int.from_bytes(head[28:30], "little") & 0x3FFF
