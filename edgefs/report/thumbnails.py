"""Small JPEG copies of images, free of everything the camera or the customer wrote into the file."""

from __future__ import annotations

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from edgefs_runtime.images import ImageSource, open_image


def thumbnail(source: ImageSource, side: int = 160) -> bytes:
    """A JPEG whose longer side is at most `side` pixels, upright, without EXIF, comments or colour profile.

    More than 8 bits are stretched from the 1st to the 99th percentile: the copy is for the eye, not for the network.

    Raises:
        ImageError: the source can't be decoded.
    """
    image = open_image(source)
    pixels = np.asarray(image)
    if pixels.dtype != np.uint8:
        pixels = _stretched(pixels)
    copy = Image.fromarray(pixels)  # from bare pixels: Pillow passes an image's own comment on to its JPEG
    copy.thumbnail((side, side), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    copy.save(buffer, "JPEG", quality=80)
    return buffer.getvalue()


def _stretched(pixels: NDArray[np.uint16]) -> NDArray[np.uint8]:
    low, high = np.percentile(pixels, (1, 99))
    scaled = (pixels.astype(np.float64) - low) * (255.0 / max(high - low, 1.0))
    return np.asarray(np.clip(np.rint(scaled), 0, 255), np.uint8)
