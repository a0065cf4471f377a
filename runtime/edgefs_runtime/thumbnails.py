"""Small JPEG copies of images, free of everything the camera or the customer wrote into the file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.images import ImageSource, open_image

KEPT_SIDE = 256  # pixels of the shorter side of an image that is kept so that it can be embedded again


def thumbnail(source: ImageSource, *, longer: int | None = None, shorter: int | None = None) -> bytes:
    """A JPEG that is upright, without EXIF, comments or colour profile, and never larger than the original.

    More than 8 bits are stretched from the 1st to the 99th percentile: the copy is for the eye.

    Args:
        source: an image, as `open_image` takes it.
        longer: at most this many pixels along the longer side; or
        shorter: about this many along the shorter one.

    Raises:
        ImageError: the source can't be decoded.
    """
    image = open_image(source)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels)
    copy = Image.fromarray(pixels)  # from bare pixels: Pillow passes an image's own comment on to its JPEG
    wanted = longer / max(copy.size) if longer else (shorter or KEPT_SIDE) / min(copy.size)
    if wanted < 1:
        size = (max(1, round(copy.width * wanted)), max(1, round(copy.height * wanted)))
        copy = copy.resize(size, Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=80 if longer else 90)
    return buffer.getvalue()


def _stretched(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    low, high = np.percentile(pixels, (1, 99))
    scaled = (pixels.astype(np.float64) - low) * (255.0 / max(high - low, 1.0))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)
