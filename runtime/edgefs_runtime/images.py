"""Reading an image file into pixels, safely.

The size is checked from the header before anything is decoded, EXIF orientation is applied, and every fault comes out
as an `ImageError` with a reason that fits in a list of left-out files.
"""

from __future__ import annotations

import hashlib
import io
import os
import struct
from pathlib import Path
from typing import Union

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image, UnidentifiedImageError

from edgefs_runtime.errors import ImageError
from edgefs_runtime.formats import further_formats

MAX_PIXELS = 50_000_000  # pixels; a 1 kB file can claim 60,000 × 60,000
_FORMATS = ("JPEG", "PNG", "BMP", "TIFF", "WEBP", "GIF", "PPM")  # by content; Pillow's others run Ghostscript and worse
_UPRIGHT = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}  # what undoes each EXIF orientation

ImageSource = Union[str, "os.PathLike[str]", bytes, Image.Image, NDArray[np.uint8], NDArray[np.uint16]]


def content_digest(source: bytes | Path) -> str:
    """Lower-case hex SHA-256 of an image file's bytes: its identity in caches, galleries and RUN folders."""
    return hashlib.sha256(source if isinstance(source, bytes) else source.read_bytes()).hexdigest()


def open_image(source: ImageSource) -> Image.Image:
    """Decode `source` to an upright Pillow image in mode L, RGB or I;16 (more than 8 bits).

    Args:
        source: a path, the bytes of an image file, a Pillow image, or an array: uint8 or uint16 `[H,W]`, uint8
            `[H,W,3]` in RGB order.

    Raises:
        ImageError: not an image, truncated, empty, larger than `MAX_PIXELS`, or an array of another shape or dtype.
    """
    if isinstance(source, np.ndarray):
        return _from_array(source)
    try:
        if isinstance(source, Image.Image):
            return _upright(source)
        data = source if isinstance(source, bytes) else read_file(Path(source))
        if not data:
            raise ImageError("empty file (0 bytes)")
        with Image.open(io.BytesIO(data), formats=(*_FORMATS, *further_formats(data[:32]))) as image:
            return _upright(image)
    except (Image.DecompressionBombError, Image.DecompressionBombWarning) as error:
        raise ImageError(f"larger than {MAX_PIXELS:,} pixels, refused before decoding") from error
    except UnidentifiedImageError as error:
        raise ImageError("not an image in a format that can be read") from error
    except (OSError, SyntaxError, ValueError, EOFError, struct.error) as error:
        raise ImageError(f"damaged image ({_first_line(error)})") from error


def read_file(path: Path) -> bytes:
    """The bytes of a file that should be an image.

    Raises:
        ImageError: no such file, or it can't be read.
    """
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise ImageError("no such file") from error
    except OSError as error:
        raise ImageError(f"can't be read ({error.strerror})") from error


def _check_size(size: tuple[int, int]) -> None:
    width, height = size
    if width * height > MAX_PIXELS:
        raise ImageError(f"{width} x {height} is more than {MAX_PIXELS:,} pixels, refused before decoding")


def _upright(image: Image.Image) -> Image.Image:
    _check_size(image.size)
    image.load()
    turn = _UPRIGHT.get(_orientation(image))
    upright = image
    if turn is not None:
        upright = image.transpose(turn)
        upright.info = {key: value for key, value in image.info.items() if key == "transparency"}  # not turned twice
    if upright.mode in {"L", "RGB", "I;16"}:
        return upright
    if upright.mode in {"I;16B", "I;16L", "I", "F"}:
        return _high_bit_depth(upright)
    if upright.mode in {"1", "LA"} or (upright.mode == "P" and _is_grey_palette(upright)):
        return _without_alpha(upright).convert("L")
    return _without_alpha(upright).convert("RGB")


def _orientation(image: Image.Image) -> int:
    """EXIF orientation; 1 (upright) without one, or when EXIF is damaged, since the pixels are still good."""
    try:
        return int(image.getexif().get(ExifTags.Base.Orientation, 1))
    except (OSError, SyntaxError, ValueError, TypeError, KeyError, IndexError, struct.error):
        return 1


def _is_grey_palette(image: Image.Image) -> bool:
    palette = np.asarray(image.getpalette("RGB"), dtype=np.uint8).reshape(-1, 3)
    return bool((palette == palette[:, :1]).all()) and "transparency" not in image.info


def _without_alpha(image: Image.Image) -> Image.Image:
    """Transparent pixels hide arbitrary colours; the part is what is seen, on black."""
    if image.mode not in {"RGBA", "LA", "PA", "RGBa", "La"} and "transparency" not in image.info:
        return image
    rgba = image.convert("RGBA")
    return Image.alpha_composite(Image.new("RGBA", rgba.size, (0, 0, 0, 255)), rgba)


def _high_bit_depth(image: Image.Image) -> Image.Image:
    """Pillow's 32-bit integer and float modes hold 16-bit camera data; anything beyond is not an inspection image."""
    values = np.asarray(image)
    if not np.isfinite(values).all() or values.min() < 0 or values.max() > 65535 or (values % 1).any():
        raise ImageError(f"pixel values from {values.min()} to {values.max()}: expected whole numbers, 0 to 65535")
    return Image.fromarray(values.astype(np.uint16))


def _from_array(array: NDArray[np.uint8] | NDArray[np.uint16]) -> Image.Image:
    grey = array.ndim == 2 and array.dtype in (np.uint8, np.uint16)
    colour = array.ndim == 3 and array.shape[2] == 3 and array.dtype == np.uint8
    if not (grey or colour) or array.size == 0:
        raise ImageError(
            f"array of shape {array.shape} and dtype {array.dtype}: expected uint8 [H,W] or [H,W,3], or uint16 [H,W]"
        )
    return Image.fromarray(array)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
